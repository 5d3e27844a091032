# frozen_string_literal: true

require_relative '../constants'

module Tasker
  module Events
    # How often the Rails engine publishes its own events: it has two or three places that
    # speak of some of them. Here each is published once, unless
    # `compatibility.duplicate_events` asks for as many.
    #
    # @api private
    module Duplicates
      COPIES = {
        Constants::StepEvents::EXECUTION_REQUESTED => 3,
        Constants::StepEvents::COMPLETED => 3,
        Constants::StepEvents::FAILED => 3,
        Constants::TaskEvents::START_REQUESTED => 2,
        Constants::TaskEvents::COMPLETED => 2,
        Constants::TaskEvents::FAILED => 2,
        Constants::WorkflowEvents::VIABLE_STEPS_DISCOVERED => 2,
        Constants::WorkflowEvents::NO_VIABLE_STEPS => 2,
        Constants::WorkflowEvents::TASK_FINALIZATION_STARTED => 2,
        Constants::WorkflowEvents::TASK_FINALIZATION_COMPLETED => 2
      }.freeze
      private_constant :COPIES

      module_function

      # @return [Integer]
      def copies(identifier, payload)
        return 1 unless Tasker.configuration.compatibility.duplicate_events
        # The start that comes with the creation has one place.
        return 1 if payload.key?(:step_count) && identifier == Constants::TaskEvents::START_REQUESTED

        COPIES.fetch(identifier, 1)
      end
    end
  end
end
