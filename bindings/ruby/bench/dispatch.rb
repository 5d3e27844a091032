# frozen_string_literal: true

# Steps through jobs of Sidekiq against steps inline, with handlers that do nothing: steps a
# second from the first handler to the last outcome, and how long a step takes that is alone,
# from its submission to its outcome.
#
#   TASKER_TEST_PROFILE=release ruby bench/dispatch.rb [steps] [processes of Sidekiq] [threads of each]
#
# Steps are independent and submitted before anything runs. Prints lines of JSON.

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__), File.expand_path('../spec', __dir__))
require 'json'
require 'rbconfig'
require 'tmpdir'
require 'support/stack'

GEM = File.expand_path('..', __dir__)
WIDTH = 500
HANDLER = <<~RUBY
  require 'sidekiq'
  require 'tasker_core'
  TaskerCore.handler('Bench') { |_context| nil }
  Redis.silence_deprecations = true
  # Two lines a job are a part of what Sidekiq does; most set it so.
  Sidekiq.configure_server { |config| config.on(:startup) { Sidekiq.logger.level = Logger::WARN } }
RUBY

steps, processes, threads = [5_000, 1, 10].zip(ARGV).map { |default, given| Integer(given || default) }
stack = Stack.shared
services = []
at_exit { services.each(&:stop) }

Dir.mktmpdir('bench') do |directory|
  handlers = File.join(directory, 'handlers.rb')
  File.write(handlers, HANDLER)
  socket = File.join(directory, 'redis.sock')
  redis = Stack::Service.new('redis-server', '--port', '0', '--unixsocket', socket, '--save', '', '--dir', directory)
  redis.wait_for(/ready to accept/i)
  environment = stack.environment.merge('REDIS_URL' => "unix://#{socket}", 'RUBYLIB' => File.join(GEM, 'lib'))
  start = ->(*command, ready) { services << Stack::Service.new(*command, environment: environment).tap { |one| one.wait_for(ready) } }
  worker = lambda do |namespace, *more|
    start.call(RbConfig.ruby, File.join(GEM, 'exe/tasker-worker'), '-r', handlers, '-n', namespace, *more, /worker started/)
  end

  { 'inline' => ['-c', threads.to_s], 'jobs' => ['-d', 'sidekiq'] }.each do |way, options|
    { 'wide' => WIDTH, 'lone' => 1 }.each do |name, width|
      step_templates = Array.new(width) { |at| { 'name' => "s#{at}", 'handler_class' => 'Bench' } }
      stack.register(JSON.generate('name' => name, 'namespace_name' => way, 'version' => '1.0.0', 'task_handler_class' => 'Bench',
                                   'step_templates' => step_templates))
    end
    tasks = Array.new(steps / WIDTH) { stack.submit("#{way}/wide") }
    processes.times { start.call('sidekiq', '-r', handlers, '-c', threads.to_s, '-e', 'test', /Running in/) } if way == 'jobs'
    worker.call(way, *options)
    tasks.each { |task| stack.wait(task, patience: 600) }
    seconds = stack.sql('SELECT extract(epoch FROM max(processed_at) - min(last_attempted_at)) AS s FROM tasker_workflow_steps ' \
                        'WHERE task_id = ANY ($1::bigint[])', "{#{tasks.join(',')}}").first['s'].to_f
    alone = Array.new(50) { stack.submit("#{way}/lone").tap { |task| stack.wait(task) } }
    lone = stack.sql('SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM processed_at - created_at) * 1000) AS ms ' \
                     'FROM tasker_workflow_steps WHERE task_id = ANY ($1::bigint[])', "{#{alone.join(',')}}").first['ms'].to_f
    puts JSON.generate(bench: 'dispatch', way: way, steps: tasks.size * WIDTH, threads: threads,
                       steps_per_second: (tasks.size * WIDTH / seconds).round, lone_step_p50_ms: lone.round(1))
    services.each(&:stop)
    services.clear
  end
  redis.stop
end
