# frozen_string_literal: true

# What a Rails application has loaded already, and handlers take for granted.
require 'logger'
require 'active_support'
require 'active_support/all'
require 'active_support/parameter_filter'
require 'bigdecimal'
require 'bigdecimal/util'
require 'date'
require 'digest'
require 'json'
require 'monitor'
require 'ostruct'
require 'pathname'
require 'securerandom'
require 'set'
require 'singleton'
require 'time'
require 'uri'

# The API of the Rails engine Tasker, so that its step handlers and workflows run on
# Tasker Core unchanged. Loaded by `require 'tasker_core'`; it needs neither Rails nor
# the native extension, so handlers can be tested with it alone.
module Tasker
  # Of the API, which is the engine's, not of the gem.
  VERSION = '0.1.0'

  class << self
    # Set it to write elsewhere than the host's logger.
    attr_writer :logger

    # @return [::Logger] the one that was set, else Rails', else the worker's
    def logger
      @logger || rails_logger || worker_logger
    end

    # @return [String] the Rails environment, or what the process's variables say
    def environment
      return ::Rails.env.to_s if defined?(::Rails) && ::Rails.respond_to?(:env)

      ENV['RAILS_ENV'] || ENV['RACK_ENV'] || ENV['TASKER_ENV'] || 'development'
    end

    # @return [Pathname] the application's directory
    def root
      rails = ::Rails.root if defined?(::Rails) && ::Rails.respond_to?(:root)
      Pathname.new(rails || Dir.pwd)
    end

    private

    def rails_logger
      ::Rails.logger if defined?(::Rails) && ::Rails.respond_to?(:logger)
    end

    def worker_logger
      return ::TaskerCore.logger if defined?(::TaskerCore) && ::TaskerCore.respond_to?(:logger)

      @own_logger ||= ::Logger.new($stderr, level: ::Logger::INFO)
    end
  end
end

# Times are UTC in the engine, as in a Rails application that says nothing else.
Time.zone_default ||= Time.find_zone!('UTC')

require_relative 'tasker_core/encoding'
require_relative 'tasker/errors'
require_relative 'tasker/constants'
require_relative 'tasker/configuration'
require_relative 'tasker/compat/stand_ins'
require_relative 'tasker/events'
require_relative 'tasker/concerns/event_publisher'
require_relative 'tasker/types/step_sequence'
require_relative 'tasker/types/task_request'
require_relative 'tasker/types/step_template'
require_relative 'tasker/models/catalogue'
require_relative 'tasker/models/annotations'
require_relative 'tasker/models/task'
require_relative 'tasker/models/workflow_step'
require_relative 'tasker/step_handler/base'
require_relative 'tasker/step_handler/api'
require_relative 'tasker/task_handler'
require_relative 'tasker/configured_task'
require_relative 'tasker/compat/engine_names'
require_relative 'tasker/compat/failure'
require_relative 'tasker/compat/handler_source'
require_relative 'tasker/compat/hooks'
require_relative 'tasker/compat/end_hooks'
require_relative 'tasker/compat/runner'
