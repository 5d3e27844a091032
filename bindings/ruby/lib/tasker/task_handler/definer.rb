# frozen_string_literal: true

module Tasker
  module TaskHandler
    # Takes the steps of a workflow, in order.
    class Definer
      # @return [Array<Types::StepTemplate>]
      attr_reader :step_templates
      # @return [Class] the workflow
      attr_reader :klass

      def initialize(klass)
        @klass = klass
        @step_templates = []
      end

      # @param options [Hash] name and handler_class are required; dependent_system,
      #   description, default_retryable, default_retry_limit, skippable, depends_on_step,
      #   depends_on_steps, handler_config, custom_events; others are ignored
      # @return [void]
      # @raise [KeyError, Types::Error]
      def define(**options)
        name = options.fetch(:name)
        handler_class = options.fetch(:handler_class)
        template = Types::StepTemplate.new({ description: name }.merge(options))
        Events::CustomRegistry.instance.register_all(template.custom_events, handler_class.name)
        Events::CustomRegistry.instance.register_from(handler_class)
        @step_templates << template
      end
    end
  end
end
