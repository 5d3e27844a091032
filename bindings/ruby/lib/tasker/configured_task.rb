# frozen_string_literal: true

require_relative 'task_builder'

module Tasker
  # A workflow whose YAML file is found by the name of the class: `Shop::ProcessOrder`
  # is in `config/tasker/tasks/shop/process_order.yaml` under the application's root.
  # Override `task_name`, `yaml_path` or `config` to have it elsewhere.
  class ConfiguredTask < TaskBuilder
    include TaskHandler

    class << self
      # @return [String]
      def task_name
        name.underscore
      end

      # @return [Pathname]
      def yaml_path
        Tasker.root.join('config', Tasker.configuration.engine.task_config_directory, "#{task_name}.yaml")
      end

      # Read again when the file has changed.
      # @return [Hash{String=>Object}]
      def config
        path = yaml_path.to_s
        stat = File.stat(path) if File.exist?(path)
        stamp = [path, stat&.mtime, stat&.size]
        return @config if @config && @config_stamp == stamp

        @config = WorkflowFile.read(path)
        @config_stamp = stamp
        @config
      end

      # Building redefines methods of the class, so it is not repeated for a
      # configuration that is the same.
      # @api private
      def build_once(config)
        BUILD.synchronize do
          key = [config, Tasker.environment]
          @built = nil unless @built_from == key
          @built ||= yield.tap { @built_from = key }
        end
      end
    end

    BUILD = Monitor.new
    private_constant :BUILD

    # Builds and registers the workflow.
    # @raise [InvalidTaskHandlerConfig]
    def initialize
      config = self.class.config
      built = self.class.build_once(config) do
        super(config: config, source: self.class.name)
        [@config, @handler_class]
      end
      @config, @handler_class = built
    end
  end
end
