# frozen_string_literal: true

# How fast events of orchestration are read: all of some finished tasks, from the beginning
# of the audit trail, by a block that only counts.
#
#   TASKER_TEST_PROFILE=release ruby bench/feed.rb [tasks]
#
# Tasks are chains of ten steps. Prints a line of JSON.

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__), File.expand_path('../spec', __dir__))
require 'json'
require 'support/stack'
require 'tasker_core'

LENGTH = 10
tasks = Integer(ARGV.fetch(0, 2_000))
TaskerCore.logger.level = Logger::WARN

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

stack = Stack.shared
chain = Array.new(LENGTH) { |at| { 'name' => "s#{at}", 'handler_class' => 'feed', **(at.zero? ? {} : { 'depends_on_step' => "s#{at - 1}" }) } }
stack.register(JSON.generate('name' => 'feed', 'namespace_name' => 'feed', 'version' => '1.0.0', 'task_handler_class' => 'Feed',
                             'step_templates' => chain))
registry = TaskerCore::Registry.new
registry.register('feed', ->(_context) {})
worker = TaskerCore::Worker.start(set: stack.settings, namespaces: 'feed', concurrency: 16, registry: registry)
Array.new(tasks) { stack.submit('feed/feed') }.each { |task| stack.wait(task, patience: 600) }
worker.stop
worker.join

events = 0
ended = 0
began = now
last = began
feed = TaskerCore::EventFeed.start(name: 'bench', from: :beginning, set: stack.settings) do |batch|
  events += batch.size
  ended += batch.count { |event| event.identifier == 'task.completed' }
  last = now
end
Stack.eventually('all tasks were told of', patience: 600) { ended >= tasks }
feed.stop
feed.join
puts JSON.generate(bench: 'feed', tasks: tasks, steps: tasks * LENGTH, events: events, feed_events_per_second: (events / (last - began)).round,
                   steps_per_second: (tasks * LENGTH / (last - began)).round)
