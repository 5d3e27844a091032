# frozen_string_literal: true

require 'runtime/fakes'
require_relative 'setting'

RSpec.describe TaskerCore::Dispatch do
  let(:reference) { { 'namespace' => 'shop', 'step_name' => 'charge' } }

  def worker_with(**options)
    TaskerCore::Worker.new(native: Fakes::Native.new.to_proc, **options)
  end

  def refuses(message, **options)
    expect { worker_with(**options) }.to raise_error(TaskerCore::ConfigurationError, message)
  end

  it 'refuses a way that there is not, a queue that is none, and what has no meaning with it' do
    refuses(/dispatch: expected one of inline, active_job, sidekiq, not :resque/, dispatch: :resque)
    refuses(/dispatch: expected one of .*, not 3/, dispatch: 3)
    refuses(/queue: expected a name, or something to call .*, not 7/, dispatch: :sidekiq, queue: 7)
    refuses(/queue: expected a name/, dispatch: :sidekiq, queue: '')
    refuses(/queue: handlers run in the worker itself/, queue: 'steps')
    refuses(/concurrency: .* worker.dispatch_limit/, dispatch: :sidekiq, concurrency: 3)
  end

  it 'says what to install where the framework is missing' do
    { sidekiq: 'sidekiq', active_job: 'activejob' }.each do |way, gem|
      allow(described_class).to receive(:require).and_raise(LoadError, 'cannot load such file')
      refuses(/dispatch: #{way} takes the gem #{gem}, which cannot be loaded \(cannot load such file\): add it to the Gemfile/, dispatch: way)
    end
  end

  it 'routes to one queue, or by the reference' do
    expect(described_class::Route.new(nil).call(reference)).to eq('default')
    expect(described_class::Route.new(:steps).call(reference)).to eq('steps')
    by_namespace = described_class::Route.new(->(one) { one['namespace'] })
    expect(by_namespace.call(reference)).to eq('shop')
    expect { described_class::Route.new(->(_) {}).call(reference) }.to raise_error(TaskerCore::ConfigurationError, /not nil/)
  end

  describe 'of the program', :dispatched do
    {
      'another way' => [%w[--dispatch resque], /dispatch: expected one of inline, active_job, sidekiq, not :resque/],
      'a queue without a way' => [%w[--queue steps], /queue: handlers run in the worker itself/],
      'concurrency' => [%w[--dispatch active_job --concurrency 3], /worker.dispatch_limit/],
      'no patience' => [%w[--dispatch active_job --set worker.dispatch_wait_seconds=0], /worker.dispatch_wait_seconds/]
    }.each do |name, (arguments, message)|
      it "refuses #{name} with 2" do
        service = program('-r', 'set', *arguments)
        expect(service.wait).to have_attributes(exitstatus: 2)
        expect(service.output).to match(message)
      end
    end
  end
end
