# frozen_string_literal: true

module Tasker
  module Events
    # One subscriber of one event.
    #
    # It is called in the thread that publishes, as in the engine, for as long as it is
    # quick. Once it has been slow it gets its events in a thread of its own, from a
    # bounded queue, so that it holds up no further step; what the queue cannot take is
    # dropped and counted. Events of orchestration come in the thread that reads them,
    # however slow the subscriber: their reader waits, and no step does.
    #
    # @api private
    class Subscription
      QUEUE_MAX = 1000

      # @return [String]
      attr_reader :identifier
      # @return [#call]
      attr_reader :callable
      # @return [String] for log lines
      attr_reader :name

      # @param count [#call] gets :delivered, :failed, :slow or :dropped
      # @param slow_after [#call] gives the seconds from which on a call is slow
      def initialize(identifier, callable, name, count:, slow_after:)
        @identifier = identifier
        @callable = callable
        @name = name
        @count = count
        @slow_after = slow_after
        @lock = Mutex.new
      end

      # Never raises, but what ends the thread.
      # @return [void]
      def deliver(event)
        @queue && event.event_id.nil? ? enqueue(event) : run(event)
      end

      # Ends the thread, if there is one, after what it has been given.
      # @return [void]
      def close
        @lock.synchronize { @queue&.close }
      end

      private

      def run(event)
        begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        failure = call(event)
        seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun
        @count.call(failure ? :failed : :delivered)
        Tasker.logger.error("subscriber #{name} failed on #{event.id}: #{failure.message} (#{failure.class})") if failure
        slow(event, seconds) if event.event_id.nil? && seconds >= @slow_after.call
      end

      # ScriptError too: an abstract method of a subscriber must not end a step.
      def call(event)
        callable.call(event)
        nil
      rescue StandardError, ScriptError, SystemStackError => e
        e
      end

      def slow(event, seconds)
        @count.call(:slow)
        return if @queue

        Tasker.logger.warn("subscriber #{name} took #{seconds.round(1)} s for #{event.id}: from now on it gets its events in a " \
                           'thread of its own, so that it holds up no step')
        @lock.synchronize { @queue ||= Thread::SizedQueue.new(QUEUE_MAX) }
      end

      def enqueue(event)
        ensure_thread
        @queue.push(event, true)
      rescue ThreadError
        @count.call(:dropped)
        Tasker.logger.warn("subscriber #{name} is #{QUEUE_MAX} events behind: #{event.id} is dropped") unless @told
        @told = true
      rescue ClosedQueueError
        @count.call(:dropped)
      end

      # A forked child has the queue and not the thread.
      def ensure_thread
        return if @thread&.alive?

        @lock.synchronize do
          next if @thread&.alive?

          @thread = Thread.new do
            while (event = @queue.pop)
              run(event)
            end
          end
          @thread.name = 'tasker subscriber'
        end
      end
    end
  end
end
