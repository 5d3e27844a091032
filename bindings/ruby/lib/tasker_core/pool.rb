# frozen_string_literal: true

require_relative 'logging'
require_relative 'slot'

module TaskerCore
  # The threads that run handlers: at most `size` of them, made as they are needed.
  #
  # A handler whose attempt is cancelled (timeout, lease lost) and that does not come
  # back is left behind after a grace, and another thread takes its place: killing it
  # could leave locks and connections of the host in any state. As many as `size` may be
  # stuck like that; with one more the pool says so through `on_exhausted` and replaces no
  # more.
  #
  # Only one thread at a time runs Ruby code, so waking all for a batch would make them
  # take turns, one switch a step. One is called; it calls the next if there is more to
  # do, and that one gets to run when the first waits for something. Handlers that wait
  # run side by side, and those that compute follow each other on one thread: it fetches
  # `more` by itself, for whoever brings steps gets no turn as long as it computes.
  #
  # INVARIANT: an execution that was submitted is in the queue, or with a thread whose
  # runner will answer it. While steps are queued there is a call that nobody has heard
  # yet, or a thread that will look into the queue before it waits.
  #
  # @api private
  class Pool
    # Seconds a cancelled handler may take to come back.
    GRACE_SECONDS = 1.0
    # What Ruby gives a thread that computes while others want to, or nearly that.
    TURN_SECONDS = 0.09
    # How often busy threads are looked at; idle ones never are.
    TICK_SECONDS = 0.25

    attr_reader :size

    # @param size [Integer] handlers that may run at once
    # @param runner [#call] answers an execution and never raises
    # @param on_exhausted [#call] told the reason when too many threads are stuck
    # @param more [#call] executions that are there to be taken, without waiting for any
    def initialize(size:, runner:, on_exhausted:, more: -> { [] }, logger: TaskerCore.logger,
                   grace: GRACE_SECONDS, tick: TICK_SECONDS)
      @size = size
      @runner = runner
      @on_exhausted = on_exhausted
      @more = more
      @logger = logger
      @grace = grace
      @tick = tick
      @steps = Thread::Queue.new
      @calls = Thread::Queue.new
      @latest = nil
      @slots = []
      @stuck = []
      @numbers = 0
      @mutex = Mutex.new
      @wake = ConditionVariable.new
      @closed = @exhausted = @resting = @giving_way = false
      @pid = Process.pid
      @watcher = start_watcher
    end

    # @param batch [Array<Native::Execution>]
    def submit(batch)
      batch.each { |execution| @steps << execution }
      call_one
      make_threads
    end

    # Takes no more and waits for the handlers that run.
    #
    # @param seconds [Numeric] how long to wait
    # @return [Integer] handlers that are still running
    def close(seconds)
      threads = @mutex.synchronize do
        @closed = true
        @steps.close
        @calls.close
        @wake.signal
        [@watcher, *@slots.map(&:thread)]
      end
      deadline = now + seconds
      threads.each { |thread| thread.join([deadline - now, 0].max) }
      stuck + @slots.count(&:running?)
    end

    # @return [Integer] handlers that were left behind and have not come back
    def stuck
      @mutex.synchronize { @stuck.count(&:running?) }
    end

    # @return [Integer] threads that serve
    def threads
      @mutex.synchronize { @slots.count { |slot| slot.thread.alive? } }
    end

    private

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    def make_threads
      @mutex.synchronize do
        # A handler that kills every thread it finds gets no further than this.
        @watcher = start_watcher unless @watcher.alive?
        grow
        # One signal a batch at most, none while the watcher is up.
        @wake.signal if @resting
      end
    end

    # With @mutex held.
    def grow
      wanted = @steps.size - @calls.num_waiting
      [wanted, @size - @slots.size].min.times { @slots << spawn }
    end

    def spawn
      slot = Slot.new
      slot.thread = Thread.new { serve(slot) }
      slot.thread.name = "tasker #{@numbers += 1}"
      # What ends a thread is dealt with here; the default would print it as well.
      slot.thread.report_on_exception = false
      slot
    end

    # Interrupts wait until the thread does: between two handlers they must not cost
    # the step that has just been taken. The runner lets them through to handlers.
    def serve(slot)
      Thread.handle_interrupt(Object => :on_blocking) do
        nil while next_step(slot)
      end
    ensure
      farewell
    end

    # No new thread from here: this may be the end of the process, which would wait for
    # it. The watcher replaces it.
    def farewell
      # If it was killed while it waited, it may have been called and not have come: the
      # call is still there, and only another one wakes another thread.
      @calls << true unless @closed
      @mutex.synchronize { @wake.signal }
    rescue ClosedQueueError
      nil
    end

    # Wakes a thread that waits; one call is enough until somebody has heard it.
    def call_one
      @calls << true if @calls.empty? && !@closed
    rescue ClosedQueueError
      nil
    end

    # @return [Boolean] whether to go on
    def next_step(slot)
      execution = shift if turn?(slot)
      return called? if execution.nil?

      call_one unless @steps.empty? || @giving_way
      begin
        take_strays(execution)
        slot.begin(execution)
        @latest = slot
        @runner.call(execution)
      ensure
        slot.finish
        restore(Thread.current)
      end
      # A child that a handler forked off ends where the handler would have gone on.
      !slot.abandoned? && Process.pid == @pid
    rescue Exception => e # rubocop:disable Lint/RescueException
      say(:warn, 'something was raised in a thread of the worker', { error: e.class.name })
      !slot.abandoned? && Process.pid == @pid
    end

    def shift
      fetch if @steps.empty? && !@closed
      @steps.pop(true) unless @steps.empty?
    rescue ThreadError
      # Another thread was faster.
      nil
    end

    def fetch
      batch = @more.call
      return if batch.empty?

      batch.each { |execution| @steps << execution }
      make_threads
    end

    # Waits for a call; false at the end of the pool.
    def called?
      !@calls.pop.nil?
    end

    # Who wants another step may have been given the turn of a thread in the middle of a
    # handler. That one finishes first, for its step would wait for the whole turn; but a
    # handler that is still the same a turn later computes for long, and shares. One
    # thread that gives way is enough: it takes the next step, the others wait for a call.
    def turn?(slot)
      while (other = ahead_of(slot))
        return false if @giving_way
        break unless give_way(slot, other)
      end
      true
    end

    # The thread that began the last step, if it could go on with it now.
    def ahead_of(slot)
      other = @latest
      other unless other.nil? || other.equal?(slot) || other.execution.nil? || other.thread.status != 'run'
    end

    # @return [Boolean] whether the handler of `other` has made use of it
    def give_way(slot, other)
      execution = other.execution
      ending = now + TURN_SECONDS
      @giving_way = true
      # Once may be for a third thread, or for none: who has just lost its turn takes a
      # moment to ask for the next one.
      Thread.pass
      Thread.pass while other.execution.equal?(execution) && ahead_of(slot).equal?(other) && now < ending
      !other.execution.equal?(execution)
    ensure
      @giving_way = false
    end

    # What was raised in this thread while no handler ran is for no handler. If it ends
    # the thread, another one gets the step.
    def take_strays(execution)
      return unless Thread.pending_interrupt?

      gone = true
      begin
        Thread.handle_interrupt(Object => :immediate) { Thread.pass }
        gone = false
      ensure
        @steps << execution if gone
      end
    end

    # What a handler may have done to its thread, except its locals: those belong to
    # libraries that keep connections and the like in them.
    def restore(thread)
      thread.priority = 0 unless thread.priority.zero?
      thread.abort_on_exception = false if thread.abort_on_exception
      thread.report_on_exception = false if thread.report_on_exception
    end

    def start_watcher
      watcher = Thread.new { watch }
      watcher.name = 'tasker watcher'
      watcher
    end

    def watch
      @mutex.synchronize do
        until @closed
          begin
            look_after
          rescue StandardError => e
            say(:error, "the threads cannot be looked after: #{e.message}", { error: e.class.name })
          end
          @resting = idle?
          @wake.wait(@mutex, @resting ? nil : @tick)
          @resting = false
        end
      end
    end

    def idle?
      @steps.empty? && @calls.num_waiting == @slots.size
    end

    def look_after
      @stuck.select!(&:running?)
      gone = @slots.reject! do |slot|
        next true unless slot.thread.alive?
        next false unless slot.hung?(now, @grace) && slot.abandon

        @stuck << slot
        leave_behind(slot)
        true
      end
      return exhausted if @stuck.size > @size

      # For what waits; the rest is made when it is needed.
      grow if gone
    end

    def leave_behind(slot)
      fields = { thread: slot.thread.name, stuck: @stuck.size, of: @size }
      say(:error, 'the handler goes on after its attempt was cancelled; it is left behind', fields, slot.step)
    end

    def exhausted
      return if @exhausted

      @exhausted = true
      @on_exhausted.call("#{@stuck.size} handlers do not come back although their attempts were cancelled, " \
                         "more than may run at once: the worker drains. Their backtraces are in the log")
      @stuck.each do |slot|
        trace = (slot.thread.backtrace || []).first(20).join("\n")
        say(:error, "stuck in:\n#{trace}", { thread: slot.thread.name }, slot.step)
      end
    end

    def say(...)
      Logging.say(@logger, ...)
    end
  end
end
