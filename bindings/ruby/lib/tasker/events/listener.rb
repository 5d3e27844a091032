# frozen_string_literal: true

require 'set'
require_relative '../compat/task_later'

module Tasker
  module Events
    # Delivers the events of orchestration to the subscribers of this process, for as long
    # as there are any: those to which nobody subscribes are not read.
    #
    # It looks once a second for new subscriptions, which cannot all be seen coming (those of
    # ActiveSupport tell nobody), and whether its feed still lives. What is read then goes on
    # where the name was.
    class Listener
      LOOK_SECONDS = 1.0
      # How long the end of a process waits for its subscribers.
      STOP_SECONDS = 5.0
      # Values that are times in the engine's events, and text in JSON.
      TIMES = %i[transitioned_at scheduled_for].freeze
      # Events whose time is a time there; it is text where a payload was built for it.
      TIMED = [
        Constants::TaskEvents::BEFORE_TRANSITION, Constants::TaskEvents::CANCELLED, Constants::TaskEvents::RESOLVED_MANUALLY,
        Constants::WorkflowEvents::TASK_REENQUEUE_STARTED, Constants::WorkflowEvents::TASK_REENQUEUE_REQUESTED,
        Constants::WorkflowEvents::TASK_REENQUEUE_DELAYED
      ].to_set.freeze
      private_constant :LOOK_SECONDS, :STOP_SECONDS, :TIMES, :TIMED

      # @api private
      # @return [Listener, nil] of a worker, unless its events are turned off
      def self.of_worker(name:, config_dir:, set:)
        name ||= Tasker.configuration.compatibility.event_subscription
        new(name: name, config_dir: config_dir, set: set).start unless name.to_s.empty?
      end

      def initialize(name:, config_dir: nil, set: {}, feed: ::TaskerCore::EventFeed)
        @options = { name: name.to_s, config_dir: config_dir, set: set }
        @start = feed
        @lock = Mutex.new
        @changed = ConditionVariable.new
        @read = []
        @over = false
      end

      # @return [self]
      def start
        look
        @thread = Thread.new { watch }
        @thread.name = 'tasker listener'
        self
      end

      # Stops reading, and waits until what subscribers have in hand is done. What is not done
      # then is delivered again, to whoever reads next under the name.
      #
      # @param timeout [Numeric] seconds
      # @return [Boolean] whether all is over
      def stop(timeout = STOP_SECONDS)
        deadline = now + timeout
        @lock.synchronize do
          @over = true
          @changed.broadcast
        end
        @thread&.join(timeout)
        @feed&.stop
        over = @feed.nil? || @feed.join([deadline - now, 0].max)
        warn_of_rest(timeout) unless over
        over
      end

      # @return [Hash{Symbol=>Integer}, nil] as {TaskerCore::EventFeed#statistics}; nil if
      #   nobody has subscribed to any event of orchestration
      def statistics
        @feed&.statistics
      end

      private

      def now
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end

      def warn_of_rest(timeout)
        Tasker.logger.warn("subscribers have not finished within #{timeout} s#{" with event #{@in_hand}" if @in_hand}: what was read " \
                           'and is not finished is delivered again')
      end

      def watch
        look until over_within?(LOOK_SECONDS)
      end

      def over_within?(seconds)
        @lock.synchronize do
          @changed.wait(@lock, seconds) unless @over
          @over
        end
      end

      def look
        forget_feed if @feed&.running? == false
        wanted = ::TaskerCore::EventFeed.events.select { |identifier| Events.wanted?(identifier) }
        read_also(wanted - @read) if (wanted - @read).any?
      rescue StandardError => e
        return if e.message == @told

        @told = e.message
        Tasker.logger.error("events of orchestration cannot be delivered yet: #{e.message} (#{e.class})")
      end

      def forget_feed
        Tasker.logger.error('the feed of the events of orchestration has ended by itself; another one goes on')
        @feed = nil
        @read = []
      end

      # The feed of a name goes on where the one before it was.
      def read_also(more)
        @feed&.stop
        @feed&.join
        events = @read + more
        @feed = @start.start(**@options, events: events, logger: Tasker.logger) { |batch| batch.each { |event| pass_on(event) } }
        @read = events
      end

      def pass_on(event)
        @in_hand = event.id
        # The event may come again, as it was.
        payload = event.payload.dup
        TIMES.each { |key| payload[key] = Time.zone.parse(payload[key]) if payload[key] }
        payload[:timestamp] = Time.zone.parse(payload[:timestamp]) if TIMED.include?(event.identifier)
        payload[:task] = Compat::TaskLater.new(event) if event.identifier == Constants::TaskEvents::COMPLETED
        Events.tell(event.identifier, payload, event.id)
        @in_hand = nil
      end
    end
  end
end
