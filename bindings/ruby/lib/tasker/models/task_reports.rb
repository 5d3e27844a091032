# frozen_string_literal: true

module Tasker
  # How far a task is, by the rules of the engine's function of the same name.
  TaskExecutionContext = Struct.new(
    :task_id, :named_task_id, :status, :total_steps, :pending_steps, :in_progress_steps, :completed_steps, :failed_steps,
    :ready_steps, :execution_status, :recommended_action, :completion_percentage, :health_status, keyword_init: true
  ) do
    # @return [Hash{Symbol=>Object}]
    def workflow_summary
      to_h
    end
  end

  # A row of the audit trail of a task.
  TaskTransition = Struct.new(:task_id, :to_state, :from_state, :metadata, :sort_key, :most_recent, :created_at, keyword_init: true)

  # What a task tells of itself as a whole. Each call reads what it needs.
  module TaskReports
    # First condition that holds, and what follows from it.
    SITUATIONS = {
      'has_ready_steps' => 'execute_ready_steps', 'processing' => 'wait_for_completion',
      'blocked_by_failures' => 'handle_failures', 'all_complete' => 'finalize_task',
      'waiting_for_dependencies' => 'wait_for_dependencies'
    }.freeze
    private_constant :SITUATIONS

    # @return [TaskExecutionContext] a failed step that waits for its next attempt is not
    #   ready: only the engine knows when it is
    def task_execution_context
      steps = workflow_steps
      counts = step_counts(steps)
      situation = situation_of(counts)
      TaskExecutionContext.new(
        task_id: task_id, named_task_id: named_task_id, status: status, **counts.except(:blocked), execution_status: situation,
        recommended_action: SITUATIONS.fetch(situation), completion_percentage: percentage(counts), health_status: health_of(counts)
      )
    end

    # @return [Hash{Symbol=>Object}]
    def workflow_summary
      task_execution_context.workflow_summary
    end

    # @return [Array<TaskTransition>] of the task itself, oldest first
    def task_transitions
      own = rows.transitions(task_id).reject { |transition| transition['step_id'] }
      own.map do |transition|
        facts = transition.slice('to_state', 'from_state', 'metadata', 'sort_key', 'most_recent').symbolize_keys
        TaskTransition.new(task_id: task_id, created_at: Time.zone.parse(transition['created_at']), **facts)
      end
    end

    # @raise [UnsupportedError] always
    def dependency_graph
      raise UnsupportedError, "task.dependency_graph is an analysis of the Rails engine's pages, which are not part of this gem; " \
                              "steps have parents and children, and GET /v1/tasks/#{task_id}/graph has the graph"
    end
    alias runtime_analyzer dependency_graph
    alias diagram dependency_graph
    alias to_mermaid dependency_graph

    private

    def step_counts(steps)
      failed = steps.select(&:in_error?)
      {
        total_steps: steps.size, pending_steps: steps.count(&:pending?), in_progress_steps: steps.count(&:in_progress?),
        completed_steps: steps.count(&:complete?), failed_steps: failed.size,
        ready_steps: steps.count { |step| step.pending? && step.ready? }, blocked: failed.count(&:retry_exhausted?)
      }
    end

    def situation_of(counts)
      return 'has_ready_steps' if counts[:ready_steps].positive?
      return 'processing' if counts[:in_progress_steps].positive?
      return 'blocked_by_failures' if counts[:blocked].positive?
      return 'all_complete' if counts[:total_steps].positive? && counts[:completed_steps] == counts[:total_steps]

      'waiting_for_dependencies'
    end

    def percentage(counts)
      counts[:total_steps].zero? ? 0.0 : (100.0 * counts[:completed_steps] / counts[:total_steps]).round(2)
    end

    def health_of(counts)
      return 'healthy' if counts[:failed_steps].zero?

      counts[:ready_steps].zero? && counts[:blocked].positive? ? 'blocked' : 'recovering'
    end
  end
end
