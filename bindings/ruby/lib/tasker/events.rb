# frozen_string_literal: true

require_relative 'events/catalog'
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

      # The one way out for events of an execution. Never raises: no event is worth a step.
      #
      # @param identifier [String]
      # @param payload [Hash{Symbol=>Object}]
      # @return [void]
      def publish(identifier, payload)
        sink = @sink
        if sink && Publisher.instance.registered?(identifier)
          sink.call(identifier.to_s, payload)
        else
          Publisher.instance.publish(identifier, payload)
        end
        nil
      rescue StandardError => e
        Tasker.logger.error("event #{identifier} was not published: #{e.message} (#{e.class})")
        nil
      end

      # Whether a payload would reach anybody, so that none is built in vain.
      def wanted?(identifier)
        !@sink.nil? || Publisher.instance.subscribed?(identifier)
      end
    end
  end
end
