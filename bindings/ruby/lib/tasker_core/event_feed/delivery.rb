# frozen_string_literal: true

require_relative '../errors'
require_relative '../logging'
require_relative 'hand'

module TaskerCore
  class EventFeed
    # Hands events to a block until it has taken them, or has failed on them too often.
    #
    # @api private
    class Delivery
      # Seconds before the second delivery; twice as many before each further one.
      PAUSE = 0.25
      PAUSE_MAX = 30.0
      private_constant :PAUSE, :PAUSE_MAX

      # @return [Integer] how often a batch is delivered before it is taken apart
      attr_reader :attempts

      def initialize(name:, attempts:, logger:, pause: PAUSE, &block)
        raise ConfigurationError, "attempts: expected a whole number from 1, not #{attempts.inspect}" unless whole?(attempts)

        @name = name
        @attempts = attempts
        @logger = logger
        @pause = pause
        @hand = Hand.new { |events| TaskerCore.host.run(-> { block.call(events) }) }
        @lock = Mutex.new
        @stopped = ConditionVariable.new
        @over = false
        @statistics = { batches: 0, delivered: 0, failed: 0, set_aside: 0 }
      end

      # @param events [Array<Event>]
      # @return [Array(Integer, Integer), nil] how many were delivered and how many set
      #   aside; nil if the feed was stopped before that was known
      def deliver(events)
        count(:batches)
        counts = delivered(events) || one_by_one(events)
        return if counts == :stopped

        counts
      end

      # Ends the pauses: what waits for one is not delivered here any more.
      def stop
        @lock.synchronize do
          @over = true
          @stopped.broadcast
        end
      end

      # @return [Boolean] whether the block calls this
      def inside?
        @hand.inside?
      end

      # Nothing is delivered any more.
      def close
        @hand.close
      end

      def statistics
        @lock.synchronize { @statistics.dup }
      end

      private

      def whole?(number)
        number.is_a?(Integer) && number.positive?
      end

      # nil if every attempt failed.
      def delivered(events)
        pause = @pause
        @attempts.times do |attempt|
          return :stopped if attempt.positive? && rest(pause)

          pause = [pause * 2, PAUSE_MAX].min if attempt.positive?
          error = @hand.call(events)
          if error.nil?
            count(:delivered, events.size)
            return [events.size, 0]
          end
          count(:failed)
          say(:warn, "#{events.size} events were not taken", events, error, attempt: attempt + 1)
        end
        nil
      end

      def one_by_one(events)
        counts = [0, 0]
        events.each do |event|
          taken = events.one? ? nil : delivered([event])
          return :stopped if taken == :stopped

          set_aside(event) unless taken
          counts[taken ? 0 : 1] += 1
        end
        counts
      end

      def set_aside(event)
        count(:set_aside)
        say(:error, "event #{event.id} is set aside: it was not taken #{@attempts} times", [event], nil)
      end

      # Whether the feed was stopped meanwhile.
      def rest(seconds)
        deadline = now + seconds
        @lock.synchronize do
          until @over
            left = deadline - now
            break unless left.positive?

            @stopped.wait(@lock, left)
          end
          @over
        end
      end

      def now
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end

      def count(what, by = 1)
        @lock.synchronize { @statistics[what] += by }
      end

      def say(level, message, events, error, **fields)
        fields = { feed: @name, first: events.first.id, identifier: events.first.identifier, **fields }
        fields.merge!(error: error.message, error_class: error.class.name) if error
        @logger.public_send(level, Logging::Line.new(message, fields, {}))
      rescue StandardError
        # A logger that fails must not cost an event.
        nil
      end
    end
  end
end
