# frozen_string_literal: true

require 'time'

module TaskerCore
  class Client
    # An answer of the service: readers for what this version of the gem knows, {#to_h}
    # for all there is. Two are equal if they say the same.
    class View
      class << self
        private

        # Readers of fields as they are.
        def field(*names)
          names.each { |name| define_method(name) { @data[name.to_s] } }
        end

        # Readers of fields that are times.
        def time(*names)
          names.each { |name| define_method(name) { (text = @data[name.to_s]) && Time.iso8601(text) } }
        end

        # Reader of a field that is a list of views.
        def list(name, type)
          define_method(name) { @data[name.to_s]&.map { |data| type.new(data) } }
        end
      end

      # @param data [Hash{String=>Object}]
      def initialize(data)
        @data = data
      end

      # @return [Hash{String=>Object}] the answer as it came, with fields of newer services
      def to_h
        @data.dup
      end

      # @return [Object] a field by name
      def [](name)
        @data[name.to_s]
      end

      # @return [Boolean]
      def ==(other)
        other.instance_of?(self.class) && other.to_h == @data
      end
      alias eql? ==

      # @return [Integer]
      def hash
        [self.class, @data].hash
      end

      # Contexts and results may hold what no log should, so only the outline is shown.
      #
      # @return [String]
      def inspect
        shown = OUTLINE.filter_map { |name| "#{name}=#{@data[name].inspect}" if @data.key?(name) }
        "#<#{self.class.name}#{shown.map { |text| " #{text}" }.join}>"
      end
      alias to_s inspect

      OUTLINE = %w[task_id step_id namespace name version state phase duplicate total from to to_state attempt kind].freeze
      private_constant :OUTLINE
    end

    # Steps of a task by state.
    class StepCounts < View
      field :total, :pending, :in_progress, :complete, :error, :cancelled, :resolved_manually

      # @return [Integer] steps that are complete or resolved by hand
      def done
        complete.to_i + resolved_manually.to_i
      end
    end

    # One row of the audit trail.
    class Transition < View
      field :step_id, :step_name, :from_state, :to_state, :sort_key, :most_recent, :metadata
      time :created_at
    end

    # One attempt of a step that did not succeed.
    class Failure < View
      field :attempt, :kind, :error
      time :started_at, :failed_at
    end

    # A note that a handler or a hook has left on a task.
    class Annotation < View
      field :annotation_id, :annotation_type, :annotation
      time :created_at
    end

    # What the states of tasks and steps have in common.
    module States
      # @return [Boolean]
      def complete?
        self['state'] == 'complete'
      end

      # @return [Boolean] whether it failed, and waits for an operator if it is a task
      def error?
        self['state'] == 'error'
      end

      # @return [Boolean]
      def cancelled?
        self['state'] == 'cancelled'
      end

      # @return [Boolean]
      def resolved_manually?
        self['state'] == 'resolved_manually'
      end
    end

    # A step, as the service shows it.
    class Step < View
      include States

      field :step_id, :task_id, :name, :state, :phase, :attempts, :retry_limit, :retryable, :in_process, :processed,
            :handler_class, :depends_on, :inputs, :results, :progress
      time :processed_at, :last_attempted_at, :next_attempt_at
      # Only of a single step.
      list :failures, Failure
      list :transitions, Transition
    end

    # A task, as the service shows it.
    class Task < View
      include States

      # @return [Array<String>] the states of a task that moves by itself
      MOVING = %w[pending in_progress].freeze
      private_constant :MOVING

      field :task_id, :namespace, :name, :version, :state, :initiator, :source_system, :reason, :tags, :context, :priority,
            :idempotency_key, :correlation_id
      time :requested_at, :created_at, :state_since
      # With `include: :steps`.
      list :steps, Step
      # With `include: :transitions`; of the task and its steps, oldest first.
      list :transitions, Transition
      # With `include: :annotations`; oldest first.
      list :annotations, Annotation

      # @return [StepCounts, nil] nil in lists
      def step_counts
        (counts = @data['step_counts']) && StepCounts.new(counts)
      end

      # @return [Boolean] whether nothing of it runs any more unless an operator acts
      def final?
        !MOVING.include?(state)
      end

      # @return [Boolean] of a submission: whether an earlier request made this task
      def duplicate?
        @data['duplicate'] == true
      end

      # @return [Boolean] false for a task that the Rails engine drives
      def driven_by_core?
        @data['driven_by_core'] != false
      end

      # @return [Step, nil] a step by name, of a task that was read with its steps
      def step(name)
        steps&.find { |step| step.name == name.to_s }
      end
    end

    # A page of tasks, newest first.
    class TaskPage < View
      include Enumerable

      field :next_cursor
      list :tasks, Task

      # @yieldparam task [Task]
      def each(&block)
        tasks.each(&block)
      end
    end

    # What became of one request of a batch.
    class BatchItem < View
      field :index, :status, :task_id

      # @return [Boolean]
      def duplicate?
        @data['duplicate'] == true
      end

      # @return [ProblemError, nil] why there is no task
      def error
        (problem = @data['error']) && ProblemError.for(problem)
      end
    end

    # What became of a batch; each request by itself.
    class Batch < View
      include Enumerable

      field :created, :duplicates, :refused
      list :items, BatchItem

      # @yieldparam item [BatchItem]
      def each(&block)
        items.each(&block)
      end
    end

    # Why a step stands where it stands.
    class StepExplanation < View
      field :step_id, :name, :state, :phase, :reason, :waiting_on, :remedy
    end

    # Why each step that is neither running nor done stands where it stands.
    class Explanation < View
      field :task_id, :state, :summary
      list :steps, StepExplanation
    end

    # A step in the graph of its task.
    class GraphNode < View
      field :step_id, :name, :state, :phase, :attempts, :level
    end

    # `to` waits for `from`; both are ids of steps.
    class GraphEdge < View
      field :from, :to
    end

    # The graph of a task with the states of its steps.
    class Graph < View
      field :task_id, :name, :state
      list :nodes, GraphNode
      list :edges, GraphEdge
    end
  end
end
