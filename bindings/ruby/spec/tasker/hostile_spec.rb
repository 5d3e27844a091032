# frozen_string_literal: true

require_relative 'support/helper'
require_relative '../support/hostile'
require 'tasker_core/runner'

RSpec.describe Tasker::Compat::Runner, :tasker do
  # As the worker runs it: what the engine's runner leaves is the worker's.
  def answer(klass)
    registry = TaskerCore::Registry.new.register('Charge', klass)
    execution = FakeExecution.new(handler_class: 'Charge', previous_results: { 'before' => 1 })
    TaskerCore::Runner.new(registry: registry, logger: Logger.new(@log)).call(execution)
    execution.failed
  end

  { 'permanent' => Tasker::PermanentError, 'retryable' => Tasker::RetryableError, 'panic' => ScriptError }.each do |kind, base|
    it "reports as #{kind} a #{base} that does whatever it can against it" do
      Hostile.each(base) do |name, question, error, arm|
        # Ruby itself asks that when the handler's base class raises it again.
        next if question == :respond_to?

        report = answer(handler { define_method(:process) { |*| Hostile.raise_and_arm(error, arm) } })
        told = [report['kind'], report.fetch('error_class').class, report.fetch('backtrace').class]
        expect(told).to eq([kind, String, String]), "#{name}: #{told} #{report['message']}"
        expect(report['results']).to include('before' => 1), name
        expect(report['message']).to eq('declined'), "#{name}: #{report['message']}" unless %i[message to_s].include?(question)
      end
    end
  end
end
