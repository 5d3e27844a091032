# frozen_string_literal: true

require_relative 'errors'
require_relative 'logging'

module TaskerCore
  # What a handler knows of its step, and what it can say while it works.
  #
  # Data comes with String keys. Each reader gives the same object every time within
  # one attempt; changing it changes nothing of the task.
  class Context
    # @api private
    def initialize(execution, logger)
      @execution = execution
      @base_logger = logger
    end

    # @return [Integer]
    def task_id
      @execution.task_id
    end

    # @return [Integer]
    def step_id
      @execution.step_id
    end

    # @return [String]
    def step_name
      @execution.step_name
    end

    # @return [String]
    def task_name
      @execution.task_name
    end

    # @return [String]
    def task_version
      @execution.task_version
    end

    # @return [String]
    def namespace
      @execution.namespace
    end

    # @return [Integer] the attempt, from 1
    def attempt
      @execution.attempt
    end

    # @return [Integer] attempts allowed in all
    def retry_limit
      @execution.retry_limit
    end

    # @return [Boolean] whether no attempt will follow if this one fails
    def last_attempt?
      !@execution.retryable || attempt >= retry_limit
    end

    # @return [Float] seconds the handler may take
    def timeout_seconds
      @execution.timeout_seconds
    end

    # @return [Hash{String=>Object}] the task's context
    def context
      @context ||= @execution.context
    end

    # @return [Hash{String=>Object}] the step's own inputs: a copy of the task's context
    #   unless an operator changed it
    def inputs
      @inputs ||= @execution.inputs || {}
    end

    # An input that must be there.
    #
    # @param name [String, Symbol]
    # @return [Object]
    # @raise [PermanentError] with code `missing_input` if it is not
    def input(name)
      inputs.fetch(name.to_s) do
        raise PermanentError.new("the step has no input #{name}; it has #{list(inputs.keys)}", error_code: 'missing_input')
      end
    end

    # @return [Hash{String=>Object}, nil] the template's `handler_config`
    def config
      @config ||= @execution.config
    end

    # @param step_name [String, Symbol] a parent of this step
    # @return [Object] the parent's results
    # @raise [PermanentError] with code `not_a_parent` if this step does not depend on it:
    #   only parents are certain to be complete
    def result(step_name)
      results.fetch(step_name.to_s) do
        raise PermanentError.new(
          "step #{self.step_name} does not depend on #{step_name}; it depends on #{list(results.keys)}",
          error_code: 'not_a_parent'
        )
      end
    end

    # @return [Hash{String=>Object}] results of all parents by step name
    def results
      @results ||= @execution.parent_names.to_h { |name| [name, @execution.parent_results(name)] }
    end

    # @return [Object] what an earlier attempt left in the step's own results
    def previous_results
      @previous_results ||= @execution.previous_results
    end

    # Whether nobody waits for this attempt any more (timeout, cancelled, lease lost,
    # worker out of time to drain; answered, for what goes on without the handler): stop,
    # and undo nothing, for another attempt may already be running.
    def cancelled?
      @execution.cancelled? || @execution.answered?
    end

    # Says how far the work is. It is stored with the next lease renewal, so it may be
    # said as often as you like. The lease itself is renewed without it.
    #
    # @param progress [Object] JSON data
    # @return [Boolean] whether to go on: false once {#cancelled?}
    def heartbeat(progress)
      @execution.progress(progress)
      !cancelled?
    end

    # @return [::Logger] its lines carry task, step, attempt, correlation id and trace
    def logger
      @logger ||= Logging::StepLogger.new(@base_logger, Logging.step_fields(@execution))
    end

    # @return [String] the same for every attempt of this step, different for every
    #   other step: give it to systems that remove duplicates
    def idempotency_token
      @execution.idempotency_token
    end

    # @return [String, nil]
    def correlation_id
      @execution.correlation_id
    end

    # @return [String, nil] the W3C trace context to pass on
    def traceparent
      @execution.traceparent
    end

    # @return [String] names the step; no contents, so that it can be logged
    def inspect
      "#<#{self.class} task #{task_id} step #{step_id} #{step_name} attempt #{attempt}>"
    end

    private

    def list(names)
      names.empty? ? 'none' : names.join(', ')
    end
  end
end
