# frozen_string_literal: true

require_relative 'errors'
require_relative 'host'
require_relative 'registry'
require_relative 'step_handler'
require_relative 'templates'

module TaskerCore
  # The options of a worker, as the native side takes them.
  #
  # Settings are checked there, with those of files and variables. What is checked here
  # is what only Ruby can mistake: types.
  #
  # @api private
  class Settings
    # What is called of a logger here, in {Logging::StepLogger} and in the pool.
    LOGGER = %i[add level debug info warn error].freeze
    private_constant :LOGGER

    # @return [::Logger] that of the gem for nil
    # @raise [ConfigurationError] if it is none
    def self.logger(logger)
      return TaskerCore.logger if logger.nil?
      return logger if LOGGER.all? { |method| logger.respond_to?(method) }

      raise ConfigurationError, "logger: expected a Logger (for an IO, Logger.new(io)), not #{logger.class}"
    end

    # @return [String, Symbol, false, nil]
    # @raise [ConfigurationError] if it is no name, and not false or nil
    def self.events(name)
      return name if name.nil? || name == false
      return name if (name.is_a?(String) || name.is_a?(Symbol)) && !name.empty?

      raise ConfigurationError, "events: expected a name, false for none or nil, not #{name.inspect}"
    end

    def initialize(config_dir:, set:, registry:, handlers: nil, templates: nil, namespaces: nil, concurrency: nil)
      @config_dir = config_dir&.to_s
      @set = pairs(set)
      @registry = registry.is_a?(Registry) ? registry : raise(ConfigurationError, "registry: expected a Registry, not #{registry.inspect}")
      @extra = register(handlers)
      @templates = paths(templates)
      @set << pair('worker.namespaces', names(namespaces)) unless Array(namespaces).empty?
      @set << pair('worker.concurrency', whole(concurrency, 'concurrency')) unless concurrency.nil?
    end

    # @param hands_on [Boolean] whether steps become jobs of the host
    # @return [Hash{String=>Object}] of a worker
    def to_native(hands_on: false)
      common = to_adopt
      templates = Templates.collect(template_paths)
      common.merge('handler_classes' => handler_classes(templates), 'templates' => templates.to_native, 'hands_on' => hands_on)
    end

    # @return [Hash{String=>Object}] of an adopter
    def to_adopt
      host = TaskerCore.host
      host.configuration.announce(::Tasker.logger)
      host.load_handlers
      { 'config_dir' => @config_dir, 'overrides' => host.settings(@config_dir).to_a.reject { |key, _| @set.assoc(key) } + @set }
    end

    # Makes the hooks and events of workflows known in a process that runs their steps.
    # After {#to_adopt}, which loads them.
    # @return [Array<String>] what is wrong with some
    def prepare_workflows
      Templates.prepare(template_paths)
    end

    private

    def template_paths
      @templates.empty? ? TaskerCore.host.templates : @templates
    end

    # What this process certainly can run. A template may name handlers that live in
    # other processes, so its names count only if there is something behind them here.
    def handler_classes(templates)
      named = templates.handler_classes.select { |name| here?(name) }
      (@registry.names + @extra + loaded + named).uniq.sort
    end

    def here?(name)
      @registry.resolves?(name)
    rescue StandardError, ScriptError => e
      raise StartError, "a resolver failed when it was asked for the handler #{name}, which a template names: " \
                        "#{e.message} (#{e.class}, #{e.backtrace&.first})"
    end

    # Of both styles; the engine's own classes are for no step.
    def loaded
      engine = defined?(::Tasker::StepHandler::Base) ? below(::Tasker::StepHandler::Base) : []
      (StepHandler.loaded + engine).map(&:name).compact.reject { |name| name.start_with?('Tasker::') }
    end

    def below(handler)
      handler.subclasses.flat_map { |subclass| [subclass, *below(subclass)] }
    end

    def register(handlers)
      case handlers
      when nil then []
      when Hash then handlers.map { |name, target| added(name, target) }
      else Array(handlers).map { |handler| handler.is_a?(Class) ? added(handler.name, handler) : list(handler, 'handlers').first }
      end
    end

    def added(name, target)
      @registry.register(name, target)
      name.to_s
    rescue UnusableHandler, ArgumentError => e
      raise ConfigurationError, "handlers: #{e.message}"
    end

    def pairs(set)
      return [] if set.nil?
      raise ConfigurationError, "set: expected a Hash of section.key => value, not #{set.class}" unless set.respond_to?(:to_hash)

      set.to_hash.map { |key, value| pair(key, value) }
    end

    def pair(key, value)
      text = value.is_a?(Array) ? value.join(',') : value.to_s
      raise ::EncodingError unless text.encode(::Encoding::UTF_8).valid_encoding?

      [key.to_s, text]
    rescue ::EncodingError
      # Without the value: it may be a password.
      raise ConfigurationError, "set: the value of #{key} is no text in UTF-8"
    end

    # Nothing but empty names would mean every namespace, which nobody meant who gave one.
    def names(namespaces)
      list(namespaces, 'namespaces').each do |name|
        next if name.match?(/[^\s,]/)

        raise ConfigurationError, "namespaces: #{name.inspect} names none (is a variable unset?); leave it out for every " \
                                  'namespace with a step for one of the handlers'
      end
    end

    def paths(templates)
      list(templates, 'templates').map do |path|
        next path if File.exist?(path)

        raise ConfigurationError, "templates: there is no file or directory #{path}"
      end
    end

    def list(values, name)
      Array(values).map do |value|
        next value.to_s if value.is_a?(String) || value.is_a?(Symbol) || value.respond_to?(:to_path)

        raise ConfigurationError, "#{name}: expected text, not #{value.inspect}"
      end
    end

    def whole(value, name)
      return value if value.is_a?(Integer) && value.positive?

      raise ConfigurationError, "#{name}: expected a whole number from 1, not #{value.inspect}"
    end
  end
end
