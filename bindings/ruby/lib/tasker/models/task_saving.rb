# frozen_string_literal: true

require_relative 'updating'

module Tasker
  # Storing what was changed of a task: its context. Of the steps, those that are claimed
  # later get it; those that run now keep what they have.
  #
  # As in the engine the schema of the workflow is not asked again, and the whole context is
  # written: of two handlers that save at once, one overwrites the other. An attempt that is
  # not the running one any more (its lease is lost, its time is up) stores nothing.
  module TaskSaving
    include Updating

    # @return [true]
    # @raise [TaskerCore::RecordError] if it is refused: more than a context may have, or by
    #   an attempt that is over
    # @raise [TaskerCore::EncodingError] if it is no JSON, naming the place
    def save!(**_options)
      return true unless changed?

      plain = TaskerCore::Encoding.plain(context, root: 'context')
      @source.save_context(plain)
      @saved_context = plain.deep_dup
      @row = nil
      true
    end

    # @return [Boolean] false, and a line in the log, where {#save!} raises
    def save(**_options)
      save!
    rescue TaskerCore::RecordError, TaskerCore::EncodingError => e
      Tasker.logger.error("task #{task_id} was not saved: #{e.message}")
      false
    end

    # @return [self]
    # @raise [UnsupportedError] for anything but the context
    def assign_attributes(attributes)
      attributes.each { |name, value| name.to_s == 'context' ? self.context = value : refuse(name) }
      self
    end

    # @return [true]
    def update_column(name, value)
      update!(name => value)
    end
    alias update_attribute update_column

    # @return [Boolean] whether the context is another than the stored one
    def changed?
      context != saved_context
    end

    # Reads the task afresh, and forgets what was not saved. Steps are read again too, but
    # for what the running one has been given.
    # @return [self]
    def reload(*_args)
      @row = nil
      @saved_context = row.fetch('context') || {}
      @context = @saved_context.deep_dup
      @task_annotations = nil
      sequence&.reload
      self
    end

    private

    def saved_context
      @saved_context || @source.context || {}
    end

    def refuse(name)
      raise UnsupportedError, "task.#{name} cannot be changed: of a task only the context can be; #{refusal_remedy(name)}"
    end

    def refusal_remedy(name)
      return 'its state is what the engine makes of its steps' if %w[status state complete].include?(name.to_s)

      'put what later steps must know there, or annotate the task'
    end
  end
end
