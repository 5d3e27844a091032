# frozen_string_literal: true

require_relative '../host'
require_relative 'code'
require_relative 'database'

module TaskerCore
  # A Rails application as the place a worker runs in: where its workflows are, how its
  # code is loaded and reloaded, and what it says of database and threads.
  #
  # Nothing of this starts a worker, a thread or a connection by itself: web processes,
  # consoles, Spring and Puma's master may load the gem and fork as they like.
  #
  # @api private
  class RailsHost < Host
    # @param application [Rails::Application]
    def initialize(application)
      super()
      @application = application
      @loaded = false
    end

    # Wraps a run of a handler as Rails wraps a request: code is reloaded before it where
    # it has changed, the query cache lives as long as it, and connections go back to
    # their pools after it.
    def run(handler)
      @application.reloader.wrap { handler.call }
    end

    # Loads the task handler classes, for a class that nobody has named yet has
    # registered nothing.
    # @return [void]
    # @raise [ConfigurationError] naming the file that fails
    def load_handlers
      @loaded = true
      directory = handler_directory
      return if @application.config.eager_load || !directory.directory?

      @application.executor.wrap { Code.load(directory.to_s) }
    end

    # After a reload: handlers register anew, if this process has a worker.
    # @return [void]
    def reloaded
      load_handlers if @loaded
    end

    # @return [Array<String>]
    def templates
      directory = ::Tasker.root.join('config', ::Tasker.configuration.engine.task_config_directory.to_s)
      directory.directory? ? [directory.to_s] : []
    end

    # @return [Symbol, String]
    def dispatch
      @application.config.tasker_core.dispatch || super
    end

    # @return [String, Symbol, #call, nil]
    def queue
      @application.config.tasker_core.queue
    end

    # @return [Hash{String=>String}]
    def settings(config_dir)
      settings = super
      settings['database.url'] ||= database_url(config_dir)
      settings.compact
    end

    # @return [Pathname]
    def handler_directory
      ::Tasker.root.join('app', ::Tasker.configuration.engine.task_handler_directory.to_s)
    end

    private

    def database_url(config_dir)
      database = ::Tasker.configuration.database
      secondary = database.name if database.enable_secondary_database
      return nil if ::Tasker::Configuration::Review.variable?('database.url')
      return Database.url(secondary) if secondary
      return nil if Files.name?(config_dir, 'database.url')

      ENV['DATABASE_URL'].present? ? Database.for_core(ENV['DATABASE_URL']) : Database.url
    end

    # A handler that waits for a connection of a pool that is too small fails.
    def concurrency
      defined?(::ActiveRecord::Base) ? ::ActiveRecord::Base.connection_pool.size : super
    rescue ::ActiveRecord::ActiveRecordError
      # It is loaded, and the application has no database.
      super
    end
  end
end
