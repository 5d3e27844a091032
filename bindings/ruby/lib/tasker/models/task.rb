# frozen_string_literal: true

require_relative '../compat/no_database'
require_relative 'task_reports'
require_relative 'task_saving'

module Tasker
  # The task that a handler or a hook gets: what the Rails engine's model offers, as far
  # as a worker can have it.
  #
  # `context` is a plain Hash with String keys that may be changed at will. As in the
  # engine, changes stay in memory until {#save!} stores them. What is not sent with a
  # step is read from the database when it is first asked for, once.
  class Task
    # All steps of a task.
    class Steps < Array
      include Compat::NoDatabase::List
    end

    extend Compat::NoDatabase
    include TaskReports
    include TaskSaving

    COLUMNS = %i[
      named_task_id initiator source_system reason tags bypass_steps requested_at created_at updated_at identity_hash
    ].freeze
    TIMES = %i[requested_at created_at updated_at].freeze
    private_constant :COLUMNS, :TIMES

    # @return [Integer]
    attr_reader :task_id
    # @return [String]
    attr_reader :name, :version, :namespace_name
    # @return [Hash{String=>Object}]
    attr_reader :context

    alias id task_id
    alias to_param task_id

    # @param source [TaskerCore::Native::Execution, Compat::StoredTask] of what is known
    #   and what is read, and where changes go
    # @param row [Hash, nil] of the database, where it has been read
    def initialize(source, row: nil)
      @source = source
      @row = row
      @task_id = source.task_id
      @name = source.task_name
      @version = source.task_version
      @namespace_name = source.namespace
      @context = source.context || {}
    end

    # @api private
    attr_accessor :sequence
    # Whether the defaults of its steps are being set, see {TaskHandler}.
    # @api private
    attr_accessor :setting_defaults

    # @return [TaskerCore::Native::Rows]
    # @api private
    def rows
      @source.rows
    end

    def context=(value)
      @context = TaskerCore::Encoding.copy(value, root: 'context')
    end

    COLUMNS.each do |column|
      define_method(column) do
        value = row.fetch(column.to_s)
        TIMES.include?(column) ? time(value) : value
      end
      # A column that is set cannot be stored, so it is not set.
      define_method("#{column}=") { |_value| refuse(column) }
    end

    # @return [String] in progress, as long as nobody has looked: a step of it runs
    def status
      @row ? @row.fetch('state') : Constants::TaskStatuses::IN_PROGRESS
    end
    alias state status
    alias current_state status

    # @return [Boolean]
    def complete
      @row ? @row.fetch('complete') : false
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
      Steps.new(sequence ? sequence.steps : [])
    end

    # @return [WorkflowStep, nil]
    def get_step_by_name(name)
      sequence&.find_step_by_name(name)
    end

    # @return [Boolean]
    def all_steps_complete?
      workflow_steps.all?(&:complete?)
    end

    # @return [TaskAnnotation::OfTask]
    def task_annotations
      @task_annotations ||= TaskAnnotation::OfTask.new(self)
    end
    alias annotations task_annotations

    # @return [Array<AnnotationType>]
    def annotation_types
      task_annotations.map(&:annotation_type)
    end

    # When the task was made.
    # @api private
    def begun_at
      created_at
    end

    # When the task last came into progress: at its submission, or by an operator.
    # @api private
    def run_started_at
      time(row['run_started_at'])
    end

    # @return [String, nil] the step that no other depends on, if there is just one
    # @api private
    def only_sink
      row['only_sink']
    end

    def persisted?
      true
    end

    def new_record?
      false
    end

    # @return [Hash{String=>Object}] what is known without a read
    def attributes
      { 'task_id' => task_id, 'name' => name, 'version' => version, 'namespace_name' => namespace_name,
        'status' => status, 'complete' => complete, 'context' => context }
        .merge(@row ? @row.slice(*COLUMNS.map(&:to_s)) : {})
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

    def row
      @row ||= @source.task || raise(UnsupportedError, "task #{task_id} is not in the database any more")
    end

    def time(value)
      value.is_a?(String) ? Time.zone.parse(value) : value
    end
  end
end
