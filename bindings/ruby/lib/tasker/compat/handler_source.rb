# frozen_string_literal: true

module Tasker
  module Compat
    # Makes the handler of one execution.
    #
    # A task handler that is registered for the task is asked (`get_step_handler`, which
    # hosts may override). Without one, or if it does not know the step, the handler
    # class of the execution is made with the configuration of the template.
    #
    # @api private
    module HandlerSource
      class << self
        attr_accessor :announced
      end
      self.announced = {}

      module_function

      # @return [Object, nil] a new instance of the task handler that is registered
      def task_handler(execution)
        HandlerFactory.instance.handler_of(execution.task_name, execution.namespace, execution.task_version)
      end

      # @param task_handler [Object, nil] of the task
      # @return [#handle]
      def handler(execution, klass, step, task_handler)
        announce(klass)
        handler = task_handler && from_task_handler(task_handler, step, klass)
        handler || build(klass, execution.config)
      end

      def from_task_handler(task_handler, step, klass)
        overridden = task_handler.method(:get_step_handler).owner != TaskHandler::InstanceMethods
        return task_handler.get_step_handler(step) if overridden

        # A task may have been made from an older template than the one in this process.
        return nil unless task_handler.respond_to?(:step_handler_class_map)
        return nil unless task_handler.step_handler_class_map[step.name].to_s == klass.name

        task_handler.get_step_handler(step)
      end

      def build(klass, config)
        return klass.new if config.nil?

        klass.new(config: TaskBuilder.handler_config(config))
      end

      # Custom events that the class says it publishes, once per class.
      def announce(klass)
        return unless klass.respond_to?(:custom_event_configuration)
        # By name, so that a class which is reloaded replaces itself.
        return if HandlerSource.announced[klass.name].equal?(klass)

        Events::CustomRegistry.instance.register_from(klass)
        HandlerSource.announced = HandlerSource.announced.merge(klass.name => klass)
      end
    end
  end
end
