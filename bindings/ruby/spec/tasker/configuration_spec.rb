# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe Tasker::Configuration, :tasker do
  it 'takes the usual initializer' do
    Tasker.configuration do |config|
      config.engine { |engine| engine.task_config_directory = 'workflows' }
      config.backoff do |backoff|
        backoff.default_backoff_seconds = [5, 10]
        backoff.jitter_enabled = false
      end
      config.telemetry.service_name = 'shop'
    end
    expect(Tasker.configuration.engine.task_config_directory).to eq('workflows')
    expect(Tasker.configuration.telemetry.service_name).to eq('shop')
    expect([1, 2, 3, 20].map { |n| Tasker.configuration.backoff.calculate_backoff_seconds(n) }).to eq([5, 10, 9, 300])
  end

  it 'has the nine sections with their defaults, and its own' do
    expect(Tasker.configuration.sections)
      .to eq(%i[auth database engine backoff execution health telemetry dependency_graph cache compatibility])
    expect(Tasker.configuration.compatibility.duplicate_events).to be(false)
    expect(Tasker.configuration.auth.strategy).to eq(:none)
    expect(Tasker.configuration.execution.max_concurrent_steps_limit).to eq(12)
    expect(Tasker.configuration.telemetry.prometheus[:batch_size]).to eq(1000)
    expect(Tasker.configuration.cache.default_ttl).to eq(300)
    expect(Tasker.configuration.auth).not_to be_authentication_enabled
  end

  it 'refuses a setting or section it does not have, naming the nearest' do
    expect { Tasker.configuration.backoff.max_backoff_second }.to raise_error(Tasker::ConfigurationError, /did you mean max_backoff_seconds/)
    expect { Tasker.configuration.engine.task_dir = 'x' }.to raise_error(Tasker::ConfigurationError, /engine has no setting task_dir/)
    expect { Tasker.configuration.telemetri }.to raise_error(Tasker::ConfigurationError, /no section telemetri; did you mean telemetry/)
  end

  it 'takes a block for a key whose value is a map, with the same answers as for a section' do
    telemetry = Tasker.configuration.telemetry
    telemetry.prometheus { |prometheus| prometheus.endpoint = 'http://push' }
    expect(telemetry.prometheus).to include(endpoint: 'http://push', batch_size: 1000)
    expect(Tasker::Configuration::Review.new(Tasker.configuration).notes)
      .to contain_exactly(/\ATasker.configuration.telemetry.prometheus \(spec.*:\d+\) has no effect/)
    expect { telemetry.prometheus { |prometheus| prometheus.endpont = 'x' } }
      .to raise_error(Tasker::ConfigurationError, /telemetry\.prometheus has no setting endpont; did you mean endpoint/)
    expect { telemetry.enabled { false } }.to raise_error(Tasker::ConfigurationError, /telemetry\.enabled takes no block; assign its value/)
  end

  it 'keeps the defaults whatever is changed' do
    Tasker.configuration.telemetry.filtered_events << 'a'
    Tasker.reset_configuration!
    expect(Tasker.configuration.telemetry.filtered_events).to eq([])
  end

  it 'filters what must not be logged' do
    klass = handler do
      def process(*) = log_structured(:warn, 'charged', password: 'geheim', amount: 3)
    end
    run(klass, correlation_id: 'req-9')
    line = JSON.parse(log.lines.grep(/charged/).first[/\{.*\}/])
    expect(line).to include('password' => '[FILTERED]', 'amount' => 3, 'message' => 'charged', 'correlation_id' => 'req-9',
                            'component' => 'charge')
    expect(log).not_to include('geheim')
  end
end
