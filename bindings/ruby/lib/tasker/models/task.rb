# frozen_string_literal: true

require_relative '../compat/no_database'

module Tasker
  # The task that a handler gets: what the Rails engine's model offers, as far as it
  # can be had without a database connection in Ruby.
  #
  # `context` is a plain Hash with String keys that may be changed at will. Changes stay
  # in memory, as in the engine; there a handler could also save them. A worker cannot:
  # {#save!} raises {UnsupportedError} if there is a change to be saved, and says what
  # to do. What a later step must know belongs into the step's results.
  class Task
    extend Compat::NoDatabase

    # Columns that come with the task only if the execution tells them.
    TOLD = %i[initiator source_system reason tags bypass_steps requested_at created_at updated_at identity_hash].freeze
    TIMES = %i[requested_at created_at updated_at].freeze
    private_constant :TOLD, :TIMES

    # @return [Integer]
    attr_reader :task_id
    # @return [String]
    attr_reader :name, :version, :namespace_name
    # @return [Hash{String=>Object}]
    attr_reader :context

    alias id task_id
    alias to_param task_id

    # @param execution [TaskerCore::Native::Execution]
    def initialize(execution)
      @execution = execution
      @task_id = execution.task_id
      @name = execution.task_name
      @version = execution.task_version
      @namespace_name = execution.namespace
      @context = execution.context || {}
    end

    # @api private
    attr_writer :sequence

    def context=(value)
      @context = TaskerCore::Encoding.copy(value, root: 'context')
    end

    TOLD.each do |column|
      define_method(column) do
        value = told.fetch(column.to_s) do
          raise UnsupportedError, "task.#{column} is not sent to workers; put what a handler needs into the task's context"
        end
        TIMES.include?(column) && value.is_a?(String) ? Time.zone.parse(value) : value
      end
    end

    # @return [String] in_progress: a step of it is running
    def status
      told.fetch('state', Constants::TaskStatuses::IN_PROGRESS)
    end

    # @return [Boolean]
    def complete
      told.fetch('complete', false)
    end
    alias complete? complete

    # @return [StateMachine]
    def state_machine
      @state_machine ||= StateMachine.new(self)
    end

    # @return [NamedTask]
    def named_task
      @named_task ||= NamedTask.new(name, version, TaskNamespace.new(namespace_name))
    end

    # @return [TaskNamespace]
    def task_namespace
      named_task.task_namespace
    end

    # @return [String] `namespace.name@version`
    def full_name
      "#{namespace_name}.#{name}@#{version}"
    end

    # @return [Array<WorkflowStep>] all steps, in the order of the template
    def workflow_steps
      @sequence ? @sequence.steps : []
    end

    # @return [WorkflowStep, nil]
    def get_step_by_name(name)
      @sequence&.find_step_by_name(name)
    end

    # @return [Boolean]
    def all_steps_complete?
      workflow_steps.all?(&:complete?)
    end

    # When the task was made, or nil if that is not known here.
    # @api private
    def begun_at
      value = told['created_at']
      value.is_a?(String) ? Time.zone.parse(value) : value
    end

    # @return [true] if there is nothing to be saved
    # @raise [UnsupportedError]
    def save!(**_options)
      return true if context == saved_context

      raise UnsupportedError, 'the context of a task cannot be changed by a step handler: return what later steps must ' \
                              "know as the step's results (changed: #{changed_keys.join(', ')})"
    end

    # @return [Boolean] false if there is a change, which cannot be saved
    def save(**_options)
      save!
    rescue UnsupportedError => e
      Tasker.logger.error("task #{task_id} was not saved: #{e.message}")
      false
    end

    # @raise [UnsupportedError] for everything but a context that is the same
    def update!(**attributes)
      other = attributes.keys - [:context]
      raise UnsupportedError, "task.#{other.first} cannot be changed by a step handler" if other.any?

      self.context = attributes[:context] if attributes.key?(:context)
      save!
    end

    # As {#update!}, with false instead of an error.
    def update(**attributes)
      update!(**attributes)
    rescue UnsupportedError => e
      Tasker.logger.error("task #{task_id} was not updated: #{e.message}")
      false
    end

    %i[task_annotations annotations workflow_summary dependency_graph task_execution_context task_transitions].each do |method|
      define_method(method) do |*_args|
        raise UnsupportedError, "task.#{method} needs a connection to Tasker's tables, which a worker written in Ruby does " \
                                "not have; the REST API has it (GET /v1/tasks/#{task_id})"
      end
    end

    # Forgets changes of the context.
    # @return [self]
    def reload(*_args)
      @told = nil
      @context = @execution.context || {}
      @sequence&.reload
      self
    end

    def changed?
      context != saved_context
    end

    def persisted?
      true
    end

    def new_record?
      false
    end

    # @return [Hash{String=>Object}]
    def attributes
      { 'task_id' => task_id, 'name' => name, 'version' => version, 'namespace_name' => namespace_name,
        'status' => status, 'complete' => complete, 'context' => context }.merge(told)
    end

    def as_json(_options = nil)
      TaskerCore::Encoding.plain(attributes, root: 'task')
    end

    def ==(other)
      other.is_a?(Task) && other.task_id == task_id
    end
    alias eql? ==

    def hash
      [self.class, task_id].hash
    end

    # @return [String] names the task; no contents, so that it can be logged
    def inspect
      "#<#{self.class} #{task_id} #{full_name}>"
    end

    private

    # Further columns, where the execution has them.
    def told
      @told ||= (@execution.respond_to?(:task) && @execution.task) || {}
    end

    def saved_context
      @execution.context || {}
    end

    def changed_keys
      return ['all'] unless context.is_a?(Hash)

      before = saved_context
      (before.keys | context.keys).reject { |key| before[key] == context[key] && before.key?(key) == context.key?(key) }
    end
  end
end
