# frozen_string_literal: true

module Tasker
  module Events
    module Subscribers
      # A class that gets events, each in a method of its own:
      #
      #   class Alerts < Tasker::Events::Subscribers::BaseSubscriber
      #     subscribe_to 'step.failed', 'order.fulfilled'
      #
      #     def handle_step_failed(event)
      #       Pager.call("step #{safe_get(event, :step_name)} failed")
      #     end
      #
      #     def handle_order_fulfilled(event); end
      #   end
      #   Alerts.subscribe(Tasker::Events::Publisher.instance)
      class BaseSubscriber
        class_attribute :subscribed_events, instance_writer: false, default: []
        class_attribute :event_filter, instance_writer: false

        class << self
          # @param events [Array<String, Symbol>] identifiers; added to what is there
          # @return [Array<String>] all of them
          def subscribe_to(*events)
            self.subscribed_events = (subscribed_events + events.flatten.map(&:to_s)).uniq
          end

          # Only events for which the block, given the identifier, is true.
          def filter_events(&block)
            self.event_filter = block
          end

          # @param publisher [Publisher]
          # @return [BaseSubscriber] the instance that gets the events
          def subscribe(publisher = Publisher.instance)
            new.tap { |subscriber| subscriber.subscribe_to_publisher(publisher) }
          end
        end

        # @param publisher [Publisher]
        # @return [void]
        # @raise [UnregisteredEventError]
        def subscribe_to_publisher(publisher)
          event_subscriptions.each do |name, handler|
            identifier = identifier_for(name, publisher)
            publisher.subscribe(identifier, method(handler)) if should_handle_event?(identifier)
          end
        end

        protected

        # Override to map identifiers to methods by other rules.
        # @return [Hash{String=>Symbol}]
        def event_subscriptions
          subscribed_events.each_with_object({}) do |name, found|
            handler = generate_handler_method_name(name)
            if respond_to?(handler, true)
              found[name] = handler
            else
              Tasker.logger.warn("#{self.class.name} subscribes to #{name} and has no method #{handler}; it gets none of them")
            end
          end
        end

        # Override to refuse events by other rules.
        def should_process_event?(_identifier)
          true
        end

        # @param event [Event, Hash, nil]
        # @param key [Symbol, String]
        # @return [Object] the value, or `default` if the key is missing
        def safe_get(event, key, default = nil)
          return default if event.nil?

          payload = event.respond_to?(:payload) ? event.payload : event
          payload.fetch(key.to_sym) { payload.fetch(key.to_s, default) }
        end

        # @return [Hash{Symbol=>Object}] task, step and time of an event
        def extract_core_attributes(event)
          {
            task_id: safe_get(event, :task_id, 'unknown'), step_id: safe_get(event, :step_id),
            event_timestamp: safe_get(event, :timestamp, Time.current).to_s
          }.compact
        end

        # @return [Hash{Symbol=>Object}]
        def extract_step_attributes(event)
          extract_core_attributes(event).merge(step_name: safe_get(event, :step_name, 'unknown_step'))
        end

        private

        def generate_handler_method_name(name)
          "handle_#{name.tr('.', '_').underscore}".to_sym
        end

        def should_handle_event?(identifier)
          return false if event_filter && !event_filter.call(identifier)

          should_process_event?(identifier)
        end

        # The name as it stands, if there is such an event. The engine puts `custom.` in
        # front of the host's own, under which nobody registers them; both are found here.
        def identifier_for(name, publisher)
          return name if publisher.registered?(name)

          prefixed = "custom.#{name}"
          publisher.registered?(prefixed) ? prefixed : name
        end
      end
    end
  end
end
