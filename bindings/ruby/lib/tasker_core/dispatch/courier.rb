# frozen_string_literal: true

require_relative '../logging'

module TaskerCore
  module Dispatch
    # Takes claimed steps to the host's queue, in the place of a {Pool} that would run them.
    #
    # Rust keeps their leases until somebody adopts them; then, or when they are cancelled or
    # go back in a drain, the execution here is cancelled. Until then the courier keeps it
    # in mind: a job that has not begun within `wait` seconds may be lost (Redis was flushed,
    # a process died with it), so another one with the same reference is enqueued. Whichever
    # begins first runs the step, and the other finds nothing to do. Rejected: to give
    # the step back and claim it anew. Its place in the queue would be gone, and where jobs
    # always wait longer than `wait` no step would ever run.
    #
    # While the queue is away, steps stay in hand and no attempt is lost: it is tried again
    # after growing pauses. What is in hand is bounded (`worker.dispatch_limit`), the rest
    # stays where other workers can take it. A job that the host stops on its way into the
    # queue (a limit of rates, say) stays in hand too, and holds up no other.
    #
    # @api private
    class Courier
      # Seconds between two tries to reach the queue.
      FIRST_PAUSE = 0.1
      LONGEST_PAUSE = 5.0
      # How often what is out is looked at, as a part of `wait`, and the bounds in seconds.
      LOOKS = 10.0
      LOOK_BOUNDS = (0.05..5.0).freeze

      # @param queue [#push] takes an Array of references, and returns those that were stopped
      # @param worker_id [String]
      # @param limit [Integer] steps that may be out
      # @param wait [Numeric] seconds
      def initialize(queue:, worker_id:, limit:, wait:, logger: TaskerCore.logger)
        @queue = queue
        @worker_id = worker_id
        @limit = limit
        @wait = wait
        @logger = logger
        # When each is to be enqueued again, and whether it was stopped and so is in no queue.
        @out = {}.compare_by_identity
        @closed = false
        @mutex = Mutex.new
        @wake = ConditionVariable.new
        @watcher = Thread.new { watch }
        @watcher.name = 'tasker courier'
      end

      # @param batch [Array<Native::Execution>]
      def submit(batch)
        pushed = push(batch)
        @mutex.synchronize do
          @out.reject! { |execution, _| execution.cancelled? } if @out.size + pushed.size > @limit
          # The watcher rests while nothing is out.
          @wake.broadcast if @out.empty?
          pushed.each { |execution, stopped| @out[execution] = [now + (stopped ? [LONGEST_PAUSE, @wait].min : @wait), stopped] }
        end
      end

      # Enqueues no more.
      #
      # @return [Integer] handlers that are still running: none ever did here
      def close(seconds)
        @mutex.synchronize do
          @closed = true
          @wake.broadcast
        end
        @watcher.join(seconds)
        0
      end

      # @return [Integer] as of {Pool#stuck}
      def stuck
        0
      end

      private

      def now
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end

      # Tries until the queue has taken them, or nobody wants them run here any more.
      #
      # @return [Hash{Native::Execution=>Boolean}] those that are in the queue, and those that were stopped
      def push(executions)
        pause = FIRST_PAUSE
        until (executions = executions.reject(&:cancelled?)).empty?
          begin
            return enqueue(executions)
          rescue StandardError => e
            say(:warn, "steps cannot be enqueued in #{@queue}; they stay in hand, and it is tried again: #{e.message}",
                error_class: e.class.name, steps: executions.size, pause_seconds: pause.round(1))
          end
          rest(pause)
          return {} if @closed

          pause = [pause * 2, LONGEST_PAUSE].min
        end
        {}
      end

      def enqueue(executions)
        references = executions.to_h { |execution| [execution.reference(@worker_id), execution] }
        stopped = references.values_at(*@queue.push(references.keys))
        if stopped.any?
          say(:warn, "jobs were stopped on their way into #{@queue}, by a callback of ActiveJob or a client middleware of Sidekiq; " \
                     'their steps stay in hand, and it is tried again', steps: stopped.size)
        end
        executions.to_h { |execution| [execution, stopped.include?(execution)] }
      end

      def rest(seconds)
        @mutex.synchronize { @wake.wait(@mutex, seconds) unless @closed }
      end

      def watch
        look = (@wait / LOOKS).clamp(LOOK_BOUNDS.begin, LOOK_BOUNDS.end)
        until @closed
          @mutex.synchronize { @wake.wait(@mutex, @out.empty? ? nil : look) unless @closed }
          begin
            enqueue_again(overdue)
          rescue StandardError => e
            say(:error, "jobs cannot be looked after: #{e.message}", error_class: e.class.name)
          end
        end
      end

      # Takes out what may be lost or was stopped, and what is in hand no more.
      def overdue
        @mutex.synchronize do
          @out.reject! { |execution, _| execution.cancelled? }
          late = @out.select { |_, (due, _)| now >= due }
          late.each_key { |execution| @out.delete(execution) }
        end
      end

      def enqueue_again(late)
        return if late.empty?

        lost = late.count { |_, (_, stopped)| !stopped }
        say(:warn, "jobs have not begun within #{@wait} s and may be lost; they are enqueued again in #{@queue}", steps: lost) if lost.positive?
        submit(late.keys)
      end

      def say(level, message, **fields)
        Logging.say(@logger, level, message, fields)
      end
    end
  end
end
