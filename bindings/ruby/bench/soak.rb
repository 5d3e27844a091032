# frozen_string_literal: true

# Rounds at full load: whether objects or memory grow with the work done.
#
#   TASKER_TEST_PROFILE=release ruby bench/soak.rb [rounds] [tasks a round] [concurrency]
#
# A round submits its tasks (500 steps each, in both styles of handlers, a tenth of them
# failing once), waits for the last, collects garbage, and prints what is left as a line
# of JSON. Ends with 1 if a later round has more than the rounds at the beginning: counted
# over rounds, not over time. Ten minutes of load are 40 to 50 rounds of 100 tasks.

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__), File.expand_path('../spec', __dir__))
require 'json'
require 'objspace'
require 'support/stack'
require 'tasker_core'

WIDTH = 500
# Until caches, threads and the heap have their size.
WARM_UP_ROUNDS = 3
# What later rounds may have more than the most of those just after: a free slot more or
# less in tables and caches is no growth, a few objects a step are.
OBJECTS_MORE = WIDTH
RSS_MORE = 1.10

rounds = Integer(ARGV.fetch(0, 10))
tasks = Integer(ARGV.fetch(1, 4))
concurrency = Integer(ARGV.fetch(2, 16))
TaskerCore.logger.level = Logger::ERROR

# The engine's style.
class SoakOld < Tasker::StepHandler::Base
  def process(task, _sequence, step)
    raise Tasker::RetryableError, 'once' if step.attempts.zero? && (step.workflow_step_id % 10).zero?

    { 'name' => step.name, 'payload' => task.context['payload'] }
  end
end

# The new one.
class SoakNew < TaskerCore::StepHandler
  def call(context)
    raise TaskerCore::RetryableError.new('once', retry_after: 0) if context.attempt == 1 && (context.step_id % 10).zero?

    context.heartbeat(done: 1)
    { name: context.step_name, payload: context.input('payload') }
  end
end

def left
  4.times { GC.start }
  counts = ObjectSpace.count_objects
  { objects: counts[:TOTAL] - counts[:FREE], strings: counts[:T_STRING], hashes: counts[:T_HASH], data: counts[:T_DATA],
    executions: ObjectSpace.each_object(TaskerCore::Native::Execution).count, threads: Thread.list.size,
    heap_kb: ObjectSpace.memsize_of_all / 1024, rss_kb: File.read('/proc/self/status')[/VmRSS:\s+(\d+)/, 1].to_i }
end

template = { 'name' => 'soak', 'namespace_name' => 'soak', 'version' => '1.0.0', 'task_handler_class' => 'Soak',
             'step_templates' => Array.new(WIDTH) do |at|
               { 'name' => "s#{at}", 'handler_class' => at.even? ? 'SoakNew' : 'SoakOld', 'retry' => { 'backoff' => 'fixed', 'base_ms' => 1 } }
             end }
stack = Stack.shared
stack.register(JSON.generate(template))
worker = TaskerCore::Worker.start(set: stack.settings, namespaces: 'soak', concurrency: concurrency)
context = { 'payload' => { 'list' => (1..20).to_a, 'text' => 'x' * 200 } }

history = Array.new(rounds) do |round|
  started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  ids = Array.new(tasks) { stack.submit('soak/soak', context) }
  # One look at the database a round: the API's answer for such a task is large, and
  # reading it would be most of what this process does.
  Stack.eventually('the round ends', patience: 600) do
    stack.sql('SELECT count(*) AS n FROM tasker_tasks WHERE task_id = ANY ($1::bigint[]) AND NOT complete', "{#{ids.join(',')}}")
         .first['n'].to_i.zero? || (sleep(0.05) && nil)
  end
  seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - started
  facts = { bench: 'soak', round: round + 1, steps: tasks * WIDTH, steps_per_second: (tasks * WIDTH / seconds).round, **left }
  puts JSON.generate(facts)
  $stdout.flush
  facts
end
worker.stop
worker.join

settled = history.drop(WARM_UP_ROUNDS)
if settled.size < 4
  puts JSON.generate(bench: 'soak', verdict: 'too few rounds to judge', rounds: rounds)
  exit
end
first, last = settled.each_slice((settled.size / 2.0).ceil).to_a
grown = { objects: OBJECTS_MORE, data: OBJECTS_MORE / 10, executions: 0, threads: 0 }.filter_map do |key, more|
  key if last.map { |facts| facts[key] }.min > first.map { |facts| facts[key] }.max + more
end
grown << :rss_kb if last.map { |facts| facts[:rss_kb] }.min > first.map { |facts| facts[:rss_kb] }.max * RSS_MORE
puts JSON.generate(bench: 'soak', verdict: grown.empty? ? 'flat' : 'grows', grown: grown)
exit 1 if grown.any?
