# frozen_string_literal: true

module Tasker
  module Concerns
    # Methods to publish events of tasks and of the orchestration with. The engine's
    # own are published by the orchestration; these are for code that has reasons.
    module WorkflowEvents
      # @return [void]
      def publish_task_started(task, **context)
        publish_task_event(task, Constants::TaskEvents::START_REQUESTED, :started, context)
      end

      # @return [void]
      def publish_task_completed(task, **context)
        publish_task_event(task, Constants::TaskEvents::COMPLETED, :completed, context)
      end

      # @param error_steps [Array] what is known of the failed steps
      # @return [void]
      def publish_task_failed(task, error_message: 'Task execution failed', error_steps: [], **context)
        publish_task_event(task, Constants::TaskEvents::FAILED, :failed,
                           context.merge(error_message: error_message, error_steps: error_steps))
      end

      # @return [void]
      def publish_task_retry_requested(task, retry_reason: 'Task retry requested', **context)
        publish_task_event(task, Constants::TaskEvents::RETRY_REQUESTED, :retry, context.merge(retry_reason: retry_reason))
      end

      # @return [void]
      def publish_task_pending_transition(task, reason: 'Task set to pending', **context)
        publish_task_event(task, Constants::TaskEvents::INITIALIZE_REQUESTED, :pending_transition, context.merge(reason: reason))
      end

      # @return [void]
      def publish_task_enqueue(task, **context)
        publish_task_event(task, Constants::ObservabilityEvents::Task::ENQUEUE, :enqueue,
                           context.merge(task_context: task.context))
      end

      # @return [void]
      def publish_workflow_task_started(task_id, **context)
        publish_orchestration_event(:TASK_STARTED, context.merge(task_id: task_id))
      end

      # @return [void]
      def publish_workflow_step_completed(task_id, step_id, **context)
        publish_orchestration_event(:STEP_COMPLETED, context.merge(task_id: task_id, step_id: step_id))
      end

      # @param step_ids [Array<Integer>]
      # @return [void]
      def publish_viable_steps_discovered(task_id, step_ids, processing_mode: 'concurrent', **context)
        publish_orchestration_event(:VIABLE_STEPS_DISCOVERED,
                                    context.merge(task_id: task_id, step_ids: step_ids, step_count: step_ids.size,
                                                  processing_mode: processing_mode))
      end

      # @return [void]
      def publish_no_viable_steps(task_id, reason: 'No steps ready for execution', **context)
        publish_orchestration_event(:NO_VIABLE_STEPS, context.merge(task_id: task_id, reason: reason))
      end

      # @return [void]
      def publish_task_finalization_started(task, processed_steps_count: 0, **context)
        publish_orchestration_event(:TASK_FINALIZATION_STARTED,
                                    context.merge(task_id: task.task_id, processed_steps_count: processed_steps_count))
      end

      # @return [void]
      def publish_task_finalization_completed(task, processed_steps_count: 0, **context)
        publish_orchestration_event(:TASK_FINALIZATION_COMPLETED,
                                    context.merge(task_id: task.task_id, processed_steps_count: processed_steps_count,
                                                  final_status: task.status))
      end

      # @return [void]
      def publish_workflow_state_unclear(task, reason: 'Task in unclear state', **context)
        publish_orchestration_event(:TASK_STATE_UNCLEAR, about(task, context, reason: reason))
      end

      # @return [void]
      def publish_task_reenqueue_started(task, reason: 'Task reenqueue started', **context)
        publish_orchestration_event(:TASK_REENQUEUE_STARTED, about(task, context, reason: reason, current_status: task.status))
      end

      # @return [void]
      def publish_task_reenqueue_requested(task, reason: 'Task reenqueue requested', **context)
        publish_orchestration_event(:TASK_REENQUEUE_REQUESTED, about(task, context, reason: reason))
      end

      # @return [void]
      def publish_task_reenqueue_failed(task, reason: 'Task reenqueue failed', error: 'Unknown error', **context)
        publish_orchestration_event(:TASK_REENQUEUE_FAILED, about(task, context, reason: reason, error: error))
      end

      # @param delay_seconds [Numeric]
      # @return [void]
      def publish_task_reenqueue_delayed(task, delay_seconds:, reason: 'Task reenqueue delayed', **context)
        publish_orchestration_event(:TASK_REENQUEUE_DELAYED,
                                    about(task, context, reason: reason, delay_seconds: delay_seconds,
                                                         scheduled_for: Time.current + delay_seconds))
      end

      # @return [void]
      def publish_steps_execution_started(task, step_count:, processing_mode: 'concurrent', **context)
        publish_orchestration_event(:STEPS_EXECUTION_STARTED,
                                    about(task, context, step_count: step_count, processing_mode: processing_mode))
      end

      # @return [void]
      def publish_steps_execution_completed(task, processed_count:, successful_count:, **context)
        publish_orchestration_event(:STEPS_EXECUTION_COMPLETED,
                                    about(task, context, processed_count: processed_count, successful_count: successful_count))
      end

      private

      def about(task, context, **fields)
        context.merge(task_id: task.task_id, task_name: task.name, **fields)
      end

      def publish_task_event(task, identifier, type, context)
        return unless Events.wanted?(identifier)

        payload = Events::EventPayloadBuilder.build_task_payload(task, event_type: type, additional_context: context)
        publish_event(identifier, payload)
      end

      def publish_orchestration_event(name, context)
        identifier = Constants::WorkflowEvents.const_get(name)
        return unless Events.wanted?(identifier)

        type = identifier.split('.').last.to_sym
        publish_event(identifier, Events::EventPayloadBuilder.build_orchestration_payload(event_type: type, context: context))
      end
    end
  end
end
