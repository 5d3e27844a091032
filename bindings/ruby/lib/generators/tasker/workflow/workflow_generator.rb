# frozen_string_literal: true

require_relative '../base'

module Tasker
  module Generators
    # A workflow in this gem's style: YAML, a TaskerCore::StepHandler for each step, and a
    # spec. It has no class of its own.
    class WorkflowGenerator < Base
      source_root File.expand_path('templates', __dir__)
      workflow_options
      desc 'Writes a workflow: YAML, step handlers with call(context), and spec'

      # Before anything is written.
      def check_options
        version
        steps
      end

      def write_yaml
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
        template 'workflow_spec.rb.tt', spec_path(qualified_class_name) unless options[:skip_spec]
      end
    end
  end
end
