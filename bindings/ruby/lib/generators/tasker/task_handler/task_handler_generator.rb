# frozen_string_literal: true

require_relative '../base'

module Tasker
  module Generators
    # A workflow in the engine's style: a Tasker::ConfiguredTask, its YAML, a
    # Tasker::StepHandler::Base for each step, and a spec.
    class TaskHandlerGenerator < Base
      source_root File.expand_path('templates', __dir__)
      workflow_options
      desc 'Writes a workflow in the engine\'s style: task handler class, YAML, step handlers and spec'

      # Before anything is written.
      def check_options
        version
        steps
      end

      def write_task_handler
        template 'task_handler.rb.tt', code_path(qualified_class_name)
        template 'workflow.yaml.tt', yaml_path
      end

      def write_step_handlers
        chain.each do |step, parent|
          @step = step
          @parent = parent
          template 'step_handler.rb.tt', code_path(step_class(step))
        end
      end

      def write_spec
        template 'task_handler_spec.rb.tt', spec_path(qualified_class_name) unless options[:skip_spec]
      end
    end
  end
end
