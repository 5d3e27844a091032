# frozen_string_literal: true

require_relative 'task_handler'
require_relative 'workflow_file'

module Tasker
  # Makes and registers a task handler class from the map of a YAML file.
  #
  #   Tasker::TaskBuilder.from_yaml('config/tasker/tasks/process_order.yaml').handler_class
  class TaskBuilder
    # @return [Hash{String=>Object}] the map, with the environment's block merged in
    attr_reader :config
    # @return [Class]
    attr_reader :handler_class

    # @param path [String, Pathname]
    # @return [TaskBuilder]
    # @raise [InvalidTaskHandlerConfig]
    def self.from_yaml(path)
      new(config: WorkflowFile.read(path), source: path.to_s)
    end

    # What a handler gets for a `handler_config`: an API configuration for `type: api`,
    # else the map as it stands.
    #
    # @param map [Hash{String=>Object}, nil]
    # @return [StepHandler::Api::Config, Hash, nil]
    def self.handler_config(map)
      map.is_a?(Hash) && map['type'] == 'api' ? StepHandler::Api::Config.from_map(map) : map
    end

    # @param config [Hash{String=>Object}]
    # @param source [String] how messages call it
    # @raise [InvalidTaskHandlerConfig]
    def initialize(config: {}, source: 'the configuration')
      @config = WorkflowFile.merge(config, Tasker.environment)
      @source = source
      WorkflowFile.check!(@config, source)
      build
    end

    # @return [Class] the registered class
    def build
      @handler_class = find_or_make_class
      @handler_class.include(TaskHandler) unless @handler_class.include?(TaskHandler)
      # So that the template of this workflow is made from what its author wrote.
      workflow = [@config, @source]
      @handler_class.define_singleton_method(:workflow_map) { workflow }
      define_constants
      define_steps
      define_schema if @config['schema']
      @handler_class.register_handler(
        @config['name'], namespace_name: @config['namespace_name'] || HandlerFactory::DEFAULT_NAMESPACE,
                         version: (@config['version'] || HandlerFactory::DEFAULT_VERSION).to_s,
                         concurrent: @config.fetch('concurrent', true)
      )
      @handler_class
    end

    private

    def find_or_make_class
      name = @config['task_handler_class']
      scope = scope_of_class
      return scope.const_get(name) if defined_in?(scope, name)
      return scope.const_set(name, Class.new) unless name.include?('::')

      raise InvalidTaskHandlerConfig, "task_handler_class #{name} is not defined, and only a name without :: can be made"
    rescue NameError => e
      raise InvalidTaskHandlerConfig, "task_handler_class #{name.inspect} is not usable: #{e.message}"
    end

    def scope_of_class
      name = @config['module_namespace']
      return Object unless name

      scope = name.safe_constantize
      return scope if scope.is_a?(Module)

      raise InvalidTaskHandlerConfig, "module_namespace #{name} is not defined; define the module before the workflow is built"
    end

    def defined_in?(scope, name)
      scope.const_get(name, scope.equal?(Object))
      true
    rescue NameError
      false
    end

    def define_constants
      { DEFAULT_DEPENDENT_SYSTEM: @config['default_dependent_system'], NAMED_STEPS: @config['named_steps'] }.each do |name, value|
        @handler_class.const_set(name, value) if value && !@handler_class.const_defined?(name, false)
      end
    end

    def define_steps
      @handler_class.define_step_templates do |templates|
        @config['step_templates'].each { |step| templates.define(**step_options(step)) }
      end
    end

    def step_options(step)
      {
        name: step['name'], description: step['description'] || step['name'],
        handler_class: Types::UnresolvedClass.resolve(step['handler_class']),
        dependent_system: step['dependent_system'] || @config['default_dependent_system'] || Constants::UNKNOWN,
        default_retryable: step.fetch('default_retryable', true), default_retry_limit: step.fetch('default_retry_limit', 3),
        skippable: step.fetch('skippable', false), depends_on_step: step['depends_on_step'],
        depends_on_steps: step['depends_on_steps'] || [], handler_config: self.class.handler_config(step['handler_config']),
        custom_events: step['custom_events'] || []
      }
    end

    def define_schema
      schema = @config['schema']
      @handler_class.define_method(:schema) { schema }
    end
  end
end
