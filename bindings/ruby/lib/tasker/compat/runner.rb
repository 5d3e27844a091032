# frozen_string_literal: true

require_relative 'records'
require_relative 'step_events'

module Tasker
  # What makes handlers of the Rails engine run on this one.
  module Compat
    # Runs one execution of an engine-style handler and answers it: with the results as
    # the Rails engine would have stored them, for success and for failure.
    class Runner
      # Endings that are not StandardError and still are the handler's alone: a method
      # without a body, a file that cannot be loaded, a recursion without an end.
      # The end of the thread or the process is for the caller to judge.
      HANDLERS_OWN = [ScriptError, SystemStackError].freeze
      private_constant :HANDLERS_OWN

      # @param execution [TaskerCore::Native::Execution]
      # @param klass [Class] the handler class of the execution
      # @return [Boolean] whether the answer counted
      def self.run(execution, klass)
        new(execution, klass).run
      end

      def initialize(execution, klass)
        @execution = execution
        @klass = klass
      end

      # @return [Boolean]
      def run
        with_correlation_id do
          records = Records.new(@execution)
          @step = records.step
          Reach.with(@execution) { perform(records) }
        end
      end

      private

      def perform(records)
        task_handler = HandlerSource.task_handler(@execution)
        hooks = Hooks.new(task_handler, records)
        hooks.before
        @step.life_cycle.announce(Constants::StepEvents::EXECUTION_REQUESTED, :started)
        HandlerSource.handler(@execution, @klass, @step, task_handler).handle(records.task, records.sequence, @step)
        succeeded(hooks)
      rescue StandardError, *HANDLERS_OWN => e
        failed(e)
      end

      def succeeded(hooks)
        # Changes inside of results have not been encoded yet.
        results = TaskerCore::Encoding.plain(@step.results)
        results = annotated(hooks, results) if hooks.after?
        counted = @execution.succeed(results)
        ended(Constants::WorkflowStepStatuses::COMPLETE)
        @step.life_cycle.finish(Constants::StepEvents::COMPLETED, :completed) if counted
        counted
      rescue TaskerCore::EncodingError => e
        raise TaskerCore::Runner.refused(@execution, e)
      end

      # A hook is told of a success: what cannot be stored has been refused by then, and
      # what the hook does to the results comes too late.
      def annotated(hooks, results)
        @execution.check_results(results)
        settled = @step.settle(results)
        ended(Constants::WorkflowStepStatuses::COMPLETE)
        hooks.after
        @step.results = settled
      end

      def failed(error)
        failure = Failure.new(error, @step, @execution)
        counted = @execution.fail(failure.report)
        @step.results = failure.results
        ended(Constants::WorkflowStepStatuses::ERROR)
        @step.life_cycle.finish(Constants::StepEvents::FAILED, :failed, failure.event_context) if counted
        Tasker.logger.warn("step #{@step.name} of task #{@step.task_id} failed in attempt #{@execution.attempt}: " \
                           "#{failure.message} (#{failure.error_class})#{' [late, not counted]' unless counted}")
        counted
      end

      # What the row says after the execution, for the event that tells of it.
      def ended(status)
        complete = status == Constants::WorkflowStepStatuses::COMPLETE
        now = Time.current
        @step.ended(status: status, attempts: @execution.attempt, at: now, processed: complete)
      end

      # A pool thread runs one step after the other: what one leaves must not reach the next.
      def with_correlation_id
        key = Concerns::StructuredLogging::CORRELATION_ID_KEY
        previous = Thread.current[key]
        Thread.current[key] = @execution.correlation_id
        yield
      ensure
        Thread.current[key] = previous
      end
    end
  end
end
