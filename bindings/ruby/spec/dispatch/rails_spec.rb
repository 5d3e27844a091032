# frozen_string_literal: true

require_relative 'setting'
require 'rails/support/application'

RSpec.describe 'Dispatch in a Rails application', :rails_application, :dispatched do
  # Both modules have one of this name.
  def environment(variables)
    RailsApplication.instance_method(:environment).bind_call(self, variables)
  end

  before do
    write('config/initializers/dispatch.rb', <<~RUBY)
      require 'active_job/railtie'
      Rails.application.config.tasker_core.dispatch = :active_job
      Rails.application.config.tasker_core.queue = 'steps'
    RUBY
    write('config/application.rb', RailsApplication::APPLICATION.sub("class Sample", "require 'active_job/railtie'\nclass Sample"))
    write('app/tasks/shop/charge.rb', <<~RUBY)
      class Shop::Charge < Tasker::StepHandler::Base
        def process(task, _sequence, step)
          Runs.said << [:handler, step.name, task.context['order']]
          { 'queue' => Runs.queues.last }
        end
      end
    RUBY
    write('config/initializers/runs.rb', <<~RUBY)
      module Runs
        class << self
          attr_reader :said, :queues
        end
        @said = Queue.new
        @queues = []
      end
    RUBY
  end

  it 'is what the example shows' do
    example = File.join(EndToEnd::GEM, 'examples/rails')
    start_redis
    environment = dispatch_environment('RAILS_ENV' => 'test')
    output, status = Open3.capture2e(environment, RbConfig.ruby, '-W0', 'bin/rails', 'db:migrate', chdir: example)
    expect(status).to be_success, output
    services = [[RbConfig.ruby, '-W0', 'bin/rails', 'runner', 'TaskerCore::Worker.run(dispatch: :sidekiq)'], ['sidekiq']].map do |command|
      Stack::Service.new(*command, environment: environment, chdir: example)
    end
    # It registers the workflow first.
    services.first.wait_for(/worker started/)
    task = stack.wait(stack.submit('workshop/repair_bicycle', { 'customer' => 'Ada', 'phone' => '555 0199', 'faults' => %w[brake] }))
    expect(task['state']).to eq('complete'), services.map(&:output).join
    expect(services.last.output).to include('ordering parts for brake')
  ensure
    services&.each(&:stop)
  end

  it 'takes way and queue from the configuration, and wraps each run once, as Rails does' do
    register('sell', 'charge' => ['Shop::Charge'])
    task_id = submit('sell', 'order' => 7)
    ended = booted(<<~RUBY, **stack.environment.transform_keys(&:to_sym))
      ActiveJob::Base.queue_adapter = :async
      # The main thread has runs of its own, to load handlers.
      Rails.application.executor.to_run { Runs.said << [:executor] unless Thread.current == Thread.main }
      TaskerCore::Dispatch::ActiveJobJob.before_perform { |job| Runs.queues << job.queue_name }
      worker = TaskerCore::Worker.start(namespaces: '#{namespace}')
      said = [Runs.said.pop, Runs.said.pop]
      deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 30
      Thread.pass until worker.steps_in_hand.zero? || Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
      TaskerCore.adopter.stop
      worker.stop.join
      puts({ said: said, more: Runs.said.size }.to_json)
    RUBY
    expect(ended.status).to be_success, ended.errors
    expect(ended.facts).to eq('said' => [['executor'], ['handler', 'charge', 7]], 'more' => 0)
    expect(results(wait(task_id))['charge']).to eq('queue' => 'steps')
    expect(ended.errors).to include('active_job (async), queue steps')
  end
end
