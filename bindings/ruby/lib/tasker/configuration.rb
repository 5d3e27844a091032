# frozen_string_literal: true

require_relative 'errors'
require_relative 'configuration/section'
require_relative 'configuration/defaults'
require_relative 'configuration/review'

module Tasker
  # The host's settings for the engine, in nine sections with the engine's defaults, and
  # one (`compatibility`) that the engine does not have.
  #
  #   Tasker.configuration do |config|
  #     config.backoff { |backoff| backoff.max_backoff_seconds = 120 }
  #     config.telemetry.service_name = 'shop'
  #   end
  #
  # What each key does here, and which values are refused, is in {Effects}.
  class Configuration
    DEFAULTS.each_key do |name|
      define_method(name) do |&block|
        section = @sections.fetch(name)
        block ? section.change(&block) : section
      end
    end

    def initialize
      @sections = DEFAULTS.to_h { |name, defaults| [name, Section.new(name, defaults)] }
    end

    # @return [Array<Symbol>] names of the sections
    def sections
      @sections.keys
    end

    # @return [Hash{Symbol=>Hash}]
    def to_h
      @sections.transform_values(&:to_h)
    end

    # @return [self]
    # @raise [ConfigurationError] listing every value that is refused
    def check!
      problems = Review.new(self).problems
      raise ConfigurationError, problems.join("\n") if problems.any?

      self
    end

    # After the host has said everything.
    # @api private
    # @return [self]
    def refresh
      @sections.each_value(&:refresh)
      self
    end

    # Says once what was set and has no effect.
    # @api private
    # @return [void]
    def announce(logger)
      (Review.new(self).notes - (@announced ||= [])).each do |note|
        @announced << note
        logger.warn(note)
      end
    end

    # @api private
    # @return [Hash{String=>String}] what becomes settings of the Rust core
    def core_settings
      Review.new(self).core_settings
    end

    def method_missing(name, *_args)
      # Array() asks this of every object.
      return super if name.start_with?('to_')

      raise ConfigurationError, "Tasker.configuration has no section #{name.to_s.delete_suffix('=')}; " \
                                "#{Nearest.hint(name.to_s.delete_suffix('='), sections)}"
    end

    def respond_to_missing?(_name, _private = false)
      false
    end

    class << self
      # The process's configuration; with a block, after the block has changed it.
      # @return [Configuration]
      def configuration
        @configuration ||= new
        yield @configuration if block_given?
        @configuration
      end

      # Back to the defaults, for tests.
      # @return [Configuration]
      def reset_configuration!
        @configuration = new
      end
    end
  end

  class << self
    # @yieldparam config [Configuration]
    # @return [Configuration]
    def configuration(&block)
      Configuration.configuration(&block)
    end
    alias configure configuration

    # @return [Configuration] the defaults
    def reset_configuration!
      Configuration.reset_configuration!
    end
  end
end
