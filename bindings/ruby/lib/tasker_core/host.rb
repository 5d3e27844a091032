# frozen_string_literal: true

module TaskerCore
  # What a worker gets from the application it runs in, beyond its options.
  #
  # This is the one for a process without a framework; in Rails, {RailsHost} takes its
  # place.
  #
  # @api private
  class Host
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

    # Settings below variables and options, above files.
    #
    # @param config_dir [String, nil] of the worker
    # @return [Hash{String=>String}]
    def settings(_config_dir)
      ::Tasker.configuration.core_settings
    end
  end

  class << self
    # @api private
    attr_accessor :host
  end
  @host = Host.new
end
