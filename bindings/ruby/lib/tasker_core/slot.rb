# frozen_string_literal: true

require_relative 'logging'

module TaskerCore
  # One thread of the pool, and what it is running.
  #
  # The thread itself begins and finishes; the watcher looks, and may abandon. The lock
  # is there for these two only: an attempt that finishes just now is not abandoned.
  #
  # @api private
  class Slot
    attr_accessor :thread
    # What runs now, or nil.
    attr_reader :execution

    def initialize
      @lock = Mutex.new
      @abandoned = false
      @execution = @cancelled = @cancelled_since = nil
    end

    def begin(execution)
      @execution = execution
    end

    def finish
      @lock.synchronize { @execution = nil }
    end

    def abandoned?
      @abandoned
    end

    # Whether a handler runs in it.
    def running?
      !@execution.nil? && @thread.alive?
    end

    # Whether what it runs has been cancelled for longer than `grace`. The first look
    # that finds it cancelled starts the clock.
    def hung?(now, grace)
      execution = @execution
      return false if execution.nil? || !execution.cancelled?

      unless @cancelled.equal?(execution)
        @cancelled = execution
        @cancelled_since = now
      end
      now - @cancelled_since >= grace
    end

    # @return [Boolean] false if it has finished in the meantime
    def abandon
      @lock.synchronize do
        @abandoned = !@execution.nil? && @execution.equal?(@cancelled)
      end
    end

    # @return [Hash] what log lines say of the step
    def step
      execution = @execution
      execution ? Logging.step_fields(execution) : {}
    end
  end
end
