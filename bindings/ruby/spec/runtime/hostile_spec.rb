# frozen_string_literal: true

require_relative 'fakes'
require_relative '../support/hostile'

RSpec.describe TaskerCore::Runner do
  include_context 'with a runtime'

  { 'permanent' => TaskerCore::PermanentError, 'retryable' => IOError, 'panic' => ScriptError }.each do |kind, base|
    it "reports as #{kind} a #{base} that does whatever it can against it" do
      Hostile.each(base) do |name, question, error, arm|
        outcome, report = handle { Hostile.raise_and_arm(error, arm) }
        told = [outcome, report['kind'], report.fetch('error_class').class, report.fetch('backtrace').class]
        expect(told).to eq([:fail, kind, String, String]), "#{name}: #{told} #{report['message']}"
        expect(report['message']).to eq('declined'), "#{name}: #{report['message']}" unless %i[message to_s].include?(question)
      end
      expect(lines.map { |line| line['level'] }.uniq).to eq([kind == 'panic' ? 'ERROR' : 'WARN'])
    end
  end

  it 'leaves out a context whose keys cannot be read, and says so' do
    key = Class.new { def to_s = raise(NotImplementedError, 'no key') }.new
    _, error = handle { raise TaskerCore::PermanentError.new('declined', context: { key => 1 }) }
    expect(error).to include('kind' => 'permanent', 'message' => 'declined', 'context' => { 'left_out' => 'no key' })
  end

  it 'answers a step whose exception ends the thread when it is asked' do
    leaving = Class.new(StandardError) { def error_code = Thread.exit }
    registry.register('Probe', ->(_context) { raise leaving, 'declined' })
    execution = Fakes::Execution.new('Probe')
    runner = described_class.new(registry: registry, logger: logger)
    Thread.new { runner.call(execution) }.join
    expect(take(execution.answers)).to match([:fail, include('kind' => 'panic', 'message' => /ended its thread/)])
    expect(lines.last).to include('message' => /ended its thread/, 'span' => include('step' => 'charge'))
  end

  it 'gives the thread back to a host that wanted it while an exception was asked' do
    host = Class.new(SignalException) { def initialize = super('TERM') }
    gate = Thread::Queue.new
    slow = Class.new(StandardError) do
      define_method(:error_code) do
        gate << Thread.current
        Thread.stop
        'late'
      end
    end
    registry.register('Probe', ->(_context) { raise slow, 'declined' })
    execution = Fakes::Execution.new('Probe')
    runner = described_class.new(registry: registry, logger: logger, leaving: SignalException)
    thread = Thread.new do
      Thread.current.report_on_exception = false
      # As whoever has the thread does.
      Thread.handle_interrupt(Object => :on_blocking) { runner.call(execution) }
    end
    take(gate).raise(host)
    eventually('the exception is waited for') { thread.stop? }
    thread.wakeup
    expect { thread.value }.to raise_error(host)
    expect(take(execution.answers)).to match([:fail, include('message' => 'declined', 'error_code' => 'late')])
  end
end
