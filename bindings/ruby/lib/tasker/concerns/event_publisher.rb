# frozen_string_literal: true

require_relative 'structured_logging'
require_relative 'workflow_events'

module Tasker
  module Concerns
    # Methods to publish events with; part of every step handler, and for inclusion
    # into classes of the host. Nothing here raises on account of an event.
    #
    # What a handler publishes of its own step's life cycle is published once, whoever
    # says it first; completion and failure only after the outcome has been recorded.
    module EventPublisher
      extend ActiveSupport::Concern

      included do
        include StructuredLogging
        include WorkflowEvents
      end

      # @param step [WorkflowStep]
      # @param context [Hash] merged into the payload, as in all of these methods
      # @return [void]
      def publish_step_started(step, **context)
        publish_step_event(step, Constants::StepEvents::EXECUTION_REQUESTED, :started, context) do
          log_life_cycle { log_step_event(step, :started, **context.slice(:processing_mode, :concurrent_batch_size)) }
        end
      end

      # @return [void]
      def publish_step_before_handle(step, **context)
        publish_step_event(step, Constants::StepEvents::BEFORE_HANDLE, :before_handle, context) do
          log_life_cycle { log_step_event(step, :before_handle, **context.slice(:handler_class, :dependencies_met)) }
        end
      end

      # @return [void]
      def publish_step_completed(step, **context)
        publish_step_event(step, Constants::StepEvents::COMPLETED, :completed, context) do
          log_life_cycle do
            log_step_event(step, :completed, duration: context[:duration],
                                             **context.slice(:operation_count, :records_processed))
          end
        end
      end

      # @param error [Exception, nil]
      # @return [void]
      def publish_step_failed(step, error: nil, **context)
        context = error_context(error).merge(context) if error
        publish_step_event(step, Constants::StepEvents::FAILED, :failed, context) do
          log_life_cycle do
            log_step_event(step, :failed, duration: context[:duration], error: context[:error_message])
            log_exception(error, context: { step_id: step.workflow_step_id, task_id: step.task.task_id }) if error
          end
        end
      end

      # @return [void]
      def publish_step_retry_requested(step, retry_reason: 'Step execution failed', **context)
        publish_step_event(step, Constants::StepEvents::RETRY_REQUESTED, :retry, context.merge(retry_reason: retry_reason))
      end

      # @return [void]
      def publish_step_cancelled(step, cancellation_reason: 'Step cancelled', **context)
        publish_step_event(step, Constants::StepEvents::CANCELLED, :cancelled,
                           context.merge(cancellation_reason: cancellation_reason))
      end

      # @param backoff_seconds [Numeric]
      # @param backoff_type [String] server_requested or exponential
      # @return [void]
      def publish_step_backoff(step, backoff_seconds:, backoff_type: 'exponential', **context)
        publish_step_event(step, Constants::ObservabilityEvents::Step::BACKOFF, :backoff,
                           context.merge(backoff_seconds: backoff_seconds, backoff_type: backoff_type)) do
          log_life_cycle { log_step_event(step, :backoff, backoff_seconds: backoff_seconds, backoff_type: backoff_type) }
        end
      end

      # Publishes by a hint, or by the state the step is in.
      # @return [void]
      def publish_step_event_for_context(step, context_hint: nil, **context)
        case context_hint || infer_step_event_type_from_state(step)
        when :started, :execution_requested then publish_step_started(step, **context)
        when :completed, :success then publish_step_completed(step, **context)
        when :failed, :failure, :error then publish_step_failed(step, **context)
        when :retry, :retry_requested then publish_step_retry_requested(step, **context)
        when :cancelled then publish_step_cancelled(step, **context)
        else Tasker.logger.warn("no event of step #{step.name} fits the hint #{context_hint}")
        end
      end

      # @return [Symbol]
      def infer_step_event_type_from_state(step)
        { 'complete' => :completed, 'error' => :failed, 'cancelled' => :cancelled }.fetch(step.status, :started)
      end

      # An event of the host's own. It must be registered, see {Events::CustomRegistry}.
      #
      # @param event_name [String]
      # @param payload [Hash, nil]
      # @return [void]
      def publish_custom_event(event_name, payload = {})
        publish_event(event_name, (payload || {}).merge(event_type: 'custom', timestamp: Time.current))
      end

      private

      # @param event_name [String] a registered identifier
      # @param payload [Hash]
      # @return [void]
      def publish_event(event_name, payload = {})
        payload ||= {}
        Events.publish(event_name, payload.key?(:timestamp) ? payload : payload.merge(timestamp: Time.current))
      end
      alias publish_event_with_logging publish_event

      def publish_step_event(step, identifier, type, context)
        yield if block_given?
        life_cycle = step.respond_to?(:life_cycle) ? step.life_cycle : nil
        return life_cycle.announce(identifier, type, context) if life_cycle

        publish_event(identifier, build_step_payload(step, type, context)) if Events.wanted?(identifier)
      end

      # Lines about the life cycle are for looking closely: the services log it already.
      # A handler that writes its own lines (it redefined log_structured) gets them all.
      def log_life_cycle
        yield if logs_by_itself? || should_log?(:debug)
      rescue StandardError => e
        Tasker.logger.debug { "a log line of the life cycle failed: #{e.message}" }
      end

      def logs_by_itself?
        owner = method(:log_structured).owner
        !owner.equal?(StructuredLogging)
      end

      def error_context(error)
        error_class = Compat::Failure.class_of(error)
        {
          error_message: Compat::Failure.message_of(error), error_class: error_class, exception_class: error_class,
          backtrace: TaskerCore::Failure.backtrace(error) { |lines| lines.first(10) }
        }
      end

      def build_step_payload(step, event_type, context = {})
        Events::EventPayloadBuilder.build_step_payload(step, step.task, event_type: event_type, additional_context: context)
      end
    end
  end
end
