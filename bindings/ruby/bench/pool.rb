# frozen_string_literal: true

# What the Ruby half costs by itself: pool, registry and runner, fed by a double of the
# native side, with handlers that do nothing. Prints a line of JSON for each concurrency.
#
#   ruby bench/pool.rb [steps]

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__))
require 'json'
require 'tasker_core/worker'

steps = Integer(ARGV.fetch(0, 100_000))

# Answers into a counter.
execution = Class.new do
  define_method(:initialize) { |done| @done = done }
  def handler_class = 'Nothing'
  def cancelled? = false
  def succeed(_) = @done << true
end

registry = TaskerCore::Registry.new
registry.register('Nothing') { |_context| nil }
runner = TaskerCore::Runner.new(registry: registry)

[1, 4, 16, 64, 256].each do |concurrency|
  pool = TaskerCore::Pool.new(size: concurrency, runner: runner, on_exhausted: ->(reason) { abort(reason) })
  done = Thread::Queue.new
  started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  batches = Array.new(steps) { execution.new(done) }.each_slice(64)
  # As many in hand as the Rust side would let out.
  in_hand = 0
  batches.each do |batch|
    pool.submit(batch)
    in_hand += batch.size
    (done.pop && in_hand -= 1) while in_hand > [concurrency, 64].max
  end
  (done.pop && in_hand -= 1) while in_hand.positive?
  seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - started
  pool.close(1)
  puts JSON.generate(bench: 'pool', concurrency: concurrency, steps: steps, steps_per_second: (steps / seconds).round,
                     microseconds_per_step: (seconds / steps * 1e6).round(2))
end
