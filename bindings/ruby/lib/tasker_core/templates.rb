# frozen_string_literal: true

require_relative 'encoding'
require_relative 'errors'
require_relative 'templates/workflow'

module TaskerCore
  # The templates that this process brings along: YAML files, and the workflows that
  # loaded classes define (Tasker::TaskHandler, Tasker::ConfiguredTask).
  #
  # Files are read with Psych, as the Rails engine reads them, so `yes` is a boolean and
  # `1:30` is 5400, and the block of the environment is merged in. The Rust core, which
  # refuses what two readers of YAML understand differently, gets the result as JSON,
  # which is YAML that cannot be misunderstood.
  class Templates
    # @return [Array<String>] what was accepted and has no effect
    attr_reader :warnings

    # @param paths [Array<String, Pathname>, String, nil] YAML files, or directories of them
    # @param environment [String] whose blocks are merged in
    # @param classes [Boolean] whether to take the workflows of loaded classes too
    # @return [Templates]
    # @raise [ConfigurationError] listing every mistake with its file
    def self.collect(paths = nil, environment: nil, classes: true)
      require 'tasker'
      templates = new(environment: environment || ::Tasker.environment)
      Array(paths).each { |path| templates.add_path(path) }
      templates.add_classes if classes
      templates.conclude
    end

    # For a process that runs steps and brings no templates: makes hooks and events known.
    #
    # @param paths [Array<String, Pathname>] as of {.collect}
    # @return [Array<String>] what is wrong with files or with workflows of loaded classes;
    #   the others are known
    def self.prepare(paths)
      require 'tasker'
      templates = new(environment: ::Tasker.environment)
      paths.each { |path| templates.add_path(path) }
      templates.build_classes
    end

    # @param environment [String]
    def initialize(environment:)
      @environment = environment
      @workflows = {}
      @problems = []
      @warnings = []
    end

    # @param path [String, Pathname]
    # @return [self]
    def add_path(path)
      path = path.to_s
      return add_file(path) unless File.directory?(path)

      files = Dir.glob(File.join(path, '**', '*.{yaml,yml}')).sort
      @warnings << "#{path}: there is no YAML file in this directory" if files.empty?
      files.each { |file| add_file(file, optional: true) }
      self
    end

    # Building registers them, as it does in the Rails engine when such a class is first used.
    # @return [Array<String>] problems
    def build_classes
      configured_tasks.each { |task| attempt(task.name) { task.new } }
      @problems
    end

    # Workflows of classes that are loaded.
    # @return [self]
    def add_classes
      build_classes
      ::Tasker::HandlerFactory.instance.each_handler do |name, namespace, version, handler|
        attempt("#{handler} (#{namespace}/#{name} #{version})") { add_class(name, namespace, version, handler) }
      end
      self
    rescue NameError => e
      @problems << "a registered task handler is not defined: #{e.message}"
      self
    end

    # @return [self]
    # @raise [ConfigurationError]
    def conclude
      raise ConfigurationError, @problems.uniq.join("\n") if @problems.any?

      @warnings.each { |warning| ::Tasker.logger.warn(warning) }
      self
    end

    # @return [Array<Hash{String=>String}>] what the native worker takes
    def to_native
      @workflows.values.map do |workflow|
        { 'source' => workflow.source, 'yaml' => workflow.to_json, 'environment' => @environment }
      end
    end

    # @return [Array<String>] names that the steps of these templates give
    def handler_classes
      @workflows.values.flat_map(&:handler_classes).uniq
    end

    # @return [Integer]
    def size
      @workflows.size
    end

    private

    def add_file(path, optional: false)
      attempt(path) do
        map = ::Tasker::WorkflowFile.read(path)
        # Directories of a Rails application hold YAML of other kinds as well.
        if optional && !map.key?('step_templates') && !map.key?('task_handler_class')
          @warnings << "#{path}: not a workflow (it has neither step_templates nor task_handler_class); left out"
        else
          workflow = Workflow.from_map(::Tasker::WorkflowFile.merge(map, @environment), path)
          workflow.register_events
          add(workflow)
        end
      end
      self
    end

    # Abstract ones have no file; those that a framework has reloaded have no constant.
    def configured_tasks
      own_config = ::Tasker::ConfiguredTask.singleton_class
      ::Tasker::ConfiguredTask.descendants.select do |task|
        task.name && task.name.safe_constantize.equal?(task) &&
          (task.method(:config).owner != own_config || File.exist?(task.yaml_path))
      end
    end

    def add_class(name, namespace, version, handler)
      return add(Workflow.from_class(handler, name, namespace, version)) unless handler.respond_to?(:workflow_map)

      map, source = handler.workflow_map
      workflow = Workflow.from_map(map, source)
      add(workflow)
      # The engine finds such a class under the name that the host has registered it by too.
      return unless handler <= ::Tasker::ConfiguredTask && workflow.problems.empty?

      again = Workflow.from_map(map.merge('name' => name, 'namespace_name' => namespace, 'version' => version), source)
      add(again) unless @workflows.key?(again.identity)
    end

    def add(workflow)
      problems = workflow.problems
      return @problems.concat(problems) if problems.any?

      present = @workflows[workflow.identity]
      if present && present.to_json != workflow.to_json
        @problems << "#{workflow.source}: #{workflow.identity} is defined differently in #{present.source}; " \
                     'give one of them another version, or remove it'
      elsif present.nil?
        @workflows[workflow.identity] = workflow
        @warnings.concat(workflow.warnings)
      end
    end

    def attempt(source)
      yield
    rescue ::Tasker::InvalidTaskHandlerConfig => e
      @problems << e.message
    rescue StandardError, ScriptError => e
      @problems << "#{source}: #{e.message} (#{e.class})"
    end
  end
end
