# frozen_string_literal: true

require 'rails/generators'
require 'rails/generators/named_base'
require 'yaml'
require 'tasker_core'

module Tasker
  # `rails generate tasker:...`: what they write runs as it is.
  module Generators
    # What the generators have in common: names, places and the words of a step.
    #
    # Classes are written with their full name (`class Shop::Charge`), for whether `Shop` is
    # a class or a module is known to the application alone.
    class Base < ::Rails::Generators::NamedBase
      # Of what becomes a constant and the name of a file.
      WORD = /\A[a-z][a-z0-9_]*\z/.freeze
      VERSION_FORM = /\A\d+\.\d+\.\d+\z/.freeze
      private_constant :WORD, :VERSION_FORM

      # Options of those that write a workflow.
      def self.workflow_options
        class_option :module_namespace, type: :string,
                                        desc: 'Module of the classes, unless the name has one [default: engine.default_module_namespace]'
        class_option :namespace_name, type: :string, desc: 'Namespace of the workflow [default: after the module, else default]'
        class_option :version, type: :string, default: '1.0.0', desc: 'Version of the workflow, three numbers'
        class_option :description, type: :string, desc: 'One line about it'
        class_option :steps, type: :array, default: %w[prepare work finish], desc: 'Names of the steps, each after the one before'
        class_option :skip_spec, type: :boolean, default: false, desc: 'Write no specs'
      end

      # Before anything is written: a file that cannot be loaded stops every command of Rails.
      def check_name
        wrong = [*modules.map(&:underscore), file_name].find { |word| !WORD.match?(word) } or return
        raise Thor::Error, "#{wrong}: expected names that begin with a letter, of letters (a-z), digits and _, such as shop/process_order"
      end

      private

      # Of a workflow: Shop::ProcessOrder.
      def qualified_class_name
        [*modules, file_name.camelize].join('::')
      end

      def modules
        given = options[:module_namespace] || Tasker.configuration.engine.default_module_namespace
        class_path.empty? && given.present? ? given.to_s.underscore.split('/').map(&:camelize) : class_path.map(&:camelize)
      end

      # shop/process_order
      def qualified_path
        qualified_class_name.underscore
      end

      def namespace_name
        options[:namespace_name] || (modules.any? ? modules.join('_').underscore.tr('/', '_') : 'default')
      end

      def version
        given = options[:version]
        return given if VERSION_FORM.match?(given)

        raise Thor::Error, "--version #{given}: expected three numbers, such as 1.0.0"
      end

      def description
        options[:description] || "#{file_name.humanize}: #{steps.map(&:humanize).map(&:downcase).join(', ')}"
      end

      def steps
        names = options[:steps].map { |step| step.underscore.tr('-', '_') }
        wrong = names.find { |step| !WORD.match?(step) }
        raise Thor::Error, "--steps #{wrong}: expected a name that begins with a letter, of letters (a-z), digits and _" if wrong
        raise Thor::Error, "--steps: #{names.tally.key(names.tally.values.max)} is there twice" if names.uniq.size < names.size

        names
      end

      # [step, the one before it or nil]
      def chain
        steps.each_with_index.map { |step, index| [step, index.zero? ? nil : steps[index - 1]] }
      end

      def step_class(step)
        "#{qualified_class_name}::#{step.camelize}"
      end

      def code_path(name)
        File.join('app', Tasker.configuration.engine.task_handler_directory.to_s, "#{name.underscore}.rb")
      end

      def yaml_path
        File.join('config', Tasker.configuration.engine.task_config_directory.to_s, "#{qualified_path}.yaml")
      end

      def spec_path(name)
        File.join('spec', Tasker.configuration.engine.task_handler_directory.to_s, "#{name.underscore}_spec.rb")
      end

      # The application's own way to load itself for specs, if it has one.
      def spec_head(name)
        return "require 'rails_helper'" if File.exist?(File.join(destination_root, 'spec/rails_helper.rb'))

        up = Array.new(spec_path(name).count('/'), '..').join('/')
        "ENV['RAILS_ENV'] ||= 'test'\nrequire_relative '#{up}/config/environment'"
      end

      # Quoted where YAML would read anything but this text: `on`, `null`, `a: b`.
      def yaml_text(text)
        YAML.safe_load(text) == text ? text : text.to_json
      rescue Psych::Exception
        text.to_json
      end
    end
  end
end
