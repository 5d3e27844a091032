# frozen_string_literal: true

require 'end_to_end/setting'
require 'fileutils'
require 'redis'

Redis.silence_deprecations = true

# Steps as jobs of real queues: a Redis of our own, processes of Sidekiq, and the program
# that dispatches. All of them are ended by their process ids.
module Dispatched
  HANDLERS = File.expand_path('handlers', __dir__)
  # The shortest there is.
  LEASE = { 'TASKER__ENGINE__LEASE_MS' => '5000' }.freeze

  def directory
    @directory ||= Dir.mktmpdir('dispatch')
  end

  def gate
    File.join(directory, 'gate')
  end

  # Where Redis listens, be it there or not.
  def redis_url
    "unix://#{File.join(directory, 'redis.sock')}"
  end

  def start_redis
    socket = File.join(directory, 'redis.sock')
    @redis = Stack::Service.new('redis-server', '--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', directory)
    @redis.wait_for(/ready to accept connections/i)
    @redis
  end

  def redis
    @client ||= Redis.new(url: redis_url)
  end

  def waiting_jobs(queue = 'default')
    redis.lrange("queue:#{queue}", 0, -1).map { |job| JSON.parse(job) }
  end

  def waits_in_redis(count, queue = 'default')
    eventually("#{count} jobs wait") { waiting_jobs(queue).size >= count }
  end

  # A process of Sidekiq with the handlers of spec/dispatch/handlers.
  def sidekiq(*arguments, environment: {}, file: 'jobs.rb')
    service = Stack::Service.new('sidekiq', '-r', File.join(HANDLERS, file), '-c', '3', '-e', 'test', *arguments,
                                 environment: dispatch_environment(environment).merge('RUBYLIB' => File.join(EndToEnd::GEM, 'lib')),
                                 chdir: directory)
    service.wait_for(/Running in ruby/)
    (@sidekiqs ||= []) << service
    service
  end

  def dispatcher(*arguments, way: 'sidekiq', environment: {})
    service = program('--require', File.join(HANDLERS, 'jobs.rb'), '--namespace', namespace, '--dispatch', way, *arguments,
                      environment: dispatch_environment(environment))
    service.wait_for(/worker started/)
    service
  end

  def dispatch_environment(more)
    stack.environment.merge(LEASE, 'REDIS_URL' => redis_url, **more)
  end

  # Kinds of the attempts of a step that did not succeed.
  def failures(task_id, step)
    stack.step(task_id, step)['failures'].map { |failure| failure['kind'] }
  end

  def end_processes
    (@sidekiqs || []).each { |service| service.stop(patience: 5) }
    stop_programs
    @client&.close
    @redis&.stop
    FileUtils.rm_rf(@directory) if @directory
  end
end

RSpec.configure do |config|
  config.include EndToEnd, :dispatched
  config.include Dispatched, :dispatched
  config.after(:each, :dispatched) do
    stop_workers
    end_processes
  end
end
