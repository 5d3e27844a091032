# frozen_string_literal: true

require 'securerandom'
require 'singleton'
require_relative 'catalog'
require_relative 'fronts/dry_events'
require_relative 'fronts/notifications'
require_relative 'subscription'

module Tasker
  module Events
    # Publishing or subscribing to an identifier that nobody has registered.
    class UnregisteredEventError < Error; end

    # What a subscriber gets.
    class Event
      # @return [String] the identifier
      attr_reader :id
      # @return [Hash{Symbol=>Object}]
      attr_reader :payload
      # @return [String, nil] of an event of orchestration, which may come again: the same
      #   each time, and of no other event
      attr_reader :event_id

      def initialize(id, payload, event_id = nil)
        @id = id
        @payload = payload
        @event_id = event_id
      end

      # @raise [KeyError] if the payload has no such key
      def [](key)
        @payload.fetch(key)
      end

      # @return [Hash{Symbol=>Object}]
      def to_h
        @payload.dup
      end
      alias to_hash to_h
    end

    # Delivers events to the subscribers of this process: at once, in the thread that
    # publishes, in the order of subscription.
    #
    # A subscriber that fails is counted and logged, and the next one gets the event all
    # the same. One that has taken longer than `slow_after_seconds` is moved to a thread of
    # its own, see {Subscription}. Events of orchestration (those with an `event_id`) hold up
    # no step: they are always delivered in the thread that reads them, which waits for a slow
    # subscriber and drops nothing.
    #
    # Two fronts get every event beside the subscribers: {Fronts::Notifications} and
    # {Fronts::DryEvents}.
    class Publisher
      include Singleton

      # @return [Float] what counts as slow
      attr_accessor :slow_after_seconds

      def initialize
        @lock = Mutex.new
        @slow_after_seconds = 1.0
        @events = Catalog::IDENTIFIERS.to_h { |identifier| [identifier, true] }.freeze
        @subscriptions = {}.freeze
        audience_changed
        @fronts = [Fronts::Notifications.new, Fronts::DryEvents.new].freeze
        @front_doors = @fronts.map { |front| subscription(nil, front, front.name) }.freeze
        reset_statistics
      end

      # Makes an identifier known. Registering it again changes nothing.
      # @return [self]
      def register_event(identifier, _payload = nil)
        @lock.synchronize { @events = @events.merge(identifier.to_s => true).freeze }
        @fronts.each { |front| front.register(identifier.to_s) }
        audience_changed
        self
      end

      # @return [Boolean]
      def registered?(identifier)
        @events.key?(identifier.to_s)
      end
      alias event_registered? registered?

      # @return [Array<String>]
      def registered_events
        @events.keys
      end

      # @param identifier [String]
      # @param callable [#call, nil] instead of the block
      # @yieldparam event [Event]
      # @return [Object] what {#unsubscribe} takes
      # @raise [UnregisteredEventError]
      def subscribe(identifier, callable = nil, &block)
        callable ||= block
        raise ArgumentError, "subscribing to #{identifier} needs a block or something with call" unless callable

        identifier = known!(identifier, 'subscribed to')
        subscription = subscription(identifier, callable, subscriber_name(callable))
        @lock.synchronize do
          list = [*@subscriptions[identifier], subscription].freeze
          @subscriptions = @subscriptions.merge(identifier => list).freeze
        end
        audience_changed
        subscription
      end

      # @param subscription what {#subscribe} gave, or the object that is called
      # @return [void]
      def unsubscribe(subscription)
        gone = []
        @lock.synchronize do
          @subscriptions = @subscriptions.transform_values do |list|
            ended, kept = list.partition { |one| one.equal?(subscription) || one.callable.equal?(subscription) }
            gone.concat(ended)
            kept.freeze
          end.freeze
        end
        audience_changed
        gone.each(&:close)
      end

      # @return [Boolean] whether anybody would get the event
      def subscribed?(identifier)
        list = @subscriptions[identifier.to_s]
        (!list.nil? && !list.empty?) || @fronts.any? { |front| front.wants?(identifier.to_s) }
      end

      # Whether nobody would get any event. It is asked between any two steps, so it is found
      # out once for every change of who listens.
      #
      # @api private
      # @return [Boolean]
      def quiet?
        audience = @audience
        audience.fetch(:quiet) { audience[:quiet] = @events.each_key.none? { |identifier| subscribed?(identifier) } }
      end

      # Who listens is another question from now on: what has been found out is dropped with
      # the Hash it is in, and so is what somebody is just finding out.
      #
      # @api private
      # @return [void]
      def audience_changed
        @audience = {}
      end

      # @param identifier [String]
      # @param payload [Hash{Symbol=>Object}, nil] gets a `timestamp` if it has none
      # @return [void]
      # @raise [UnregisteredEventError]
      def publish(identifier, payload = {})
        emit(identifier, payload)
      end

      # As {#publish}, of an event with an id.
      # @api private
      def emit(identifier, payload, event_id = nil)
        identifier = known!(identifier, 'published')
        return unless subscribed?(identifier)

        payload ||= {}
        payload = { timestamp: Time.current }.merge(payload) unless payload.key?(:timestamp)
        event = Event.new(identifier, payload, event_id)
        @subscriptions[identifier]&.each { |subscription| subscription.deliver(event) }
        @front_doors.each { |door| door.deliver(event) if door.callable.wants?(identifier) }
        nil
      end

      # @return [Hash{Symbol=>Integer}] delivered, failed, slow and dropped events since the start
      def statistics
        @lock.synchronize { @statistics.dup }
      end

      # @return [void]
      def reset_statistics
        @lock.synchronize { @statistics = { delivered: 0, failed: 0, slow: 0, dropped: 0 } }
      end

      # Forgets all subscriptions, for tests.
      # @return [void]
      def clear_subscriptions
        gone = @lock.synchronize { @subscriptions.tap { @subscriptions = {}.freeze } }
        audience_changed
        gone.each_value { |list| list.each(&:close) }
      end

      private

      def subscription(identifier, callable, name)
        Subscription.new(identifier, callable, name, count: method(:count), slow_after: method(:slow_after_seconds))
      end

      def count(what)
        @lock.synchronize { @statistics[what] += 1 }
      end

      def known!(identifier, what)
        name = identifier.to_s
        return name if @events.key?(name)

        raise UnregisteredEventError, "event #{name} cannot be #{what}: it is not registered; " \
                                      "#{near(name)}register it with Tasker::Events::CustomRegistry.instance.register_event"
      end

      def near(name)
        near = Nearest.of(name, @events.keys)
        near ? "did you mean #{near}? Else " : ''
      end

      def subscriber_name(callable)
        return callable.receiver.class.name || 'anonymous' if callable.is_a?(Method)
        return callable.source_location.join(':') if callable.is_a?(Proc) && callable.source_location

        callable.class.name || 'anonymous'
      end
    end
  end
end
