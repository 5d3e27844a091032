# frozen_string_literal: true

require_relative '../compat/no_database'
require_relative 'step_saving'
require_relative 'step_states'

module Tasker
  # A step as handlers see it: the one they run, or another of the same task.
  #
  # The own step comes with the execution. Of parents, name and results do, and the
  # rest is read from the database once somebody asks; other steps are read when the
  # sequence is. What is assigned is encoded at once as JSON, so that it reads back as
  # it will be stored: String keys, decimals as text.
  class WorkflowStep
    extend Compat::NoDatabase
    include StepSaving
    include StepStates

    # Columns that only a read of the database can tell.
    ROW_TIMES = %i[created_at updated_at].freeze
    # What may be known without a read, and where it is kept.
    VARIABLES = %i[
      workflow_step_id results known_results inputs known_inputs save_inputs attempts retry_limit retryable status processed
      processed_at last_attempted_at parent_names done
    ].to_h { |name| [name, :"@#{name}"] }.freeze
    private_constant :ROW_TIMES, :VARIABLES

    # @return [String]
    attr_reader :name
    # @return [Task]
    attr_reader :task
    # @return [Compat::LifeCycle, nil] only of the step that runs
    # @api private
    attr_accessor :life_cycle

    attr_writer :attempts, :last_attempted_at, :processed_at, :processed, :in_process, :backoff_request_seconds

    # @param name [String]
    # @param task [Task]
    # @param sequence [Types::StepSequence]
    # @param row [Proc] gives the row of the database
    # @param known [Hash{Symbol=>Object}] what needs no read
    def initialize(name:, task:, sequence:, row:, known: {})
      @name = name
      @task = task
      @sequence = sequence
      @row_of = row
      @known = known.keys
      known.each { |key, value| instance_variable_set(VARIABLES.fetch(key), value) }
    end

    # @return [Integer]
    def workflow_step_id
      @workflow_step_id ||= row.fetch('step_id')
    end
    alias id workflow_step_id
    alias to_param workflow_step_id

    # @return [Integer]
    def task_id
      task.task_id
    end

    # @return [Hash, Array, String, Numeric, nil] JSON; the same object at each call
    def results
      @results = row['results'] unless defined?(@results)
      @results
    end

    def results=(value)
      @results = TaskerCore::Encoding.copy(value)
    end

    # @return [Hash{String=>Object}]
    def inputs
      @inputs = row['inputs'] unless defined?(@inputs)
      @inputs
    end

    def inputs=(value)
      @inputs = TaskerCore::Encoding.copy(value, root: 'inputs')
    end

    # @return [Integer] executions that have ended
    def attempts
      @attempts = row['attempts'] unless defined?(@attempts)
      @attempts
    end

    # @return [Integer] executions allowed in all
    def retry_limit
      @retry_limit ||= row['retry_limit']
    end

    # @return [Boolean]
    def retryable
      @retryable = row['retryable'] unless defined?(@retryable)
      @retryable && !retries_refused?
    end
    alias retryable? retryable

    # @return [Boolean] accepted in templates, and acted on by nobody
    def skippable
      row['skippable']
    end
    alias skippable? skippable

    # @return [Integer, nil] pause before the next attempt that was asked for: in this
    #   attempt of the step that runs, of others by the last one
    def backoff_request_seconds
      return @backoff_request_seconds if life_cycle || defined?(@backoff_request_seconds)

      row['backoff_request_seconds']
    end

    # @return [Integer]
    def named_step_id
      row['named_step_id']
    end

    # @return [Time, nil]
    def last_attempted_at
      @last_attempted_at = time('last_attempted_at') unless defined?(@last_attempted_at)
      @last_attempted_at
    end

    # @return [Time, nil]
    def processed_at
      @processed_at = time('processed_at') unless defined?(@processed_at)
      @processed_at
    end

    ROW_TIMES.each do |column|
      define_method(column) { time(column.to_s) }
    end

    # @return [NamedStep]
    def named_step
      @named_step ||= NamedStep.new(name)
    end

    # @return [Array<WorkflowStep>]
    def parents
      @parent_names ? @parent_names.filter_map { |parent| @sequence.find_step_by_name(parent) } : @sequence.with_ids(parent_ids)
    end

    # @return [Array<WorkflowStep>]
    def children
      @sequence.steps.select { |other| other.parent_ids.include?(workflow_step_id) }
    end

    # @return [Array<WorkflowStep>] those with exactly the same parents
    def siblings
      @sequence.steps.select { |other| other != self && other.parent_ids.sort == parent_ids.sort }
    end

    # @return [Array<Integer>]
    def parent_ids
      row['parent_ids'] || []
    end

    def add_provides_edge!(*_args)
      raise UnsupportedError, 'the edges of a task are those of its template; declare depends_on_steps there'
    end

    # Reads the row afresh. What the handler of this attempt assigned stays.
    # @return [self]
    def reload(*_args)
      @sequence.reload
      self
    end

    # What was read, so that it is read again. The running step keeps what it was given.
    # @return [void]
    # @api private
    def forget
      return if life_cycle

      VARIABLES.except(*@known).each_value { |kept| remove_instance_variable(kept) if instance_variable_defined?(kept) }
    end

    # What the row says once the attempt is over.
    # @api private
    def ended(status:, attempts:, at:, processed:)
      @status = status
      @attempts = attempts
      @last_attempted_at = at
      @processed = processed
      @processed_at = at if processed
      self
    end

    def persisted?
      true
    end

    def new_record?
      false
    end

    def [](attribute)
      public_send(attribute)
    end

    # @return [Hash{String=>Object}]
    def attributes
      {
        'workflow_step_id' => workflow_step_id, 'task_id' => task_id, 'name' => name, 'status' => status,
        'attempts' => attempts, 'retry_limit' => retry_limit, 'retryable' => retryable, 'inputs' => inputs, 'results' => results
      }
    end

    def as_json(_options = nil)
      TaskerCore::Encoding.plain(attributes, root: 'step')
    end

    def ==(other)
      other.is_a?(WorkflowStep) && other.name == name && other.task_id == task_id
    end
    alias eql? ==

    def hash
      [self.class, task_id, name].hash
    end

    # @return [String] names the step; no contents, so that it can be logged
    def inspect
      "#<#{self.class} #{name} of task #{task_id}>"
    end

    private

    def row
      @row_of.call(name) || raise(UnsupportedError, "step #{name} of task #{task_id} is not in the database any more")
    end

    def time(column)
      value = row[column]
      value.is_a?(String) ? Time.zone.parse(value) : value
    end
  end
end
