# frozen_string_literal: true

require_relative '../tasker/support/helper'
require 'tasker/configuration/reference'

RSpec.describe 'What the host sets in Tasker.configure', :tasker do
  let(:configuration) { Tasker.configuration }
  let(:effects) { Tasker::Configuration::Effects::ALL }
  let(:gem) { File.expand_path('../..', __dir__) }

  def notes
    Tasker::Configuration::Review.new(configuration).notes
  end

  def core_settings(variables = {})
    Tasker::Configuration::Review.new(configuration).core_settings(variables)
  end

  def refusal
    configuration.check!
    nil
  rescue Tasker::ConfigurationError => e
    e.message
  end

  it 'has an effect, or a sentence, for every key there is' do
    expect(effects.keys).to match_array(Tasker::Configuration::DEFAULTS.keys)
    Tasker::Configuration::DEFAULTS.each { |section, keys| expect(effects.fetch(section).keys).to match_array(keys.keys) }
    expect(effects.values.flat_map(&:values)).to all(have_attributes(text: match(/\A\S.*\.\z/)))
  end

  it 'is told in a document that is current' do
    document = File.read(File.join(gem, 'docs/rails-configuration.md'))
    expect(document).to eq(Tasker::Configuration::Reference.to_markdown),
                        'docs/rails-configuration.md is not current; the command that makes it is in lib/tasker/configuration/reference.rb'
  end

  it 'says that the gem reads what code of the gem reads' do
    code = Dir[File.join(gem, 'lib/**/*.rb')].reject { |file| file.include?('/lib/tasker/configuration/effects') || file.end_with?('defaults.rb') }
    text = code.map { |file| File.read(file) }.join
    effects.each_value do |keys|
      keys.each do |key, effect|
        next unless effect.kind == :used

        expect(text.match?(/(?<!_)\b#{key}\b/)).to be(true), "nothing reads #{key}"
      end
    end
  end

  it 'names settings that the Rust core has' do
    files = %w[shared worker].map { |name| File.read(File.join(gem, "../../config/#{name}/base.toml")) }.join
    effects.values.flat_map(&:values).filter_map(&:setting).uniq.each do |setting|
      section, key = setting.split('.')
      expect(files).to match(/^\[#{section}\]$(?:(?!^\[).)*^#{key} =/m)
    end
  end

  it 'accepts every default when it is set' do
    Tasker::Configuration::DEFAULTS.each do |section, defaults|
      defaults.each { |key, default| configuration.public_send(section).public_send("#{key}=", default) unless default.is_a?(Proc) }
    end
    expect(refusal).to be_nil
  end

  it 'says nothing of what nobody has set' do
    expect(notes).to eq([])
    expect(core_settings).to eq({})
    expect(refusal).to be_nil
  end

  it 'says once, with the place, what was set without effect' do
    configuration.cache.default_ttl = 300
    configuration.telemetry.prometheus[:endpoint] = 'http://push.example'
    2.times { configuration.announce(Tasker.logger) }
    expect(log.scan(/cache\.default_ttl \(\S*configuration_spec\.rb:\d+\) has no effect\. The cache of/).size).to eq(1)
    expect(log.scan(/telemetry\.prometheus has no effect\. Nothing is pushed/).size).to eq(1)
    expect(log).not_to include('push.example')
  end

  it 'becomes settings of the core, below variables' do
    configuration.execution.max_concurrent_steps_limit = 20
    configuration.telemetry { |telemetry| telemetry.log_level = :fatal }
    configuration.telemetry.service_name = 'shop'
    configuration.telemetry.log_format = 'logfmt'
    expect(core_settings).to eq('worker.concurrency' => '20', 'telemetry.log_level' => 'error', 'telemetry.service_name' => 'shop')
    expect(core_settings('TASKER__WORKER__CONCURRENCY' => '3', 'TASKER__TELEMETRY__LOG_LEVEL' => '').keys)
      .to contain_exactly('telemetry.log_level', 'telemetry.service_name')
  end

  it 'is refused where it would change which tasks exist or who may see them' do
    configuration.auth.authorization_enabled = true
    configuration.engine.identity_strategy = :hash
    expect(refusal.lines.size).to eq(2)
    expect(refusal).to match(/auth\.authorization_enabled \(\S+:\d+\): this gem mounts no routes/)
    expect(refusal).to match(/engine\.identity_strategy .*TASKER__ENGINE__IDENTITY_STRATEGY=hash/)
    configuration.engine.identity_strategy = :custom
    expect(refusal).to match(/give each submission an idempotency_key/)
  end

  it 'is refused where it is not of its kind' do
    configuration.backoff.default_backoff_seconds = []
    configuration.backoff.max_backoff_seconds = 'long'
    configuration.telemetry.log_level = 'loud'
    configuration.telemetry.structured_logging_enabled = 'yes'
    configuration.telemetry.config[:buffersize] = 3
    configuration.execution.max_concurrent_steps_limit = 0
    expect(refusal).to include('a list of seconds', 'a number from 0, not "long"', 'one of debug, info', 'true or false, not "yes"',
                               'did you mean buffer_size?', 'a whole number from 1, not 0')
  end

  it 'takes durations where it takes seconds' do
    configuration.backoff { |backoff| backoff.default_backoff_seconds = [1.second, 2.minutes] }
    configuration.backoff.max_backoff_seconds = 5.minutes
    configuration.backoff.jitter_enabled = false
    expect(refusal).to be_nil
    expect(configuration.backoff.calculate_backoff_seconds(2)).to eq(120)
  end

  it 'silences structured lines' do
    configuration.telemetry.structured_logging_enabled = false
    klass = handler { def process(*) = log_structured(:error, 'charged') }
    run(klass)
    expect(log).not_to include('charged')
  end
end
