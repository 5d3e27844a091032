# frozen_string_literal: true

require 'singleton'

module Tasker
  # Task handlers by namespace, name and version, for the whole process.
  class HandlerFactory
    include Singleton

    DEFAULT_NAMESPACE = 'default'
    DEFAULT_VERSION = '0.1.0'

    def initialize
      @lock = Mutex.new
      @handlers = {}.freeze
    end

    # @param name [String, Symbol]
    # @param class_or_name [Class, String]
    # @param replace [Boolean] whether one that is there may be replaced
    # @return [true]
    # @raise [ProceduralError] if there is one and `replace` is false
    def register(name, class_or_name, namespace_name: DEFAULT_NAMESPACE, version: DEFAULT_VERSION, replace: false)
      key = key(name, namespace_name, version)
      @lock.synchronize do
        present = @handlers[key]
        if present && !replace && present.to_s != class_or_name.to_s
          raise ProceduralError, "there is a task handler for #{described(*key)} already (#{present}); " \
                                 'pass replace: true to replace it'
        end
        @handlers = @handlers.merge(key => class_or_name).freeze
      end
      true
    end

    # @return [Object] a new instance of the task handler
    # @raise [ProceduralError] if there is none
    def get(name, namespace_name: DEFAULT_NAMESPACE, version: DEFAULT_VERSION)
      found = @handlers[key(name, namespace_name, version)]
      raise ProceduralError, none(name, namespace_name, version) unless found

      class_of(found).new
    rescue NameError => e
      raise ProceduralError, "#{none(name, namespace_name, version)}: #{e.message}"
    end

    # As {#get}, with nil instead of an error where nothing is registered.
    # @api private
    def handler_of(name, namespace_name, version)
      found = @handlers[[namespace_name.to_sym, name.to_sym, version]]
      found && class_of(found).new
    end

    # Forgets one, or all.
    # @return [void]
    def unregister(name, namespace_name: DEFAULT_NAMESPACE, version: DEFAULT_VERSION)
      @lock.synchronize { @handlers = @handlers.except(key(name, namespace_name, version)).freeze }
    end

    # @return [void]
    def clear
      @lock.synchronize { @handlers = {}.freeze }
    end

    # @param namespace [String, Symbol, nil] only this one's
    # @return [Hash{Symbol=>Hash}] by namespace, name and version
    def list_handlers(namespace: nil)
      tree = {}
      @handlers.each do |(space, name, version), handler|
        ((tree[space] ||= {})[name] ||= {})[version] = handler
      end
      namespace ? tree.fetch(namespace.to_sym, {}) : tree
    end
    alias handler_classes list_handlers

    # @return [Array<Symbol>]
    def registered_namespaces
      @handlers.keys.map(&:first).uniq
    end
    alias namespaces registered_namespaces

    # @return [Hash{Symbol=>Integer}]
    def stats
      {
        total_handlers: @handlers.size, total_namespaces: registered_namespaces.size,
        total_names: @handlers.keys.map { |space, name, _| [space, name] }.uniq.size
      }
    end

    # @yieldparam name [String]
    # @yieldparam namespace_name [String]
    # @yieldparam version [String]
    # @yieldparam handler [Class]
    # @api private
    def each_handler
      @handlers.each { |(space, name, version), handler| yield name.to_s, space.to_s, version, class_of(handler) }
    end

    private

    def key(name, namespace_name, version)
      [namespace_name.to_s.to_sym, name.to_s.to_sym, version.to_s]
    end

    def class_of(class_or_name)
      class_or_name.is_a?(Class) ? class_or_name : class_or_name.to_s.camelize.constantize
    end

    def described(namespace, name, version)
      namespace == DEFAULT_NAMESPACE.to_sym && version == DEFAULT_VERSION ? name.to_s : "#{namespace}/#{name} #{version}"
    end

    def none(name, namespace, version)
      text = "No task handler for #{name}"
      namespace.to_s == DEFAULT_NAMESPACE ? text : "#{text} in namespace #{namespace} and version #{version}"
    end
  end
end
