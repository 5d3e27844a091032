# frozen_string_literal: true

require_relative 'handler_factory'
require_relative 'types/step_template'
require_relative 'task_handler/definer'

module Tasker
  # Makes a class a workflow:
  #
  #   class ProcessOrder
  #     include Tasker::TaskHandler
  #     register_handler('process_order', namespace_name: 'shop', version: '1.0.0')
  #     define_step_templates do |templates|
  #       templates.define(name: 'validate', handler_class: Validate)
  #       templates.define(name: 'charge', handler_class: Charge, depends_on_step: 'validate')
  #     end
  #
  #     def schema
  #       { type: 'object', properties: { order_id: { type: 'integer' } } }
  #     end
  #   end
  #
  # A worker that has loaded the class registers the workflow as a template when it
  # starts. From then on the engine in Rust drives its tasks, and a worker calls the hooks
  # that the class overrides; a hook that raises is logged and changes nothing. Workers that
  # run steps of the workflow must have loaded the class.
  #
  # * `schema` becomes part of the template, unless a YAML file of the workflow has one.
  # * `get_step_handler(step)` makes the handler of a step.
  # * `establish_step_dependencies_and_defaults(task, steps)` is called before the handler of
  #   each step, which sees what is assigned to the steps; inputs of that step are stored if
  #   they are saved.
  # * `update_annotations(task, sequence, steps)` is called at the end, with the steps that
  #   succeeded. Where one step comes after all others, that is when this one has succeeded,
  #   before the task ends, and the hook counts towards its time. Otherwise (several steps
  #   come last, the task ended in error, an operator ended it) it is called once the task has
  #   ended, by one of the workers that has the class. A process that dies meanwhile can make
  #   it be called again.
  module TaskHandler
    def self.included(base)
      base.extend(ClassMethods)
      base.include(InstanceMethods)
    end

    # Of the class.
    module ClassMethods
      # @param name [String, Symbol]
      # @param concurrent [Boolean] accepted; ready steps always run side by side
      # @return [true]
      def register_handler(name, namespace_name: HandlerFactory::DEFAULT_NAMESPACE,
                           version: HandlerFactory::DEFAULT_VERSION, concurrent: true)
        define_method(:use_concurrent_processing?) { concurrent }
        HandlerFactory.instance.register(name, self, namespace_name: namespace_name, version: version, replace: true)
      end

      # @yieldparam templates [Definer]
      # @return [void]
      def define_step_templates
        definer = Definer.new(self)
        yield definer
        templates = definer.step_templates
        classes = templates.to_h { |template| [template.name, template.handler_class.to_s] }
        configs = templates.to_h { |template| [template.name, template.handler_config] }
        define_method(:step_templates) { templates }
        define_method(:step_handler_class_map) { classes }
        define_method(:step_handler_config_map) { configs }
      end
    end

    # Of its instances.
    module InstanceMethods
      # Override it to make handlers by rules of your own.
      #
      # @param step [WorkflowStep]
      # @return [#handle]
      # @raise [ProceduralError] if the workflow has no such step
      def get_step_handler(step)
        template = respond_to?(:step_templates) && step_templates.find { |one| one.name == step.name }
        raise ProceduralError, "No registered class for #{step.name}" unless template

        handler_class = template.handler_class
        # By name, so that code which a framework has reloaded is used.
        handler_class = Types::UnresolvedClass.resolve(handler_class.name) if handler_class.name
        config = step_handler_config_map[step.name]
        config.nil? ? handler_class.new : handler_class.new(config: config)
      end

      # Override it, see {TaskHandler}.
      def establish_step_dependencies_and_defaults(_task, _steps); end

      # Override it, see {TaskHandler}.
      def update_annotations(_task, _sequence, _steps); end

      {
        initialize_task!: 'submit the task with TaskerCore.submit, or POST /v1/tasks',
        handle: 'start a worker; it runs the steps of all tasks of its namespaces',
        start_task: 'a task starts when it is submitted',
        get_sequence: 'use the sequence that a step handler gets',
        handle_one_step: 'start a worker; to test a handler, call handle(task, sequence, step) on it',
        dependency_graph: 'GET /v1/tasks/:id shows the graph of a task'
      }.each do |name, remedy|
        define_method(name) do |*_args, **_options|
          raise UnsupportedError, "#{self.class.name || 'a task handler'}##{name}: tasks are driven by the engine in " \
                                  "Rust; #{remedy}"
        end
      end
    end
  end
end
