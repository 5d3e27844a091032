# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe 'compatibility.duplicate_events', :tasker do
  def counts
    events_of { run(handler { def process(*) = 1 }) }.map(&:first)
  end

  it 'is off: each event once' do
    expect(counts).to eq(%w[step.execution_requested step.before_handle step.completed])
  end

  it 'publishes what the engine publishes three times as often, in its order' do
    Tasker.configuration.compatibility.duplicate_events = true
    expect(counts).to eq([*['step.execution_requested'] * 3, 'step.before_handle', *['step.completed'] * 3])
    failed = events_of { run(handler('Broken') { def process(*) = raise('no') }) }.map(&:first)
    expect(failed.tally).to include('step.failed' => 3, 'step.before_handle' => 1)
  end

  it 'leaves the start that comes with the creation single, and events of the host' do
    Tasker.configuration.compatibility.duplicate_events = true
    Tasker::Events::CustomRegistry.instance.register_event('order.paid')
    events = events_of do
      Tasker::Events.tell('task.start_requested', { step_count: 3 })
      Tasker::Events.tell('task.start_requested', {})
      Tasker::Events.publish('order.paid', {})
    end
    expect(events.map(&:first).tally).to eq('task.start_requested' => 3, 'order.paid' => 1)
  end

  it 'must be true or false' do
    Tasker.configuration.compatibility.duplicate_events = 'yes'
    expect { Tasker.configuration.check! }.to raise_error(Tasker::ConfigurationError, /duplicate_events.*true or false/)
  end
end
