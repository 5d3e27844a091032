# frozen_string_literal: true

module Tasker
  module Compat
    # The life-cycle events of one execution: each once, in the engine's order,
    # although the runner, the handler's base class and the handler itself all speak of
    # them. (`compatibility.duplicate_events` has each published as often as in the engine.)
    # The end (completed, failed) is kept back until the outcome is recorded: a
    # late attempt, whose outcome no longer counts, ends without an event.
    #
    # In the engine the state machine speaks of some too, with the transition; here every
    # copy carries it, as those of tasks do.
    #
    # @api private
    class LifeCycle
      ONCE = [Constants::StepEvents::EXECUTION_REQUESTED, Constants::StepEvents::BEFORE_HANDLE].freeze
      LAST = [Constants::StepEvents::COMPLETED, Constants::StepEvents::FAILED].freeze
      TRANSITIONS = {
        Constants::StepEvents::EXECUTION_REQUESTED =>
          [Constants::WorkflowStepStatuses::PENDING, Constants::WorkflowStepStatuses::IN_PROGRESS],
        Constants::StepEvents::COMPLETED => [Constants::WorkflowStepStatuses::IN_PROGRESS, Constants::WorkflowStepStatuses::COMPLETE],
        Constants::StepEvents::FAILED => [Constants::WorkflowStepStatuses::IN_PROGRESS, Constants::WorkflowStepStatuses::ERROR]
      }.freeze
      private_constant :ONCE, :LAST, :TRANSITIONS

      def initialize(step)
        @step = step
        @seen = []
        @held = {}
        @over = false
      end

      # @param identifier [String]
      # @param type [Symbol] of the payload
      # @param context [Hash] merged into the payload
      # @return [void]
      def announce(identifier, type, context = {})
        if LAST.include?(identifier)
          @held[identifier] = (@held[identifier] || {}).merge(context)
        elsif !ONCE.include?(identifier) || !@seen.include?(identifier)
          @seen << identifier
          publish(identifier, type, context)
        end
      end

      # The outcome is recorded.
      # @return [void]
      def finish(identifier, type, context = {})
        return if @over

        @over = true
        publish(identifier, type, (@held[identifier] || {}).merge(context))
      end

      private

      def publish(identifier, type, context)
        return unless Events.wanted?(identifier)

        context = transition(identifier).merge(context)
        payload = Events::EventPayloadBuilder.build_step_payload(@step, nil, event_type: type, additional_context: context)
        Events.tell(identifier, payload)
      rescue StandardError => e
        Tasker.logger.error("event #{identifier} of step #{@step.name} was not published: #{e.message} (#{e.class})")
      end

      def transition(identifier)
        from, to = TRANSITIONS[identifier]
        to ? { from_state: from, to_state: to, transitioned_at: Time.current } : {}
      end
    end
  end
end
