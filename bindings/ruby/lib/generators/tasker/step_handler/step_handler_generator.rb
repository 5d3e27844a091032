# frozen_string_literal: true

require_relative '../base'

module Tasker
  module Generators
    # One more handler, and its spec.
    class StepHandlerGenerator < Base
      source_root File.expand_path('templates', __dir__)
      class_option :engine, type: :boolean, default: false,
                            desc: 'In the engine\'s style: process(task, sequence, step) instead of call(context)'
      class_option :module_namespace, type: :string,
                                      desc: 'Module of the class, unless the name has one [default: engine.default_module_namespace]'
      class_option :skip_spec, type: :boolean, default: false, desc: 'Write no spec'
      desc 'Writes a step handler and its spec'

      def write_handler
        template 'step_handler.rb.tt', code_path(qualified_class_name)
      end

      def write_spec
        template 'step_handler_spec.rb.tt', spec_path(qualified_class_name) unless options[:skip_spec]
      end

      def say_what_is_left
        say <<~TEXT

          A workflow runs it with this among its step_templates:

            - name: #{yaml_text(file_name)}
              handler_class: #{qualified_class_name}

        TEXT
      end
    end
  end
end
