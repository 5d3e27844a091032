# frozen_string_literal: true

module Tasker
  module Compat
    # Calls the hooks of task handlers. They cost something only where they are overridden.
    #
    # One that raises is logged and counted, and changes no outcome: of the engine's loop,
    # which it would have ended, nothing is left here. But where the defaults of a workflow
    # are what cannot be had here, the step must not run as if they were set.
    #
    # @api private
    class Hooks
      DEFAULTS = :establish_step_dependencies_and_defaults
      ANNOTATIONS = :update_annotations
      # Endings of a hook that are its own, as they are of a handler.
      ITS_OWN = [StandardError, ScriptError, SystemStackError, SystemExit].freeze
      private_constant :ITS_OWN

      @lock = Thread::Mutex.new
      @statistics = Hash.new(0)

      class << self
        # @param klass [Class] of a task handler
        def overridden?(klass, hook)
          return false unless klass.method_defined?(hook) || klass.private_method_defined?(hook)

          klass.instance_method(hook).owner != TaskHandler::InstanceMethods
        end

        # @return [Hash{Symbol=>Integer}] calls of this process, and how many of them raised
        def statistics
          @lock.synchronize { { called: @statistics[:called], failed: @statistics[:failed] } }
        end

        # Calls a hook with what the block gives, and not at all if that is nil.
        #
        # @yieldreturn [Array, nil]
        # @return [void]
        # @raise [UnsupportedError] of {DEFAULTS}
        def call(task_handler, hook, task)
          arguments = yield or return
          count(:called)
          task_handler.send(hook, *arguments)
        rescue *ITS_OWN => e
          count(:failed)
          raise if hook == DEFAULTS && e.is_a?(UnsupportedError)

          Tasker.logger.error("hook #{hook} of #{task.full_name} raised for task #{task.task_id}: #{Failure.message_of(e)} " \
                              "(#{e.class})#{" at #{e.backtrace.first}" if e.backtrace}; nothing else of the task changes")
        end

        private

        def count(what)
          @lock.synchronize { @statistics[what] += 1 }
        end
      end

      # @param task_handler [Object, nil] the one that is registered for the task
      # @param records [Records]
      def initialize(task_handler, records)
        @task_handler = task_handler
        @records = records
      end

      # Before the handler of a step: what is assigned to the steps is seen by it.
      # @return [void]
      def before
        return unless wants?(DEFAULTS)

        task = @records.task
        task.setting_defaults = true
        Hooks.call(@task_handler, DEFAULTS, task) { [task, @records.sequence.steps] }
      ensure
        task&.setting_defaults = false
      end

      # @return [Boolean] whether somebody wants to know of a success
      def after?
        wants?(ANNOTATIONS)
      end

      # After the handler of a step has succeeded, and before anybody is told: if it is the
      # one step that all others lead to, nothing is left to do but to end the task.
      # @return [void]
      def after
        return unless after?

        task, step = @records.task, @records.step
        Hooks.call(@task_handler, ANNOTATIONS, task) do
          [task, @records.sequence, @records.succeeded(step)] if task.only_sink == step.name
        end
      end

      private

      def wants?(hook)
        @task_handler && Hooks.overridden?(@task_handler.class, hook)
      end
    end
  end
end
