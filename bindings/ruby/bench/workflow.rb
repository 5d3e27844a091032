# frozen_string_literal: true

# What a worker adds to handlers, end to end: database, orchestrator and this process.
#
#   1. Handlers that do nothing: steps a second.
#   2. Handlers that compute for 1 ms, in a plain loop and in a worker: the share added to
#      the whole, and what lies between the end of one handler and the start of the next.
#      In rounds, and the figures in the middle count.
#
#   TASKER_TEST_PROFILE=release ruby bench/workflow.rb [steps] [concurrency]
#
# Steps are independent and submitted before the worker starts, so that it is never short
# of them. Prints lines of JSON.

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__), File.expand_path('../spec', __dir__))
require 'json'
require 'support/stack'
require 'tasker_core'

WIDTH = 500
ROUNDS = 3
steps = Integer(ARGV.fetch(0, 5_000))
concurrency = Integer(ARGV.fetch(1, 16))
TaskerCore.logger.level = Logger::WARN

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

# Holds the processor, as Ruby code does.
def compute(seconds)
  ending = now + seconds
  nil while now < ending
end

# Counts durations by their microsecond, and makes nothing while it does: new memory here
# would be measured as well.
class Histogram
  LONGEST = 20_000

  def initialize
    @counts = Array.new(LONGEST + 1, 0)
  end

  def <<(seconds)
    @counts[(seconds * 1_000_000).to_i.clamp(0, LONGEST)] += 1
  end

  def milliseconds(share)
    left = ((@counts.sum - 1) * share).floor
    @counts.index { |count| (left -= count).negative? } / 1000.0
  end
end

# A handler that knows when it ran.
class Timed
  attr_reader :calls

  def initialize(seconds)
    @seconds = seconds
    @between = Histogram.new
    @handlers = Histogram.new
    @calls = 0
  end

  def call(_context)
    began = now
    compute(@seconds) if @seconds.positive?
    @first ||= began
    @between << began - @ended if @ended
    @calls += 1
    @ended = now
    @handlers << @ended - began
    nil
  end

  def facts
    { seconds: (@ended - @first).round(4), steps: @calls,
      between_p50_ms: @between.milliseconds(0.5), between_p99_ms: @between.milliseconds(0.99),
      handler_p99_ms: @handlers.milliseconds(0.99) }
  end
end

def in_loop(seconds, steps)
  handler = Timed.new(seconds)
  steps.times { handler.call(nil) }
  handler.facts
end

def in_worker(stack, name, seconds, steps, concurrency)
  template = { 'name' => name, 'namespace_name' => name, 'version' => '1.0.0', 'task_handler_class' => 'Bench',
               'step_templates' => Array.new(WIDTH) { |at| { 'name' => "s#{at}", 'handler_class' => name } } }
  stack.register(JSON.generate(template))
  tasks = Array.new((steps / WIDTH.to_f).ceil) { stack.submit("#{name}/#{name}") }
  handler = Timed.new(seconds)
  registry = TaskerCore::Registry.new
  registry.register(name, handler)
  worker = TaskerCore::Worker.start(set: stack.settings, namespaces: name, concurrency: concurrency, registry: registry)
  Stack.eventually('all handlers have run', patience: 600) { handler.calls >= tasks.size * WIDTH }
  tasks.each { |task| stack.wait(task, patience: 600) }
  worker.stop
  worker.join
  handler.facts
end

stack = Stack.shared
nothing = in_worker(stack, 'noop', 0, steps * 2, concurrency)
puts JSON.generate(bench: 'workflow', handlers: 'no-op', concurrency: concurrency, worker: nothing,
                   steps_per_second: (nothing[:steps] / nothing[:seconds]).round)

rounds = Array.new(ROUNDS) do |at|
  plain = in_loop(0.001, steps)
  worked = in_worker(stack, "milli_#{at}", 0.001, steps, concurrency)
  share = worked[:seconds] / worked[:steps] / (plain[:seconds] / plain[:steps])
  round = { added_percent: ((share - 1) * 100).round(2), added_p99_ms: (worked[:between_p99_ms] - plain[:between_p99_ms]).round(3) }
  puts JSON.generate(bench: 'workflow', handlers: '1 ms', round: at + 1, concurrency: concurrency, loop: plain, worker: worked, **round)
  round
end
middle = rounds.first.keys.to_h { |figure| [figure, rounds.map { |round| round[figure] }.sort[ROUNDS / 2]] }
puts JSON.generate(bench: 'workflow', handlers: '1 ms', rounds: ROUNDS, **middle)
