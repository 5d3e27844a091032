# frozen_string_literal: true

require_relative 'support/helper'
require 'open3'

RSpec.describe 'Loading the API of the Rails engine', :tasker do
  def ruby(code)
    lib = File.expand_path('../../lib', __dir__)
    out, status = Open3.capture2e({ 'RAILS_ENV' => nil, 'RACK_ENV' => nil, 'TASKER_ENV' => nil }, RbConfig.ruby, '-W0', '-I', lib, '-e', code)
    expect(status).to be_success, out
    out.strip
  end

  it 'needs neither Rails nor the extension, and loads no Faraday before it is wanted' do
    code = "require 'tasker'; print [defined?(Rails), $LOADED_FEATURES.grep(/tasker_core\\.so|faraday\\.rb/).size].inspect"
    expect(ruby(code)).to eq('[nil, 0]')
    code = "require 'tasker'; class A < Tasker::StepHandler::Api; ERRORS = [Faraday::TimeoutError]; end; print A::ERRORS"
    expect(ruby(code)).to eq('[Faraday::TimeoutError]')
    code = "require 'tasker'; print [defined?(Faraday), Faraday.name, Class.new { include ActiveModel::Model }.new.valid?].inspect"
    expect(ruby(code)).to eq('[nil, "Faraday", true]')
  end

  it 'has times in UTC, as a Rails application that says nothing else' do
    expect(ruby("require 'tasker'; print Time.zone.name, ' ', Time.current.as_json[-1], ' ', 1.day.from_now.class")).to eq('UTC Z ActiveSupport::TimeWithZone')
    expect(ruby("require 'active_support/all'; Time.zone_default = Time.find_zone!('Tokyo'); require 'tasker'; print Time.zone.name")).to eq('Tokyo')
  end

  it 'answers for Rails where there is none, without being seen' do
    klass = handler do
      def process(*)
        Rails.logger.warn('a line of the handler')
        { env: Rails.env.production?, root: Rails.root.to_s, seen: defined?(Rails).inspect }
      rescue ActiveRecord::RecordNotFound, ActiveRecord::Deadlocked
        nil
      end
    end
    hide_const('Rails') if defined?(Rails)
    expect(run(klass).results).to eq('env' => false, 'root' => Dir.pwd, 'seen' => 'nil')
    expect(log).to include('a line of the handler')
    failing = handler('Failing') do
      def process(*)
        Rails.application.config
      rescue ActiveRecord::RecordNotFound
        nil
      end
    end
    expect(run(failing).failed['error_class']).to eq('NoMethodError')
    other = handler('Other') { def process(*) = Rails.configuration }
    expect(run(other).failed['message']).to match(/Rails\.configuration needs a Rails application/)
  end

  it 'lends Rails.logger the tags that Rails has' do
    hide_const('Rails') if defined?(Rails)
    Tasker.logger.formatter = ->(_severity, _time, _program, message) { "#{message}\n" }
    klass = handler { def process(*) = Rails.logger.tagged('orders') { Rails.logger.info('packed') } }
    run(klass)
    expect(log).to include('[orders] packed')
  end

  it 'has what applications subclass and include beside their handlers, and says once that nothing asks it' do
    lines = ruby(<<~RUBY).lines
      require 'tasker'
      class Access < Tasker::Authorization::BaseCoordinator
        def authorized?(resource, *) = user == resource || super
      end
      class Login
        include Tasker::Authentication::Interface
      end
      class User
        include Tasker::Concerns::Authorizable
        configure_tasker_authorization(permission_method: :can_do?)
      end
      print Access.new(7).authorized?(7, :show), Access.new(7).authorized?(8, :show)
    RUBY
    expect(lines.grep(/WARN/)).to contain_exactly(*%w[Authorization Authentication Concerns::Authorizable].map do |name|
      /Tasker::#{name} is there so that your classes load, and nothing asks them/
    end)
    expect(lines.last).to eq('truefalse')
  end

  it 'says of other names of the engine what there is instead, in a NameError' do
    { 'Tasker::TaskRunnerJob' => 'TaskerCore.submit starts a task', 'Tasker::Events::SubscriptionLoader' => 'Subscribers::BaseSubscriber',
      'Tasker::Telemetry::MetricsBackend' => 'Rust services', 'Tasker::TaskDiagram' => 'graph_text',
      'Tasker::Authorization::ResourceConstants' => 'mounts no routes' }.each do |name, remedy|
      expect { Object.const_get(name) }
        .to raise_error(NameError, /\Auninitialized constant #{name}: it is of the Rails engine and not of this gem; .*#{remedy}[^\n]*\z/)
      expect(name.safe_constantize).to be_nil
    end
    expect { Tasker::NoSuchConstant }.to raise_error(NameError, /\Auninitialized constant Tasker::NoSuchConstant$/)
  end

  it 'leaves the name to the real one' do
    stub_const('Rails', Module.new { def self.env = 'real' })
    expect(Tasker.environment).to eq('real')
    expect { ActiveRecord::Base }.to raise_error(NameError)
    expect { NoSuchConstantAtAll }.to raise_error(NameError, /NoSuchConstantAtAll/)
  end
end
