# frozen_string_literal: true

require 'singleton'
require_relative 'catalog'

module Tasker
  module Events
    # Events that the host's own code publishes. An event must be registered before it
    # can be published or subscribed to.
    class CustomRegistry
      include Singleton

      def initialize
        @events = {}
        @lock = Mutex.new
      end

      # @param name [String] such as `order.fulfilled`
      # @param description [String, nil]
      # @param fired_by [Array<String>] handler classes
      # @return [void]
      # @raise [ArgumentError] if it is no name for an event
      def register_event(name, description: nil, fired_by: [])
        check(name)
        @lock.synchronize do
          @events = @events.merge(name => { description: description, fired_by: Array(fired_by) })
        end
        Publisher.instance.register_event(name)
      end

      # Registers what a handler class says of itself in `custom_event_configuration`.
      #
      # @param handler_class [Class]
      # @return [void]
      def register_from(handler_class)
        return unless handler_class.respond_to?(:custom_event_configuration)

        register_all(handler_class.custom_event_configuration, handler_class.name)
      end

      # @param configurations [Array<Hash>] each with name and description, keys of either kind
      # @param fired_by [String, nil]
      # @return [void]
      def register_all(configurations, fired_by)
        Array(configurations).each do |configuration|
          name = configuration[:name] || configuration['name']
          next unless name

          description = configuration[:description] || configuration['description'] || "Custom event of #{fired_by}"
          register_event(name, description: description, fired_by: [fired_by].compact)
        end
      end

      # @return [Hash{String=>Hash}]
      def custom_events
        @events.dup
      end

      # @return [Boolean]
      def registered?(name)
        @events.key?(name)
      end

      private

      def check(name)
        raise ArgumentError, "the name of an event must be a String, not #{name.inspect}" unless name.is_a?(String)
        raise ArgumentError, "the name of an event needs a dot, such as order.fulfilled, not #{name}" unless name.include?('.')

        first = name.split('.').first
        if Catalog::RESERVED.include?(first)
          raise ArgumentError, "event #{name}: names that begin with #{first}. are the engine's; begin with a word of yours"
        end
        return unless Catalog::IDENTIFIERS.include?(name)

        raise ArgumentError, "event #{name} is one of the engine's own; choose another name"
      end
    end
  end
end
