# frozen_string_literal: true

require_relative 'updating'

module Tasker
  # What can be stored of a step: the inputs of the one that runs. Its results are stored
  # with the outcome, not before, whatever the outcome is.
  module StepSaving
    include Updating

    # These stay as the template has them, but a handler may say of its step that no attempt
    # is to follow a failure of this one.
    %i[retry_limit retryable skippable].each do |column|
      define_method("#{column}=") do |value|
        next if value == public_send(column)
        next @retries_refused = true if column == :retryable && life_cycle

        raise UnsupportedError, "step.#{column} cannot be changed: it is what the template of the workflow says of step #{name}"
      end
    end

    # @return [Boolean] whether its handler wants no other attempt
    # @api private
    def retries_refused?
      @retries_refused == true
    end

    # @return [true]
    # @raise [UnsupportedError] for a changed step that does not run, and for results that a
    #   hook has changed after the handler
    # @raise [TaskerCore::RecordError] if the inputs are refused, or the attempt is over
    # @raise [TaskerCore::EncodingError] if they are no JSON, naming the place
    def save!(**_options)
      if life_cycle
        refuse_late_results
        store_inputs
      elsif changed_elsewhere? && !task.setting_defaults
        # While defaults are set, each step gets its own before its handler runs.
        raise UnsupportedError, "step #{name} is not the one that runs: a handler can only change its own step"
      end
      true
    end

    # @return [Boolean] false, and a line in the log, where {#save!} raises
    def save(**_options)
      save!
    rescue UnsupportedError, TaskerCore::RecordError, TaskerCore::EncodingError => e
      Tasker.logger.error("step #{name} was not saved: #{e.message}")
      false
    end

    # @return [self]
    def assign_attributes(attributes)
      attributes.each { |key, value| public_send("#{key}=", value) }
      self
    end

    # The handler has succeeded with these results: nobody changes them any more.
    #
    # @return [Object] a copy, which is stored
    # @api private
    def settle(results)
      @settled_results = TaskerCore::Encoding.copy(results)
    end

    private

    def refuse_late_results
      return if !defined?(@settled_results) || @results == @settled_results

      raise UnsupportedError, "the results of step #{name} are those that its handler has ended with: " \
                              'let the handler assign them, or write an annotation'
    end

    def changed_elsewhere?
      (defined?(@results) && @results != (@known_results ? @known_results.call : row['results'])) ||
        (defined?(@inputs) && @inputs != row['inputs'])
    end

    def store_inputs
      return if @inputs == @known_inputs.call

      plain = TaskerCore::Encoding.plain(@inputs, root: 'inputs')
      @save_inputs.call(plain)
      kept = plain.deep_dup
      @known_inputs = -> { kept }
    end
  end
end
