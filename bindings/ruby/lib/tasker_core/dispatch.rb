# frozen_string_literal: true

require_relative 'errors'

module TaskerCore
  # Steps as jobs of the host's own queue: a worker claims them and enqueues a job for each
  # (`dispatch: :sidekiq` or `:active_job`), and the host's processes run the handlers.
  #
  # A job carries a reference, a Hash that names one execution; contexts and results stay in
  # the database. The process that runs the job adopts the execution with it, see {Adopter}.
  # Rust goes on deciding what runs, and the attempts are the engine's: no job is retried
  # by the host.
  module Dispatch
    # The engine's own jobs went there, and every process of Sidekiq serves it unless it is
    # told otherwise.
    DEFAULT_QUEUE = 'default'
    # The gem that each way takes, and the file of its queue.
    WAYS = { active_job: 'active_job', sidekiq: 'sidekiq' }.freeze
    private_constant :WAYS

    autoload :Courier, "#{__dir__}/dispatch/courier"
    autoload :SidekiqQueue, "#{__dir__}/dispatch/sidekiq_queue"
    autoload :SidekiqJob, "#{__dir__}/dispatch/sidekiq_job"
    autoload :ActiveJobQueue, "#{__dir__}/dispatch/active_job_queue"
    autoload :ActiveJobJob, "#{__dir__}/dispatch/active_job_job"

    # Chooses the queue of a job.
    class Route
      # @param queue [String, Symbol, #call, nil] its name, or what gives one for a reference
      # @raise [ConfigurationError] if it is neither
      def initialize(queue)
        queue = DEFAULT_QUEUE if queue.nil?
        return if (@queue = queue).respond_to?(:call)

        @queue = name(queue)
      end

      # @return [String]
      def call(reference)
        @queue.respond_to?(:call) ? name(@queue.call(reference)) : @queue
      end

      # @return [String] for the log
      def to_s
        @queue.respond_to?(:call) ? 'by reference' : @queue
      end

      private

      def name(value)
        return value.to_s if (value.is_a?(String) || value.is_a?(Symbol)) && !value.empty?

        raise ConfigurationError, "queue: expected a name, or something to call with a reference that returns one, not #{value.inspect}"
      end
    end

    class << self
      # @param way [Symbol, String] `:inline`, `:active_job` or `:sidekiq`
      # @param queue [String, Symbol, #call, nil] as of {Worker#initialize}
      # @param default [String, Symbol, #call, nil] what the application says
      # @return [#push, nil] where references go; nil for inline
      # @raise [ConfigurationError] if there is no such way, or its framework is not installed
      # @api private
      def queue(way, queue, default: nil)
        way = way.respond_to?(:to_sym) ? way.to_sym : way
        return inline(queue) if way == :inline

        gem = WAYS[way] or
          raise ConfigurationError, "dispatch: expected one of inline, #{WAYS.keys.join(', ')}, not #{way.inspect}"
        route = Route.new(queue || default)
        load_framework(way, gem)
        way == :sidekiq ? SidekiqQueue.new(route) : ActiveJobQueue.new(route)
      end

      private

      def inline(queue)
        return if queue.nil?

        raise ConfigurationError, 'queue: handlers run in the worker itself (dispatch: inline), so there is no queue to name; ' \
                                  'leave it out, or give a dispatch'
      end

      def load_framework(way, gem)
        require gem
      rescue LoadError => e
        raise ConfigurationError, "dispatch: #{way} takes the gem #{gem == 'active_job' ? 'activejob' : gem}, which cannot be " \
                                  "loaded (#{e.message}): add it to the Gemfile, or choose another dispatch"
      end
    end
  end
end
