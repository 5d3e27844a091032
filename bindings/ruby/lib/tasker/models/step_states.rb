# frozen_string_literal: true

module Tasker
  # What a step answers about its state. The running step is in progress; of others it
  # is what the database said when it was read.
  module StepStates
    # @return [String] one of {Constants::WorkflowStepStatuses}
    def status
      @status ||= row.fetch('state')
    end
    alias state status
    alias current_state status

    # @return [StateMachine]
    def state_machine
      @state_machine ||= StateMachine.new(self)
    end

    # @return [Boolean] complete or resolved by hand: steps after it may begin
    def complete?
      @done || Constants::SATISFYING_STEP_STATES.include?(status)
    end

    { pending?: 'pending', in_progress?: 'in_progress', in_error?: 'error', cancelled?: 'cancelled' }.each do |name, state|
      define_method(name) { !@done && status == state }
    end

    # @return [Boolean] it may be chosen to run, as far as its state says
    def ready_status?
      pending? || in_error?
    end

    # @return [Boolean]
    def processed
      return @processed if defined?(@processed)

      status == Constants::WorkflowStepStatuses::COMPLETE
    end
    alias processed? processed

    # @return [false] the engine's workers never set it
    def in_process
      defined?(@in_process) ? @in_process : false
    end
    alias in_process? in_process

    # @return [Boolean]
    def dependencies_satisfied?
      parents.all?(&:complete?)
    end

    # @return [Boolean]
    def retry_eligible?
      attempts.to_i < (retry_limit || 3)
    end

    # @return [Boolean]
    def retry_exhausted?
      !retry_eligible?
    end

    # @return [Boolean]
    def has_retry_attempts? # rubocop:disable Naming/PredicateName
      attempts.to_i.positive?
    end

    # @return [Boolean] a pending step whose parents are done
    # @raise [UnsupportedError] for a failed step: its pause is known to the engine only
    def ready?
      return can_retry_now? if in_error?

      pending? && dependencies_satisfied? && retry_eligible? && retryable != false
    end

    # Of a step that has not failed the answer is known.
    { waiting_for_backoff?: false, can_retry_now?: false, time_until_ready: nil }.each do |name, otherwise|
      define_method(name) do
        return otherwise unless in_error?

        raise UnsupportedError, "step.#{name} depends on pauses that only the engine knows; " \
                                "`tasker explain` and GET /v1/tasks/#{task_id} tell them"
      end
    end

    # @return [Boolean]
    def root_step?
      parent_ids.empty?
    end

    # @return [Boolean]
    def leaf_step?
      children.empty?
    end
  end
end
