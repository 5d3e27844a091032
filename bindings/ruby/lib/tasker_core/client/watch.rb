# frozen_string_literal: true

require_relative 'connections'
require_relative 'errors'

module TaskerCore
  class Client
    # One wait for the end of a task.
    #
    # @api private
    class Watch
      # Seconds between two looks, at first and at most.
      PAUSES = (0.02..1.0).freeze
      # Seconds that the look at the end of the time may take.
      LAST_LOOK = 1

      def initialize(client, task_id, timeout)
        @client = client
        @task_id = task_id
        @timeout = timeout
        @deadline = Connections.now + timeout
      end

      def follow
        pause = PAUSES.begin
        loop do
          asked, moved = look
          yield @last if moved && block_given?
          return @last if @last&.final?

          left = @deadline - Connections.now
          raise WaitTimeout.new(@task_id, @timeout, @last, @trouble) unless left.positive?

          pause = moved ? PAUSES.begin : [pause * 1.5, PAUSES.end].min
          sleep([[asked, pause].compact.max, left].min)
        end
      end

      private

      # How long the service asks to wait, and whether the task has moved. What will pass
      # is no end, as the task goes on whether it is watched or not.
      def look
        left = [@deadline - Connections.now, LAST_LOOK].max
        task = @client.task(@task_id, timeout: left.finite? ? left : nil)
        moved = standing(task) != standing(@last)
        @last = task
        @trouble = nil
        [nil, moved]
      rescue Unavailable, Unreachable, UnexpectedAnswer => e
        raise unless e.transient?

        @trouble = e
        [e.respond_to?(:retry_after) ? e.retry_after : nil, false]
      end

      def standing(task)
        task && [task.state, task['step_counts']]
      end
    end
    private_constant :Watch
  end
end
