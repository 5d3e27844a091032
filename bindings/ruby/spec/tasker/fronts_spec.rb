# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe 'Fronts of the events', :tasker do
  let(:publisher) { Tasker::Events::Publisher.instance }

  describe Tasker::Events::Fronts::Notifications do
    def listen(pattern)
      heard = []
      subscriber = ActiveSupport::Notifications.subscribe(pattern) { |name, _started, _ended, _id, payload| heard << [name, payload] }
      yield
      heard
    ensure
      ActiveSupport::Notifications.unsubscribe(subscriber)
    end

    it 'instruments each event under its identifier and the library\'s name' do
      klass = handler { def process(*) = { ok: true } }
      heard = listen(/\.tasker\z/) { run(klass) }
      expect(heard.map(&:first)).to eq(%w[step.execution_requested.tasker step.before_handle.tasker step.completed.tasker])
      expect(heard.last.last).to include(step_name: 'charge', step_results: { 'ok' => true })
    end

    it 'tells the id of an event that may come again' do
      heard = listen('task.completed.tasker') { Tasker::Events.tell('task.completed', { task_id: 3 }, 't9.task.completed') }
      expect(heard.first.last).to include(task_id: 3, event_id: 't9.task.completed')
    end

    it 'instruments events of the host' do
      Tasker::Events::CustomRegistry.instance.register_event('order.shipped')
      heard = listen('order.shipped.tasker') { publisher.publish('order.shipped', { order: 7 }) }
      expect(heard.first.last).to include(order: 7)
    end

    it 'costs no payload where nobody listens' do
      expect(Tasker::Events.wanted?('step.completed')).to be(false)
      listen('step.completed.tasker') { expect(Tasker::Events.wanted?('step.completed')).to be(true) }
      expect(Tasker::Events.wanted?('step.completed')).to be(false)
    end

    it 'notices who listens to another notifier, and stops listening with it' do
      kept = ActiveSupport::Notifications.notifier
      other = ActiveSupport::Notifications::Fanout.new
      other.subscribe('step.completed.tasker') { nil }
      expect(Tasker::Events.wanted?('step.completed')).to be(false)
      ActiveSupport::Notifications.notifier = other
      expect(Tasker::Events.wanted?('step.completed')).to be(true)
      ActiveSupport::Notifications.notifier = kept
      expect(Tasker::Events.wanted?('step.completed')).to be(false)
    ensure
      ActiveSupport::Notifications.notifier = kept
    end

    it 'notices who begins to listen to a notifier of the host\'s own' do
      kept = ActiveSupport::Notifications.notifier
      own = Class.new do
        def subscribe(name) = (@heard ||= []) << name
        def unsubscribe(name) = @heard.delete(name)
        def listening?(name) = @heard.to_a.include?(name)
      end
      ActiveSupport::Notifications.notifier = own.new
      expect(Tasker::Events.wanted?('step.completed')).to be(false)
      ActiveSupport::Notifications.notifier.subscribe('step.completed.tasker')
      expect(Tasker::Events.wanted?('step.completed')).to be(true)
      ActiveSupport::Notifications.notifier.unsubscribe('step.completed.tasker')
      expect(Tasker::Events.wanted?('step.completed')).to be(false)
    ensure
      ActiveSupport::Notifications.notifier = kept
    end

    it 'notices that an event somebody waits for is registered' do
      listen(/\Aorder\.weighed\./) do
        expect(Tasker::Events.quiet?).to be(true)
        Tasker::Events::CustomRegistry.instance.register_event('order.weighed')
        expect(Tasker::Events.quiet?).to be(false)
      end
      expect(Tasker::Events.quiet?).to be(true)
    end

    it 'passes by a listener that fails' do
      broken = ActiveSupport::Notifications.subscribe('step.completed.tasker') { raise 'listener fails' }
      seen = []
      publisher.subscribe('step.completed') { |event| seen << event }
      klass = handler { def process(*) = 1 }
      expect(run(klass).succeeded).to eq([1])
      expect(seen.size).to eq(1)
      expect(log).to include('listener fails')
    ensure
      ActiveSupport::Notifications.unsubscribe(broken)
    end
  end

  describe Tasker::Events::Fronts::DryEvents do
    after { described_class.reset }

    it 'says what is missing without the gem' do
      hide_const('Dry') if defined?(Dry)
      expect { described_class.publisher }.to raise_error(Tasker::ConfigurationError, /dry-events is not loaded/)
    end

    context 'with the gem' do
      before { require_relative 'support/dry_events' }

      it 'publishes to who subscribes to an identifier, or has methods for some' do
        listener = Class.new do
          attr_reader :seen

          def on_step_completed(event) = (@seen ||= []) << [event.id.to_s, event[:step_name]]
        end.new
        failed = []
        described_class.publisher.subscribe(listener)
        described_class.publisher.subscribe('step.failed') { |event| failed << event[:error_message] }
        expect(%w[step.completed step.failed task.completed].map { |one| Tasker::Events.wanted?(one) }).to eq([true, true, false])
        run(handler { def process(*) = 1 })
        run(handler('Broken') { def process(*) = raise('no') })
        expect(listener.seen).to eq([['step.completed', 'charge']])
        expect(failed).to eq(['no'])
      end

      it 'knows every event, and those of the host as they are registered' do
        dry = described_class.publisher
        Tasker::Events::Catalog::IDENTIFIERS.each { |identifier| dry.subscribe(identifier) { nil } }
        Tasker::Events::CustomRegistry.instance.register_event('order.packed')
        seen = []
        dry.subscribe('order.packed') { |event| seen << event.payload[:order] }
        publisher.publish('order.packed', { order: 1 })
        expect(seen).to eq([1])
      end
    end
  end
end
