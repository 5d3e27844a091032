# frozen_string_literal: true

require_relative 'support/helper'
require 'tasker_core/event_feed/hand'

RSpec.describe Tasker::Events::Subscribers::BaseSubscriber, :tasker do
  let(:publisher) { Tasker::Events::Publisher.instance }

  def subscriber(*events, &body)
    Class.new(described_class) do
      attr_reader :seen

      subscribe_to(*events)
      class_eval(&body)
    end
  end

  it 'sends each event to the method of its name' do
    klass = subscriber('step.completed', 'observability.step.backoff') do
      def handle_step_completed(event) = (@seen ||= []) << [event[:step_id], safe_get(event, 'none', 'default')]
      def handle_observability_step_backoff(event) = (@seen ||= []) << event.id
    end
    one = klass.subscribe(publisher)
    publisher.publish('step.completed', step_id: 5)
    publisher.publish('observability.step.backoff')
    expect(one.seen).to eq([[5, 'default'], 'observability.step.backoff'])
    expect(one.send(:safe_get, nil, :a, 1)).to eq(1)
    expect(one.send(:extract_step_attributes, { 'task_id' => 1, timestamp: 't' })).to include(task_id: 1, step_name: 'unknown_step')
  end

  it 'gets events of the host under the name the host gave them' do
    Tasker::Events::CustomRegistry.instance.register_event('order.fulfilled', description: 'out of the door')
    klass = subscriber('order.fulfilled') { def handle_order_fulfilled(event) = @seen = event.to_h }
    one = klass.subscribe(publisher)
    publisher.publish('order.fulfilled', { order: 3 })
    expect(one.seen).to include(order: 3, timestamp: be_a(Time))
  end

  it 'filters by class and by instance' do
    klass = subscriber('step.completed', 'step.failed', 'task.completed') do
      filter_events { |identifier| identifier.start_with?('step.') }
      def should_process_event?(identifier) = identifier != 'step.failed'
      %i[handle_step_completed handle_step_failed handle_task_completed].each do |name|
        define_method(name) { |event| (@seen ||= []) << event.id }
      end
    end
    one = klass.subscribe(publisher)
    %w[step.completed step.failed task.completed].each { |identifier| publisher.publish(identifier) }
    expect(one.seen).to eq(['step.completed'])
  end

  it 'adds up what a class and its parents subscribe to, and warns of a method that is not there' do
    parent = subscriber('step.completed') { def handle_step_completed(_event) = nil }
    child = Class.new(parent) { subscribe_to 'step.failed' }
    expect(child.subscribed_events).to eq(%w[step.completed step.failed])
    expect(parent.subscribed_events).to eq(['step.completed'])
    child.subscribe(publisher)
    expect(log).to include('has no method handle_step_failed')
  end

  it 'refuses events that nobody has registered' do
    klass = subscriber('order.unheard') { def handle_order_unheard(_event) = nil }
    expect { klass.subscribe(publisher) }.to raise_error(Tasker::Events::UnregisteredEventError, /order\.unheard cannot be subscribed to/)
    expect { publisher.subscribe('step.complete') { nil } }.to raise_error(Tasker::Events::UnregisteredEventError, /did you mean step\.completed/)
    expect { publisher.publish('step.complete') }.to raise_error(Tasker::Events::UnregisteredEventError)
  end

  it 'holds up nobody once it has been slow, and what it cannot take is counted' do
    before = publisher.slow_after_seconds
    publisher.slow_after_seconds = 0
    gate = Queue.new
    seen = Queue.new
    publisher.subscribe('test.event') do |event|
      gate.pop if event[:number].positive?
      seen << [event[:number], Thread.current.name]
    end
    publisher.publish('test.event', number: 0)
    behind = Tasker::Events::Subscription::QUEUE_MAX + 10
    (1..behind).each { |number| publisher.publish('test.event', number: number) }
    expect(take(seen)).to eq([0, Thread.current.name])
    expect(publisher.statistics[:dropped]).to be_between(9, 10)
    behind.times { gate << :go }
    expect(take(seen)).to eq([1, 'tasker subscriber'])
    eventually('the rest arrives') { publisher.statistics.values_at(:delivered, :dropped).sum == behind + 1 }
    expect(log.lines.grep(/thread of its own/).size).to eq(1)
  ensure
    publisher.slow_after_seconds = before
  end

  it 'passes by a subscriber that ended its thread on an event of orchestration, once that comes again' do
    seen = []
    publisher.subscribe('task.completed') { |event| seen << [:first, event.event_id] }
    publisher.subscribe('task.completed') { |event| Thread.exit if event.event_id == 't1.task.completed' }
    publisher.subscribe('task.completed') { |event| seen << [:last, event.event_id] }
    hand = TaskerCore::EventFeed::Hand.new { |id| publisher.emit('task.completed', {}, id) }
    expect(hand.call('t1.task.completed')).to be_a(TaskerCore::EventFeed::Hand::Ended)
    expect(hand.call('t1.task.completed')).to be_nil
    expect(hand.call('t2.task.completed')).to be_nil
    expect(seen).to eq([[:first, 't1.task.completed'], *%w[t1.task.completed t2.task.completed].flat_map { |id| [[:first, id], [:last, id]] }])
    expect(publisher.statistics).to include(failed: 1)
    expect(log).to include('failed on task.completed: its thread was ended')
  ensure
    hand&.close
  end

  it 'goes on after a slow subscriber has ended the thread of its own' do
    before = publisher.slow_after_seconds
    publisher.slow_after_seconds = 0
    seen = Queue.new
    publisher.subscribe('test.event') do |event|
      seen << event[:number]
      Thread.exit if event[:number] == 1
    end
    publisher.publish('test.event', number: 0)
    publisher.publish('test.event', number: 1)
    eventually('its end is counted') { publisher.statistics[:failed] == 1 }
    published = 2
    eventually('the next one arrives') do
      publisher.publish('test.event', number: 2)
      published += 1
      !seen.empty? && seen.pop == 2
    end
    # What is still on its way would count in the next example.
    eventually('all are counted') { publisher.statistics.values_at(:delivered, :failed).sum == published }
  ensure
    publisher.slow_after_seconds = before
  end

  it 'takes nil for an empty payload' do
    Tasker::Events::CustomRegistry.instance.register_event('order.opened')
    seen = []
    publisher.subscribe('order.opened') { |event| seen << event.to_h }
    publisher.publish('order.opened', nil)
    handler { def process(*) = publish_custom_event('order.opened', nil) }.then { |klass| run(klass) }
    expect(seen).to match([{ timestamp: be_a(Time) }, { timestamp: be_a(Time), event_type: 'custom' }])
  end

  it 'ends a subscription that is taken back' do
    seen = []
    subscription = publisher.subscribe('test.event') { |event| seen << event }
    publisher.unsubscribe(subscription)
    publisher.publish('test.event')
    expect(seen).to be_empty
  end

  it 'takes names for the host\'s events only outside of the engine\'s' do
    registry = Tasker::Events::CustomRegistry.instance
    expect { registry.register_event(:'a.b') }.to raise_error(ArgumentError, /must be a String/)
    expect { registry.register_event('plain') }.to raise_error(ArgumentError, /needs a dot/)
    %w[task.mine step.mine workflow.mine observability.mine test.mine].each do |name|
      expect { registry.register_event(name) }.to raise_error(ArgumentError, /are the engine's/)
    end
    expect { registry.register_event('tasker.telemetry.cache_synced') }.to raise_error(ArgumentError, /one of the engine's own/)
  end

  it 'has the identifiers of the engine' do
    expect(Tasker::Events::Catalog::IDENTIFIERS.size).to eq(55)
    expect(Tasker::Events::Catalog::IDENTIFIERS).to include('task.before_transition', 'workflow.task_reenqueue_delayed', 'Test.Event')
  end
end
