# frozen_string_literal: true

require 'spec_helper'
require 'tasker'
require_relative 'fake_execution'
require_relative 'mini_engine'

# For specs of the Rails engine's API: no extension, no database, nothing left behind.
module TaskerSpec
  # A handler class under a name, gone after the example.
  def handler(name = 'Charge', base = Tasker::StepHandler::Base, &body)
    stub_const(name, Class.new(base, &body))
  end

  # Runs one execution of a class and gives the execution.
  def run(klass, **facts)
    execution = FakeExecution.new(**facts)
    Tasker::Compat::Runner.run(execution, klass)
    execution
  end

  # Identifiers and payloads of what the block publishes.
  def events_of
    events = []
    Tasker::Events.sink = ->(identifier, payload) { events << [identifier, payload] }
    yield
    events
  ensure
    Tasker::Events.sink = nil
  end

  def log
    @log.string
  end
end

RSpec.shared_context 'with the engine reset', :tasker do
  include TaskerSpec

  around do |example|
    @log = StringIO.new
    Tasker.logger = Logger.new(@log)
    example.run
  ensure
    Tasker.logger = nil
    Tasker.reset_configuration!
    Tasker::HandlerFactory.instance.clear
    Tasker::Events::Publisher.instance.clear_subscriptions
    Tasker::Events::Publisher.instance.reset_statistics
    Thread.current[Tasker::Concerns::StructuredLogging::CORRELATION_ID_KEY] = nil
  end
end

RSpec.configure do |config|
  config.include_context 'with the engine reset', :tasker
end
