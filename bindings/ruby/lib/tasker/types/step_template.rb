# frozen_string_literal: true

require_relative 'attributes'

module Tasker
  module Types
    # A handler class that this process does not know. Workflows that name it can be
    # defined; a step that needs it fails, or goes to a process that has it.
    class UnresolvedClass
      # @return [String]
      attr_reader :name
      alias to_s name

      def initialize(name)
        @name = name
      end

      def new(*, **)
        raise NameError.new("the handler class #{name} is not defined in this process; require the file that defines it, or " \
                            'correct handler_class', name.to_sym)
      end

      def ==(other)
        other.is_a?(UnresolvedClass) && other.name == name
      end
      alias eql? ==

      def hash
        [self.class, name].hash
      end

      # @param name [String, Class]
      # @return [Class, UnresolvedClass]
      def self.resolve(name)
        return name if name.is_a?(Class)

        found = name.to_s.safe_constantize
        found.is_a?(Class) ? found : new(name.to_s)
      end
    end

    # One step of a workflow.
    class StepTemplate
      include Attributes

      attribute :dependent_system, :string, default: Constants::UNKNOWN
      attribute :name, :string, required: true
      attribute :description, :optional_string
      attribute :default_retryable, :boolean, default: true
      attribute :default_retry_limit, :integer, default: 3
      attribute :skippable, :boolean, default: false
      attribute :handler_class, :handler, required: true
      attribute :handler_config, :any
      attribute :depends_on_step, :optional_string
      attribute :depends_on_steps, :strings, default: -> { [] }
      attribute :custom_events, :hashes, default: -> { [] }

      # @return [Array<String>] names of the parents, each once
      def all_dependencies
        [depends_on_step, *depends_on_steps].compact.uniq
      end
    end
  end
end
