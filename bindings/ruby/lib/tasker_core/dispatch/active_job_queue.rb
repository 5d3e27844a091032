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
      # @raise [StandardError] of the adapter; then some of them may be enqueued
      def push(references)
        references.each do |reference|
          # What a callback stops is not enqueued, and says so in no other way.
          ActiveJobJob.set(queue: @route.call(reference)).perform_later(reference) or
            raise StartError, 'ActiveJob did not enqueue the job: a before_enqueue callback of ActiveJob::Base has stopped it'
        end
      end

      def to_s
        "active_job (#{ActiveJobJob.queue_adapter_name}), queue #{@route}"
      end
    end
  end
end
