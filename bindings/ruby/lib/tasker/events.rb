# frozen_string_literal: true

require_relative 'events/catalog'
require_relative 'events/duplicates'
require_relative 'events/listener'
require_relative 'events/publisher'
require_relative 'events/custom_registry'
require_relative 'events/event_payload_builder'
require_relative 'events/subscribers/base_subscriber'

module Tasker
  # Life-cycle events and those of the host.
  module Events
    class << self
      # Where life-cycle events of executions go; anything with `call(identifier, payload)`.
      # nil is {Publisher} of this process.
      attr_accessor :sink

      # Events that the host's code publishes. Never raises: no event is worth a step.
      #
      # @param identifier [String]
      # @param payload [Hash{Symbol=>Object}]
      # @return [void]
      def publish(identifier, payload)
        deliver(identifier, payload)
      rescue StandardError => e
        Tasker.logger.error("event #{identifier} was not published: #{e.message} (#{e.class})")
        nil
      end

      # Events of the engine's own: as often as `compatibility.duplicate_events` says.
      # Never raises.
      #
      # @api private
      # @param event_id [String, nil] of an event that may be delivered again
      # @return [void]
      def tell(identifier, payload, event_id = nil)
        Duplicates.copies(identifier, payload).times { deliver(identifier, payload, event_id) }
      rescue StandardError => e
        Tasker.logger.error("event #{identifier} was not published: #{e.message} (#{e.class})")
        nil
      end

      # Has the events of orchestration delivered to the subscribers of this process, whose
      # sets of subscriptions may grow meanwhile. A worker does so by itself.
      #
      # Every process under one name gets a part of the events, so all of them should
      # subscribe to the same; a process of another kind needs a name of its own.
      #
      # @param name [String] of the subscription, see {TaskerCore::EventFeed}
      # @param config_dir [String, nil] as of {TaskerCore::Worker#initialize}
      # @param set [Hash{String=>Object}] as of {TaskerCore::Worker#initialize}
      # @return [Listener] to be stopped at the end
      def listen(name:, config_dir: nil, set: {})
        Listener.new(name: name, config_dir: config_dir, set: set).start
      end

      # Whether a payload would reach anybody, so that none is built in vain.
      def wanted?(identifier)
        !@sink.nil? || (!Publisher.instance.quiet? && Publisher.instance.subscribed?(identifier))
      end

      # Whether nobody wants any event: then nothing has to be asked for each.
      def quiet?
        @sink.nil? && Publisher.instance.quiet?
      end

      private

      def deliver(identifier, payload, event_id = nil)
        sink = @sink
        if sink && Publisher.instance.registered?(identifier)
          sink.call(identifier.to_s, payload)
        else
          Publisher.instance.emit(identifier, payload, event_id)
        end
        nil
      end
    end
  end
end
