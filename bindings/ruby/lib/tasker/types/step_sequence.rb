# frozen_string_literal: true

module Tasker
  module Types
    # All steps of a task, in the order of the template.
    #
    # Looking up the running step or one of its parents costs nothing. The first look at
    # any other reads all steps from the database, once.
    class StepSequence
      include Enumerable

      # @param steps [Array<WorkflowStep>] those at hand
      # @param source [#call, nil] gives the names of all steps, in order
      # @param build [#call, nil] makes a step that is not at hand, by name
      # @param reset [#call, nil] forgets what `source` has read
      def initialize(steps: [], source: nil, build: nil, reset: nil)
        @at_hand = steps.to_h { |step| [step.name, step] }
        @source = source
        @build = build
        @reset = reset
        @steps = steps.to_a unless source
      end

      # @return [Array<WorkflowStep>]
      def steps
        @steps ||= @source.call.map { |name| @at_hand[name] ||= @build.call(name) }
      end
      alias to_a steps

      # @yieldparam step [WorkflowStep]
      def each(&block)
        steps.each(&block)
      end

      # @return [Integer]
      def size
        steps.size
      end
      alias length size

      # @param name [String, Symbol]
      # @return [WorkflowStep, nil] nil if the task has no such step
      def find_step_by_name(name)
        name = name.to_s
        @at_hand[name] || (@steps.nil? && steps.find { |step| step.name == name }) || nil
      end

      # @api private
      def with_ids(ids)
        steps.select { |step| ids.include?(step.workflow_step_id) }
      end

      # @api private
      def add(step)
        @at_hand[step.name] = step
        self
      end

      # @api private
      def reload
        @reset&.call
        (@steps || @at_hand.values).each(&:forget)
        self
      end

      # @return [Hash{Symbol=>Object}]
      def to_h
        { steps: steps }
      end

      def inspect
        "#<#{self.class} #{@steps ? @steps.map(&:name) : "at hand: #{@at_hand.keys}"}>"
      end
    end
  end
end
