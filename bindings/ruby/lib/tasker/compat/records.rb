# frozen_string_literal: true

require_relative 'life_cycle'

module Tasker
  module Compat
    # Task, sequence and step of one execution.
    #
    # @api private
    class Records
      # @return [Task]
      attr_reader :task
      # @return [Types::StepSequence]
      attr_reader :sequence
      # @return [WorkflowStep]
      attr_reader :step

      # @param execution [TaskerCore::Native::Execution]
      def initialize(execution)
        @execution = execution
        @task = Task.new(execution)
        @sequence = Types::StepSequence.new(source: -> { rows.keys }, build: method(:other_step), reset: -> { @rows = nil })
        @task.sequence = @sequence
        @step = own_step
        @sequence.add(@step)
        execution.parent_names.each { |name| @sequence.add(parent_step(name)) }
      end

      private

      # Read once, unless somebody reloads.
      def rows
        @rows ||= @execution.steps.to_h { |row| [row.fetch('name'), row] }
      end

      def record(name, known)
        WorkflowStep.new(name: name, task: @task, sequence: @sequence, row: ->(step) { rows[step] }, known: known)
      end

      def own_step
        known = {
          workflow_step_id: @execution.step_id, results: @execution.previous_results || {},
          inputs: @execution.inputs, known_inputs: -> { @execution.inputs },
          attempts: @execution.attempt - 1, retry_limit: @execution.retry_limit, retryable: @execution.retryable,
          status: Constants::WorkflowStepStatuses::IN_PROGRESS, processed: false, processed_at: nil,
          parent_names: @execution.parent_names
        }
        # The engine notes it after an execution; the row already has this attempt's.
        known[:last_attempted_at] = nil
        step = record(@execution.step_name, known)
        step.life_cycle = LifeCycle.new(step)
        step
      end

      def parent_step(name)
        record(name, done: true, results: @execution.parent_results(name),
                     known_results: -> { @execution.parent_results(name) })
      end

      def other_step(name)
        record(name, {})
      end
    end
  end
end
