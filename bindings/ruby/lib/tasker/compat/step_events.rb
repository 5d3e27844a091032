# frozen_string_literal: true

module Tasker
  module Compat
    # The engine's events of an execution that its API does not run: one of a handler of the
    # new style, or one that has ended its thread or wanted to end the process. Nothing is
    # made, and nothing read, unless somebody has subscribed.
    #
    # @api private
    class StepEvents
      # @param execution [TaskerCore::Native::Execution]
      def initialize(execution)
        @execution = execution
      end

      # @return [void]
      def began
        announce(Constants::StepEvents::EXECUTION_REQUESTED, :started)
        announce(Constants::StepEvents::BEFORE_HANDLE, :before_handle)
      end

      # @param results [Object] what the handler has returned, told as it was stored
      # @return [void]
      def completed(results)
        finish(Constants::StepEvents::COMPLETED, :completed) do
          ended(Constants::WorkflowStepStatuses::COMPLETE, ::TaskerCore::Records.to_objects(results).as_json)
        end
      end

      # @param report [Hash{String=>Object}] what Native::Execution#fail has taken
      # @return [void]
      def failed(report)
        message, error_class, backtrace = report.values_at('message', 'error_class', 'backtrace')
        context = { error_message: message, error_class: error_class, exception_class: error_class,
                    backtrace: backtrace.to_s.lines(chomp: true).first(10) }
        finish(Constants::StepEvents::FAILED, :failed, context) do
          before = @execution.previous_results
          error = { 'error' => message, 'error_class' => error_class, 'backtrace' => backtrace }.compact
          ended(Constants::WorkflowStepStatuses::ERROR, (before.is_a?(Hash) ? before : {}).merge(error))
        end
      end

      private

      def step
        @step ||= Records.new(@execution).step
      end

      def announce(identifier, type)
        telling(identifier) { step.life_cycle.announce(identifier, type) }
      end

      def finish(identifier, type, context = {})
        telling(identifier) do
          yield
          step.life_cycle.finish(identifier, type, context)
        end
      end

      # No event is worth a step.
      def telling(identifier)
        yield if Events.wanted?(identifier)
      rescue StandardError => e
        Tasker.logger.error("event #{identifier} of step #{@execution.step_name} was not published: #{e.message} (#{e.class})")
      end

      def ended(status, results)
        step.results = results
        step.ended(status: status, attempts: @execution.attempt, at: Time.current,
                   processed: status == Constants::WorkflowStepStatuses::COMPLETE)
      end
    end
  end
end
