# frozen_string_literal: true

require_relative 'errors'
require_relative 'host'
require_relative 'registry'
require_relative 'step_handler'

module TaskerCore
  # The options of a worker, as the native side takes them.
  #
  # Settings are checked there, with those of files and variables. What is checked here
  # is what only Ruby can mistake: types.
  #
  # @api private
  class Settings
    def initialize(config_dir:, set:, registry:, handlers: nil, templates: nil, namespaces: nil, concurrency: nil)
      @config_dir = config_dir&.to_s
      @set = pairs(set)
      @registry = registry
      @extra = register(handlers)
      @templates = paths(templates)
      @set << ['worker.namespaces', list(namespaces, 'namespaces').join(',')] unless Array(namespaces).empty?
      @set << ['worker.concurrency', whole(concurrency, 'concurrency').to_s] unless concurrency.nil?
    end

    # @param hands_on [Boolean] whether steps become jobs of the host
    # @return [Hash{String=>Object}] of a worker
    def to_native(hands_on: false)
      common = to_adopt
      templates = Templates.collect(@templates.empty? ? TaskerCore.host.templates : @templates)
      common.merge('handler_classes' => handler_classes(templates), 'templates' => templates.to_native, 'hands_on' => hands_on)
    end

    # @return [Hash{String=>Object}] of an adopter
    def to_adopt
      host = TaskerCore.host
      host.configuration.announce(::Tasker.logger)
      host.load_handlers
      { 'config_dir' => @config_dir, 'overrides' => host.settings(@config_dir).to_a.reject { |key, _| @set.assoc(key) } + @set }
    end

    private

    # What this process certainly can run. A template may name handlers that live in
    # other processes, so its names count only if there is something behind them here.
    def handler_classes(templates)
      named = templates.handler_classes.select { |name| @registry.resolves?(name) }
      (@registry.names + @extra + loaded + named).uniq.sort
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
      else Array(handlers).map { |handler| handler.is_a?(Class) ? added(handler.name, handler) : handler.to_s }
      end
    end

    def added(name, target)
      @registry.register(name, target)
      name.to_s
    rescue UnusableHandler, ArgumentError => e
      raise ConfigurationError, "handlers: #{e.message}"
    end

    def pairs(set)
      raise ConfigurationError, "set: expected a Hash of section.key => value, not #{set.class}" unless set.respond_to?(:to_h)

      set.to_h.map { |key, value| [key.to_s, value.is_a?(Array) ? value.join(',') : value.to_s] }
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
