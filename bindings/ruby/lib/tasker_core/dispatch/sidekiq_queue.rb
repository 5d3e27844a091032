# frozen_string_literal: true

module TaskerCore
  module Dispatch
    # Jobs of Sidekiq.
    #
    # @api private
    class SidekiqQueue
      # @param route [Route]
      def initialize(route)
        @route = route
      end

      # One way to Redis for each queue.
      #
      # @param references [Array<Hash>]
      # @return [Array<Hash>] those that a client middleware has stopped
      # @raise [StandardError] of Redis; then some of them may be enqueued
      def push(references)
        references.group_by { |reference| @route.call(reference) }.flat_map do |queue, group|
          jobs = { 'class' => SidekiqJob, 'queue' => queue }
          enqueued = ::Sidekiq::Client.push_bulk(jobs.merge('args' => group.map { |reference| [reference] })).compact.size
          next enqueued.zero? ? group : [] if [0, group.size].include?(enqueued)

          # It does not say which. Asked one by one, and a second job finds nothing to do.
          group.reject { |reference| ::Sidekiq::Client.push(jobs.merge('args' => [reference])) }
        end
      end

      def to_s
        "sidekiq, queue #{@route}"
      end
    end
  end
end
