# frozen_string_literal: true

module TaskerCore
  module Dispatch
    # Jobs of ActiveJob, and so of whatever its adapter enqueues in.
    #
    # @api private
    class ActiveJobQueue
      # @param route [Route]
      def initialize(route)
        @route = route
      end

      # @param references [Array<Hash>]
      # @return [Array<Hash>] those that a callback of ActiveJob::Base has stopped
      # @raise [StandardError] of the adapter; then some of them may be enqueued
      def push(references)
        references.reject { |reference| ActiveJobJob.set(queue: @route.call(reference)).perform_later(reference) }
      end

      def to_s
        "active_job (#{ActiveJobJob.queue_adapter_name}), queue #{@route}"
      end
    end
  end
end
