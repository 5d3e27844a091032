# frozen_string_literal: true

require 'json'

module TaskerCore
  class Templates
    # One workflow, as the fields that the Rust core reads.
    #
    # @api private
    class Workflow
      FIELDS = %w[
        name namespace_name version description task_handler_class default_dependent_system named_steps schema
        step_templates concurrent module_namespace custom_events
      ].freeze
      STEP_FIELDS = %w[
        name handler_class description dependent_system depends_on_step depends_on_steps default_retryable
        default_retry_limit skippable handler_config timeout_seconds retry custom_events
      ].freeze
      # Fields that code-defined steps have and templates do not need said.
      STEP_DEFAULTS = {
        'default_retryable' => true, 'default_retry_limit' => 3, 'skippable' => false, 'depends_on_steps' => [],
        'custom_events' => []
      }.freeze
      private_constant :FIELDS, :STEP_FIELDS, :STEP_DEFAULTS

      # @return [String] where it comes from, for messages
      attr_reader :source
      # @return [Array<String>]
      attr_reader :problems, :warnings

      # @param map [Hash{String=>Object}] of a file, the environment's block merged in
      def self.from_map(map, source)
        schema = schema_of_class(map) if map['schema'].nil?
        new(schema.nil? ? map : map.merge('schema' => schema), source)
      end

      # What the class of the workflow says in Ruby, if it is there: like the engine, a file
      # without a schema leaves it to the class.
      def self.schema_of_class(map)
        name = map.values_at('module_namespace', 'task_handler_class').compact.join('::')
        handler = name.safe_constantize
        return unless handler.is_a?(Class) && handler.public_method_defined?(:schema)

        # What another file has given the class is the schema of that one's workflow.
        written, built = [handler.instance_method(:schema), ::Tasker::TaskBuilder.instance_method(:build)].map(&:source_location)
        handler.new.schema unless written&.first == built.first
      end

      # @param handler [Class] includes Tasker::TaskHandler
      def self.from_class(handler, name, namespace, version)
        source = handler.name || 'a class without a name'
        instance = handler.new
        warnings = []
        map = {
          'name' => name, 'namespace_name' => namespace, 'version' => version, 'task_handler_class' => handler.name,
          'step_templates' => steps_of(instance, source, warnings)
        }
        schema = instance.schema if instance.respond_to?(:schema)
        map['schema'] = schema unless schema.nil?
        new(map.compact, source, warnings)
      end

      def self.steps_of(instance, source, warnings)
        unless instance.respond_to?(:step_templates)
          raise ConfigurationError, "#{source}: it is registered and has no steps; call define_step_templates in the class"
        end

        instance.step_templates.map do |template|
          step = template.to_h.transform_keys(&:to_s)
          step['handler_class'] = template.handler_class.name.to_s
          step['handler_config'] = config_map(template, source, warnings)
          step.reject { |key, value| value.nil? || STEP_DEFAULTS[key] == value }
        end
      end

      # The live object stays with the class; tasks of other processes see the map.
      def self.config_map(template, source, warnings)
        config = template.handler_config
        return nil if config.nil?
        return config.to_map if config.is_a?(::Tasker::StepHandler::Api::Config)

        map = Encoding.plain(config.is_a?(Hash) ? config : config.to_h, root: 'handler_config')
        return map if map.is_a?(Hash)

        raise EncodingError, 'it is not a map'
      rescue NoMethodError, TypeError, EncodingError => e
        warnings << "#{source}: step #{template.name}: the handler_config is a Ruby object (#{config.class}, #{e.message}); " \
                    'only processes that have loaded this class make handlers with it'
        nil
      end

      private_class_method :schema_of_class, :steps_of, :config_map

      def initialize(map, source, warnings = [])
        @source = source
        @warnings = warnings
        # The core asks for no task_handler_class.
        problems = ::Tasker::WorkflowFile.problems({ 'task_handler_class' => 'none' }.merge(map))
        @problems = problems.map { |text| "#{source}: #{text}" }
        @steps = @problems.empty? ? map['step_templates'] : []
        @map = @problems.empty? ? reduced(map) : {}
      rescue EncodingError => e
        @problems = ["#{source}: #{e.message}"]
        @map = {}
      end

      # @return [String] namespace, name and version
      def identity
        "#{@map.fetch('namespace_name', 'default')}/#{@map['name']} #{@map.fetch('version', '0.1.0')}"
      end

      # @return [Array<String>]
      def handler_classes
        @map.fetch('step_templates', []).map { |step| step['handler_class'] }.uniq
      end

      # Registers the custom events of a file's steps; those of classes are registered where
      # the class is defined.
      # @return [void]
      def register_events
        @steps.each do |step|
          Array(step['custom_events']).each { |event| register_event(event, step['handler_class']) }
        end
      end

      # @return [String] readable, because the core names lines of it
      def to_json(*_args)
        JSON.pretty_generate(@map)
      end

      private

      # The engine reads files past anything here, so one that cannot be is no mistake.
      def register_event(event, handler_class)
        raise TypeError, 'it is no map with a name and a description' unless event.is_a?(Hash)

        ::Tasker::Events::CustomRegistry.instance.register_all([event], handler_class)
      rescue ArgumentError, TypeError => e
        @warnings << "#{@source}: custom event #{event.inspect[0, 60]} of #{handler_class} is not registered: #{e.message}"
      end

      # Rails ignores fields it does not know, and files live by that. The core refuses
      # them, so they are left out here, with a word.
      def reduced(map)
        kept = known(map, FIELDS, 'the workflow')
        kept['step_templates'] = map['step_templates'].map do |step|
          # Events are for this process; the core would warn that they have no effect.
          known(step, STEP_FIELDS, "step #{step['name']}").except('custom_events')
        end
        Encoding.plain(kept, root: 'workflow')
      end

      def known(map, fields, owner)
        unknown = map.keys.map(&:to_s) - fields
        unknown.each do |key|
          near = ::Tasker::Nearest.of(key, fields)
          @warnings << "#{@source}: #{owner}: #{key} is not a field that is read#{"; did you mean #{near}?" if near}; left out"
        end
        map.select { |key, value| fields.include?(key) && !value.nil? }
      end
    end
  end
end
