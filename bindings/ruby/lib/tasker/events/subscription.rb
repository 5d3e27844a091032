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
    # Whatever it raises is its failure, `exit` included. Only a signal passes in a thread
    # that is not ours: it is a host's way to take its thread back. The end of the thread
    # (Thread.exit) cannot be held up; it is counted and logged.
    #
    # @api private
    class Subscription
      QUEUE_MAX = 1000
      ENDED = 'its thread was ended or taken back'
      private_constant :ENDED

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
        return run(event, ours: true) if event.event_id

        @queue ? enqueue(event) : run(event, ours: false)
      end

      # Ends the thread, if there is one, after what it has been given.
      # @return [void]
      def close
        @lock.synchronize { @queue&.close }
      end

      private

      # @param ours [Boolean] whether the thread is there for subscribers alone
      def run(event, ours:)
        # It comes again because it ended its thread, and would end it again.
        return if event.event_id && event.event_id == @ended_by

        begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        failure = ENDED
        failure = call(event, ours)
        seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun
        slow(event, seconds) if event.event_id.nil? && seconds >= @slow_after.call
      ensure
        told(event, failure) if begun
      end

      def call(event, ours)
        callable.call(event)
        nil
      rescue Exception => e # rubocop:disable Lint/RescueException
        raise if e.is_a?(SignalException) && !ours

        "#{Compat::Failure.message_of(e)} (#{e.class})"
      end

      def told(event, failure)
        @count.call(failure ? :failed : :delivered)
        @ended_by = event.event_id if failure.equal?(ENDED)
        Tasker.logger.error("subscriber #{name} failed on #{event.id}: #{failure}") if failure
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
              run(event, ours: true)
            end
          end
          @thread.name = 'tasker subscriber'
        end
      end
    end
  end
end
