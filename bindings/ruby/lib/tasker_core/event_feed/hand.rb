# frozen_string_literal: true

module TaskerCore
  class EventFeed
    # The thread in which the block of a feed is called, apart from the one that reads: a
    # block that raises what it likes, exits, or ends its thread has failed, and the feed
    # goes on. The thread stays, for libraries keep their connections in it; the next call
    # replaces one that has ended.
    #
    # @api private
    class Hand
      # A block has left nothing but the end of its thread.
      class Ended < StandardError
        def initialize
          super('the block ended its thread (Thread.exit or Thread#kill)')
        end
      end

      def initialize(&block)
        @block = block
        @calls = nil
      end

      # @return [Exception, nil] what the block has raised
      def call(argument)
        answer = Thread::Queue.new
        begin
          (@calls ||= start) << [argument, answer]
        rescue ClosedQueueError
          @calls = nil
          retry
        end
        answer.pop
      end

      # @return [Boolean] whether the block calls this
      def inside?
        Thread.current.equal?(@thread)
      end

      # Ends the thread, once the block has returned.
      # @return [void]
      def close
        @calls&.close
      end

      private

      def start
        calls = Thread::Queue.new
        @thread = Thread.new { serve(calls, Process.pid) }
        @thread.name = 'tasker events'
        calls
      end

      # A child that the block forked off ends where its parent goes on.
      def serve(calls, pid)
        while Process.pid == pid && (call = calls.pop)
          argument, answer = call
          answer << failure_of(argument)
          answer = nil
        end
      ensure
        calls.close
        # Nobody is left waiting: neither the call that ended the thread, nor one that just came.
        answer&.push(Ended.new)
        calls.pop.last.push(Ended.new) until calls.empty?
      end

      # Nobody else raises in this thread, so that all is the block's, signals included.
      def failure_of(argument)
        @block.call(argument)
        nil
      rescue Exception => e # rubocop:disable Lint/RescueException
        e
      end
    end
  end
end
