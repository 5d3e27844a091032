# frozen_string_literal: true

# What a worker adds to handlers, end to end: database, orchestrator and this process.
#
#   1. Handlers that compute for 1 ms, in a worker and in a plain loop: the share added to
#      the whole, and what lies between the end of one handler and the start of the next.
#   2. Handlers that do nothing: steps a second.
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

# Begin and end of every call.
class Recorded
  attr_reader :times

  def initialize(seconds)
    @seconds = seconds
    @times = Thread::Queue.new
  end

  def call(_context)
    began = now
    compute(@seconds) if @seconds.positive?
    @times << [began, now]
    nil
  end

  def all
    Array.new(@times.size) { @times.pop }.sort
  end
end

def milliseconds(values, share)
  (values.sort[((values.size - 1) * share).floor] * 1000).round(3)
end

def facts(times)
  between = times.each_cons(2).map { |(_, ended), (began, _)| [began - ended, 0].max }
  { seconds: (times.last.last - times.first.first).round(4),
    between_p50_ms: milliseconds(between, 0.5), between_p99_ms: milliseconds(between, 0.99),
    handler_p99_ms: milliseconds(times.map { |began, ended| ended - began }, 0.99) }
end

def in_loop(seconds, steps)
  handler = Recorded.new(seconds)
  steps.times { handler.call(nil) }
  facts(handler.all)
end

def in_worker(stack, name, handler, steps, concurrency)
  template = { 'name' => name, 'namespace_name' => name, 'version' => '1.0.0', 'task_handler_class' => 'Bench',
               'step_templates' => Array.new(WIDTH) { |at| { 'name' => "s#{at}", 'handler_class' => name } } }
  stack.register(JSON.generate(template))
  tasks = Array.new((steps / WIDTH.to_f).ceil) { stack.submit("#{name}/#{name}") }
  registry = TaskerCore::Registry.new
  registry.register(name, handler)
  worker = TaskerCore::Worker.start(set: stack.settings, namespaces: name, concurrency: concurrency, registry: registry)
  Stack.eventually('all handlers have run', patience: 600) { handler.times.size >= tasks.size * WIDTH }
  times = handler.all
  tasks.each { |task| stack.wait(task, patience: 600) }
  worker.stop
  worker.join
  facts(times).merge(steps: times.size)
end

stack = Stack.shared
plain = in_loop(0.001, steps)
worked = in_worker(stack, 'milli', Recorded.new(0.001), steps, concurrency)
share = worked[:seconds] / worked[:steps] / (plain[:seconds] / steps)
puts JSON.generate(bench: 'workflow', handlers: '1 ms', concurrency: concurrency, loop: plain, worker: worked,
                   added_percent: ((share - 1) * 100).round(2),
                   added_p99_ms: (worked[:between_p99_ms] - plain[:between_p99_ms]).round(3))

idle = in_worker(stack, 'noop', Recorded.new(0), steps * 2, concurrency)
puts JSON.generate(bench: 'workflow', handlers: 'no-op', concurrency: concurrency, worker: idle,
                   steps_per_second: (idle[:steps] / idle[:seconds]).round)
