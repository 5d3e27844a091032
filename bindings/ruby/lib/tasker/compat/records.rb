# frozen_string_literal: true

require_relative 'life_cycle'

module Tasker
  module Compat
    # A task with its sequence of steps.
    #
    # @api private
    class TaskRecords
      # @return [Task]
      attr_reader :task
      # @return [Types::StepSequence]
      attr_reader :sequence

      # @param source [TaskerCore::Native::Execution, StoredTask]
      def initialize(source, row: nil)
        @source = source
        @task = Task.new(source, row: row)
        @sequence = Types::StepSequence.new(source: -> { rows.keys }, build: method(:other_step), reset: -> { @rows = nil })
        @task.sequence = @sequence
      end

      # The steps whose handlers succeeded since the task last came into progress, in the
      # order in which they did; `last` is the one that has just succeeded.
      #
      # @return [Array<WorkflowStep>]
      def succeeded(last = nil)
        since = @task.run_started_at
        done = @sequence.reject { |step| step == last }.select do |step|
          step.status == Constants::WorkflowStepStatuses::COMPLETE && since && step.processed_at && step.processed_at >= since
        end
        [*done.sort_by { |step| [step.processed_at, step.workflow_step_id] }, *last]
      end

      private

      # Read once, unless somebody reloads.
      def rows
        @rows ||= @source.steps.to_h { |row| [row.fetch('name'), row] }
      end

      def record(name, known)
        WorkflowStep.new(name: name, task: @task, sequence: @sequence, row: ->(step) { rows[step] }, known: known)
      end

      def other_step(name)
        record(name, {})
      end
    end

    # Task, sequence and step of one execution.
    #
    # @api private
    class Records < TaskRecords
      # @return [WorkflowStep]
      attr_reader :step

      # @param execution [TaskerCore::Native::Execution]
      def initialize(execution)
        super
        @execution = execution
        @step = own_step
        @sequence.add(@step)
        execution.parent_names.each { |name| @sequence.add(parent_step(name)) }
      end

      private

      def own_step
        known = {
          workflow_step_id: @execution.step_id, results: @execution.previous_results || {},
          inputs: @execution.inputs, known_inputs: -> { @execution.inputs },
          save_inputs: ->(inputs) { @execution.save_inputs(inputs) },
          attempts: @execution.attempt - 1, retry_limit: @execution.retry_limit, retryable: @execution.retryable,
          status: Constants::WorkflowStepStatuses::IN_PROGRESS, processed: false, processed_at: nil,
          parent_names: @execution.parent_names
        }
        # Of later attempts it is the end of the one before, which the row knows.
        known[:last_attempted_at] = nil if @execution.attempt == 1
        step = record(@execution.step_name, known)
        step.life_cycle = LifeCycle.new(step)
        step
      end

      def parent_step(name)
        record(name, done: true, results: @execution.parent_results(name),
                     known_results: -> { @execution.parent_results(name) })
      end
    end

    # A task outside of an execution: all of it is read, and what is saved goes without the
    # fence of an attempt.
    #
    # @api private
    class StoredTask
      attr_reader :rows, :task_id, :task_name, :task_version, :namespace

      # @param rows [TaskerCore::Native::Rows]
      # @return [TaskRecords, nil] nil without such a task
      def self.records(rows, task_id)
        row = rows.task(task_id)
        row && TaskRecords.new(new(rows, row), row: row)
      end

      def initialize(rows, row)
        @rows = rows
        @task_id, @task_name, @task_version, @namespace = row.values_at('task_id', 'name', 'version', 'namespace')
        @context = row['context']
      end

      # Apart from what a hook may change.
      def context
        @context.deep_dup
      end

      def task
        @rows.task(@task_id)
      end

      def steps
        @rows.steps(@task_id)
      end

      def save_context(context)
        @rows.save_context(@task_id, context)
      end
    end
  end
end
