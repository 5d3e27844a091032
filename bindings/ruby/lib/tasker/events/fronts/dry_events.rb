# frozen_string_literal: true

require_relative '../catalog'

module Tasker
  module Events
    module Fronts
      # Publishes every event through a publisher of the gem dry-events, which the Rails
      # engine was built on, for code that wants one:
      #
      #   require 'dry/events/publisher'
      #   Tasker::Events::Fronts::DryEvents.publisher.subscribe('task.completed') { |event| event[:task_id] }
      #   Tasker::Events::Fronts::DryEvents.publisher.subscribe(listener) # with on_task_completed(event)
      #
      # Without the gem, or before anybody asked for the publisher, there is none and it
      # costs nothing.
      #
      # @api private
      class DryEvents
        # Notes what is listened to, so that payloads are built for somebody.
        module Heard
          # @return [Set<String>] identifiers
          def heard
            @heard ||= Set.new
          end

          def subscribe(target, *rest, &block)
            super.tap do
              heard.merge(identifiers_of(target))
              Publisher.instance.audience_changed
            end
          end

          private

          # A listener that is an object has a method for each event.
          def identifiers_of(target)
            return [target.to_s] if target.is_a?(String) || target.is_a?(Symbol)

            Publisher.instance.registered_events.select { |id| target.respond_to?("on_#{id.tr('.', '_')}") }
          end
        end
        private_constant :Heard

        class << self
          # @return [Object] a publisher of dry-events with every event registered
          # @raise [ConfigurationError] if the gem is not loaded
          def publisher
            @publisher ||= build
          end

          # @return [Object, nil] the publisher, if anybody has asked for it
          def asked_for
            @publisher
          end

          # Forgets the publisher, for tests.
          # @return [void]
          def reset
            @publisher = nil
            Publisher.instance.audience_changed
          end

          private

          def build
            unless defined?(::Dry::Events::Publisher)
              raise ConfigurationError, "the gem dry-events is not loaded: add it to the Gemfile and require 'dry/events/publisher'"
            end

            # Each id may be given away once in a process.
            @built = (@built || 0) + 1
            mixin = ::Dry::Events::Publisher[:"tasker_#{@built}"]
            built = Class.new do
              include mixin
              prepend Heard
            end
            Publisher.instance.registered_events.each { |identifier| built.register_event(identifier) }
            built.new
          end
        end

        # @return [String] for log lines
        def name
          'dry-events'
        end

        # @return [void]
        def register(identifier)
          self.class.asked_for&.register_event(identifier)
        end

        # @return [Boolean]
        def wants?(identifier)
          publisher = self.class.asked_for
          !publisher.nil? && publisher.heard.include?(identifier)
        end

        # @param event [Event]
        # @return [void]
        def call(event)
          self.class.asked_for.publish(event.id, event.payload)
        end
      end
    end
  end
end
