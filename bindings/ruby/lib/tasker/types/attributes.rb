# frozen_string_literal: true

require 'time'

module Tasker
  module Types
    # A value of the wrong type, or a required one that is missing.
    class Error < ArgumentError; end

    # Value objects with typed attributes: Symbol keys, unknown keys dropped, wrong
    # types refused, as the engine's structs do it.
    module Attributes
      Attribute = Struct.new(:name, :type, :required, :default)
      private_constant :Attribute

      CHECKS = {
        string: ['a String', ->(value) { value.is_a?(String) }],
        optional_string: ['a String or nil', ->(value) { value.nil? || value.is_a?(String) }],
        boolean: ['true or false', ->(value) { [true, false].include?(value) }],
        integer: ['an Integer', ->(value) { value.is_a?(Integer) }],
        hash: ['a Hash', ->(value) { value.is_a?(Hash) }],
        strings: ['an Array of Strings', ->(value) { value.is_a?(Array) && value.all?(String) }],
        hashes: ['an Array of Hashes', ->(value) { value.is_a?(Array) && value.all?(Hash) }],
        handler: ['a class', ->(value) { value.is_a?(Class) || value.is_a?(UnresolvedClass) }],
        time: ['a time, or text in ISO 8601', ->(value) { value.respond_to?(:to_time) && !value.is_a?(String) }],
        any: ['anything', ->(_value) { true }]
      }.freeze
      private_constant :CHECKS

      # What an including class says of itself.
      module ClassMethods
        # @return [Array]
        def attribute_list
          @attribute_list ||= []
        end

        # @return [Array<Symbol>]
        def attribute_names
          attribute_list.map(&:name)
        end

        def attribute(name, type, required: false, default: nil)
          attribute_list << Attribute.new(name, type, required, default)
          attr_reader name
        end
      end

      def self.included(base)
        base.extend(ClassMethods)
      end

      # @param attributes [Hash{Symbol=>Object}]
      # @raise [Error] naming the attribute
      def initialize(attributes = {})
        unless attributes.respond_to?(:to_h)
          raise Error, "#{self.class.name} is made from a Hash, not from an object of class #{attributes.class}"
        end

        attributes = attributes.to_h
        self.class.attribute_list.each do |attribute|
          instance_variable_set("@#{attribute.name}", value_of(attribute, attributes))
        end
      end

      # A copy with some attributes changed.
      def new(**changes)
        self.class.new(to_h.merge(changes))
      end

      def [](name)
        raise Error, "#{self.class.name} has no attribute #{name}" unless self.class.attribute_names.include?(name.to_sym)

        public_send(name)
      end

      # @return [Hash{Symbol=>Object}]
      def to_h
        self.class.attribute_names.to_h { |name| [name, public_send(name)] }
      end
      alias to_hash to_h
      alias attributes to_h

      def ==(other)
        other.instance_of?(self.class) && other.to_h == to_h
      end
      alias eql? ==

      def hash
        [self.class, to_h].hash
      end

      private

      def value_of(attribute, given)
        unless given.key?(attribute.name)
          raise Error, missing(attribute.name, given) if attribute.required

          return attribute.default.respond_to?(:call) ? attribute.default.call : attribute.default.dup
        end
        value = given[attribute.name]
        value = time(value) if attribute.type == :time
        expected, check = CHECKS.fetch(attribute.type)
        return value if check.call(value)

        raise Error, "#{self.class.name}: #{attribute.name} must be #{expected}, not #{value.inspect[0, 80]}"
      end

      def missing(name, given)
        hint = given.key?(name.to_s) ? "; it is there with a String key, use the Symbol :#{name}" : ''
        "#{self.class.name}: #{name} is missing#{hint}"
      end

      def time(value)
        value.is_a?(String) ? Time.iso8601(value) : value
      rescue ArgumentError
        value
      end
    end
  end
end
