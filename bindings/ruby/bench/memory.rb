# frozen_string_literal: true

# What a worker without Rails holds while it has nothing to do, as a process of its own:
#
#   TASKER_TEST_PROFILE=release ruby bench/memory.rb
#
# It has run a few steps before. Prints a line of JSON.

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__), File.expand_path('../spec', __dir__))
require 'json'
require 'rbconfig'
require 'support/stack'
require 'tempfile'

IDLE_SECONDS = 5

HANDLERS = <<~RUBY
  TaskerCore.handler('Memory::Step') { |context| { done: context.step_name } }
RUBY

def rss_kb(pid)
  Integer(File.read("/proc/#{pid}/status")[/VmRSS:\s+(\d+)/, 1])
end

stack = Stack.shared
stack.register(JSON.generate('name' => 'memory', 'namespace_name' => 'memory', 'version' => '1.0.0', 'task_handler_class' => 'Memory',
                             'step_templates' => [{ 'name' => 'only', 'handler_class' => 'Memory::Step' }]))
Tempfile.create(['handlers', '.rb']) do |file|
  file.write(HANDLERS)
  file.flush
  program = [RbConfig.ruby, '-I', File.expand_path('../lib', __dir__), File.expand_path('../exe/tasker-worker', __dir__)]
  settings = stack.settings.flat_map { |key, value| ['--set', "#{key}=#{value}"] }
  pid = spawn(Stack.clean_environment, *program, '--require', file.path, *settings, out: File::NULL)
  begin
    10.times { stack.wait(stack.submit('memory/memory')) }
    sleep(IDLE_SECONDS)
    puts JSON.generate(bench: 'memory', idle_worker_mb: (rss_kb(pid) / 1024.0).round(1))
  ensure
    Process.kill('TERM', pid)
    Process.wait(pid)
  end
end
