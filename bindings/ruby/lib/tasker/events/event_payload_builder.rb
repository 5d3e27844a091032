# frozen_string_literal: true

module Tasker
  module Events
    # What events carry about steps, tasks and the orchestration.
    class EventPayloadBuilder
      class << self
        # @param step [WorkflowStep]
        # @param task [Task, nil] the step's own if nil
        # @param event_type [Symbol] started, before_handle, completed, failed, retry, ...
        # @param additional_context [Hash] merged over the rest
        # @return [Hash{Symbol=>Object}]
        def build_step_payload(step, task = nil, event_type: :completed, additional_context: {})
          payload = {
            task_id: (task || step.task).task_id, step_id: step.workflow_step_id, step_name: step.name,
            started_at: step.last_attempted_at&.iso8601, completed_at: step.processed_at&.iso8601,
            attempt_number: step.attempts || 1, retry_limit: step.retry_limit,
            event_type: event_type.to_s, timestamp: Time.current.iso8601
          }
          case event_type
          when :started then payload.merge!(step_inputs: step.inputs, step_dependencies: step.parents.map(&:name))
          when :completed then payload.merge!(completion(step))
          when :failed then payload.merge!(failure(step, additional_context))
          when :retry
            payload.merge!(previous_attempts: step.attempts.to_i - 1, retry_reason: 'Step execution failed',
                           backoff_strategy: 'exponential')
          end
          payload.merge!(additional_context)
        end

        # @param task [Task]
        # @return [Hash{Symbol=>Object}]
        def build_task_payload(task, event_type: :completed, additional_context: {})
          steps = task.workflow_steps
          done = steps.select(&:complete?)
          finished = steps.any? && done.size == steps.size
          ended_at = done.map(&:processed_at).compact.max if finished
          payload = {
            task_id: task.task_id, task_name: task.name, started_at: task.begun_at&.iso8601,
            completed_at: ended_at&.iso8601, task_type: task.class.name, event_type: event_type.to_s,
            timestamp: Time.current.iso8601
          }
          payload.merge!(durations(task.begun_at, ended_at))
          failed = steps.count(&:in_error?)
          payload.merge!(total_steps: steps.size, completed_steps: done.size, failed_steps: failed,
                         pending_steps: steps.size - done.size - failed)
          payload[:task_context] = task.context if event_type == :started
          payload[:error_message] = 'Task execution failed' if event_type == :failed
          payload.merge!(additional_context)
        end

        # @return [Hash{Symbol=>Object}]
        def build_orchestration_payload(event_type:, context: {})
          { event_type: event_type.to_s, orchestration_event: true, timestamp: Time.current.iso8601 }.merge(context)
        end

        private

        def completion(step)
          timed = step.last_attempted_at && step.processed_at
          payload = { execution_duration: timed ? (step.processed_at - step.last_attempted_at).round(3) : 0.0 }
          payload[:step_results] = step.results if step.results.present?
          payload
        end

        def failure(step, context)
          results = step.results.is_a?(Hash) ? step.results : {}
          payload = {
            error_message: context[:error_message] || context[:error] || results['error'] || 'Unknown error',
            exception_class: context[:exception_class] || context[:error_class] || 'StandardError'
          }
          backtrace = context[:backtrace] || results['backtrace']
          payload[:backtrace] = backtrace if backtrace
          payload[:step_results] = step.results if step.results.present?
          payload
        end

        def durations(begun_at, ended_at)
          total = (ended_at - begun_at).round(3) if begun_at && ended_at
          current = (Time.current - begun_at).round(3) if begun_at && !ended_at
          { total_execution_duration: total, current_execution_duration: current }
        end
      end
    end
  end
end
