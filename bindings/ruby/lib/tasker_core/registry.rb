# frozen_string_literal: true

require_relative 'errors'
require_relative 'step_handler'

module TaskerCore
  # What was found for a handler class's name: `kind` is `:call` (a class whose
  # instances have `call(context)`), `:block` (an object with `call(context)`) or
  # `:engine` (a class in the Rails engine's style).
  Resolved = Struct.new(:kind, :target)

  # Finds the code for the handler class that a template names: what was registered
  # explicitly, else what a resolver gives, else the constant of that name.
  #
  # Safe to use from any thread. Constants are looked up at every step, so that code
  # which a framework has reloaded is used.
  class Registry
    NAME = /\A(::)?\p{Upper}\w*(::\p{Upper}\w*)*\z/.freeze
    # Code of an {UnusableHandler} whose file failed to load: that may be the fault of
    # this process, so another attempt is worth it.
    NOT_LOADED = 'handler_not_loaded'
    private_constant :NAME

    def initialize
      @write = Mutex.new
      @explicit = {}.freeze
      @resolvers = [].freeze
      @resolved = {}
    end

    # @param name [String, Symbol, Class] the `handler_class` of templates
    # @param target [Class, #call] a handler class, or anything with `call(context)`;
    #   a class given as `name` stands for itself
    # @return [self]
    # @raise [UnusableHandler] if it can never handle a step
    def register(name, target = nil, &block)
      target ||= block || (name if name.is_a?(Class))
      name = name.name if name.is_a?(Module)
      raise ArgumentError, 'a handler needs a name: a class without one must be registered under one' if name.to_s.empty?
      raise ArgumentError, "nothing to register for #{name}: give a class, an object with call, or a block" if target.nil?

      classify(name.to_s, target)
      @write.synchronize { @explicit = @explicit.merge(name.to_s => target).freeze }
      self
    end

    # Asks `block` for names that are not registered. It gets the name, and returns a
    # class, an object with `call`, or nil if it does not know. Later resolvers are
    # asked after earlier ones.
    #
    # @return [self]
    def resolver(&block)
      raise ArgumentError, 'a resolver is a block that gets the name of a handler class' unless block

      @write.synchronize { @resolvers = [*@resolvers, block].freeze }
      self
    end

    # @return [Array<String>] what is registered explicitly
    def names
      @explicit.keys
    end

    # @param name [String]
    # @return [Resolved]
    # @raise [UnknownHandler] if nothing has that name here
    # @raise [UnusableHandler] if what has that name cannot handle a step
    def resolve(name)
      target = @explicit[name] || from_resolvers(name) || constant(name)
      raise UnknownHandler, "this process has no handler #{name}: #{where_to_look(name)}" if target.nil?

      # What a name stands for may change; what an object is, once it could be used, does not.
      known = @resolved[name]
      return known if known && known.target.equal?(target)

      resolved = classify(name, target)
      @write.synchronize { @resolved[name] = resolved }
      resolved
    end

    # Whether {#resolve} finds something, be it usable or not.
    def resolves?(name)
      resolve(name)
      true
    rescue UnknownHandler
      false
    rescue UnusableHandler
      true
    end

    private

    def where_to_look(name)
      return 'it is not the name of a constant; register it with TaskerCore.handler' unless NAME.match?(name)

      'require the file that defines it (--require), register it with TaskerCore.handler, or correct handler_class'
    end

    def from_resolvers(name)
      @resolvers.each do |resolver|
        target = resolver.call(name)
        return target unless target.nil?
      end
      nil
    end

    # One segment after the other, each only in its own scope: A::String must not find
    # ::String. const_get, not const_defined?, so that autoloaders get to work.
    def constant(name)
      return nil unless NAME.match?(name)

      scope = Object
      name.delete_prefix('::').split('::').each do |segment|
        return nil unless scope.is_a?(Module)

        scope = inside(scope, segment, name) { return nil }
      end
      scope
    end

    def inside(scope, segment, name)
      scope.const_get(segment, false)
    rescue StandardError, ScriptError => e
      yield if e.is_a?(NameError) && missing?(e, scope, segment)
      raise unusable(name, "loading it failed: #{e.message.lines.first&.chomp} (#{e.class})", e, code: NOT_LOADED)
    end

    def missing?(error, scope, segment)
      error.name.to_s == segment && error.receiver.equal?(scope)
    rescue ArgumentError
      # A NameError that somebody raised by hand has no receiver.
      false
    end

    def classify(name, target)
      return Resolved.new(:block, target) if callable!(name, target)
      return engine(name, target) if engine?(target)

      unless target.method_defined?(:call)
        raise unusable(name, 'the class has neither call(context) nor process(task, sequence, step) nor handle')
      end
      arity!(name, target.instance_method(:call), 1, 'call must take one argument, the context')
      if target.method(:new).owner == Class
        arity!(name, target.instance_method(:initialize), 0,
               'its constructor must take no arguments (or register an object of it)')
      end
      Resolved.new(:call, target)
    end

    # True for an object that is called itself; false for a class that is instantiated.
    def callable!(name, target)
      if target.is_a?(Class)
        return false if target <= StepHandler || target.method_defined?(:call) || engine?(target)
        return false unless target.respond_to?(:call)
      elsif !target.respond_to?(:call)
        raise unusable(name, "it is #{kind_of(target)} without call(context)")
      end
      return true if target.is_a?(Proc) && !target.lambda?

      signature = target.is_a?(Proc) ? target : target.method(:call)
      arity!(name, signature, 1, 'call must take one argument, the context')
      true
    end

    def kind_of(target)
      target.is_a?(Module) ? 'a module' : "an object of class #{target.class}"
    end

    def engine?(target)
      return false if target <= StepHandler
      return true if defined?(Tasker::StepHandler::Base) && target <= Tasker::StepHandler::Base

      !target.method_defined?(:call) && (any_method?(target, :process) || any_method?(target, :handle))
    end

    def any_method?(target, method)
      target.method_defined?(method) || target.private_method_defined?(method)
    end

    def engine(name, target)
      %i[process handle].each do |method|
        next unless any_method?(target, method)

        arity!(name, target.instance_method(method), 3, "#{method} must take (task, sequence, step)")
      end
      if any_method?(target, :process_results)
        arity!(name, target.instance_method(:process_results), 3,
               'process_results must take (step, process_output, initial_results)')
      end
      Resolved.new(:engine, target)
    end

    def arity!(name, signature, given, demand)
      return if signature.arity == given

      parameters = signature.parameters
      required = parameters.count { |type, _| type == :req }
      optional = parameters.count { |type, _| type == :opt }
      keywords = parameters.filter_map { |type, keyword| keyword if type == :keyreq }
      many = parameters.any? { |type, _| type == :rest }
      return if keywords.empty? && required <= given && (many || required + optional >= given)

      takes = keywords.empty? ? "it takes #{count(required, optional, many)}" : "it needs #{keywords.map { |k| "#{k}:" }.join(', ')}"
      raise unusable(name, "#{demand}; #{takes}")
    end

    def count(required, optional, many)
      return "#{required} or more" if many

      optional.zero? ? required.to_s : "#{required} to #{required + optional}"
    end

    def unusable(name, problem, cause = nil, code: nil)
      error = UnusableHandler.new("handler #{name} cannot be used: #{problem}", code: code)
      error.set_backtrace(cause.backtrace) if cause
      error
    end
  end

  class << self
    # @return [Registry] the handlers of this process
    attr_reader :registry

    # Registers a handler under the name that templates give as `handler_class`.
    #
    #   TaskerCore.handler('Greetings::Compose') { |context| { text: "Hello, #{context.input('name')}!" } }
    #
    # @return [Registry]
    def handler(name, target = nil, &block)
      registry.register(name, target, &block)
    end

    # Asks `block` for handler classes that have no registration, see {Registry#resolver}.
    #
    # @return [Registry]
    def resolver(&block)
      registry.resolver(&block)
    end
  end
  @registry = Registry.new
end
