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
      # @raise [StandardError] of Redis; then some of them may be enqueued
      def push(references)
        references.group_by { |reference| @route.call(reference) }.each do |queue, group|
          ::Sidekiq::Client.push_bulk('class' => SidekiqJob, 'queue' => queue, 'args' => group.map { |reference| [reference] })
        end
      end

      def to_s
        "sidekiq, queue #{@route}"
      end
    end
  end
end
