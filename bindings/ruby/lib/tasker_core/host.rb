# frozen_string_literal: true

require_relative 'files'

module TaskerCore
  # What a worker gets from the application it runs in, beyond its options.
  #
  # This is the one for a process without a framework; in Rails, {RailsHost} takes its
  # place.
  #
  # @api private
  class Host
    # Handlers that run at once where nobody says another number. One thread of Ruby works
    # at a time, so more of them only serve handlers that wait for something.
    CONCURRENCY = 16

    # @return [Tasker::Configuration] what the application has set
    # @raise [ConfigurationError] if a value of it is refused
    def configuration
      ::Tasker.configuration.check!
    rescue ::Tasker::ConfigurationError => e
      raise ConfigurationError, e.message
    end

    # Loads what defines handlers, before they are counted.
    # @return [void]
    def load_handlers; end

    # Runs the host's code on behalf of a thread of this gem.
    def run(code)
      code.call
    end

    # After code was reloaded.
    # @return [void]
    def reloaded; end

    # @return [Array<String>] files and directories of templates, where a worker names none
    def templates
      []
    end

    # @return [Symbol, String] how steps are run, where a worker does not say it
    def dispatch
      :inline
    end

    # @return [String, Symbol, #call, nil] the queue of the jobs of that dispatch
    def queue; end

    # Settings below variables and options. What a file says as well is left out, unless the
    # host has set it.
    #
    # @param config_dir [String, nil] of the worker
    # @return [Hash{String=>String}]
    def settings(config_dir)
      settings = ::Tasker.configuration.core_settings
      settings['worker.concurrency'] ||= concurrency.to_s unless said?(config_dir, 'worker.concurrency')
      settings
    end

    private

    def concurrency
      CONCURRENCY
    end

    # Whether a variable or a file says something of a setting.
    def said?(config_dir, setting)
      ::Tasker::Configuration::Review.variable?(setting) || Files.name?(config_dir, setting)
    end
  end

  class << self
    # @api private
    attr_accessor :host
  end
  @host = Host.new
end
