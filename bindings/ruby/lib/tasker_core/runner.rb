# frozen_string_literal: true

require_relative 'around'
require_relative 'context'
require_relative 'errors'
require_relative 'event_feed'
require_relative 'failure'
require_relative 'logging'
require_relative 'records'
require_relative 'registry'

module TaskerCore
  # Runs the handler of one claimed step and answers it.
  #
  # INVARIANT: {#call} returns or its thread ends, and in both cases the step has been
  # answered. Nothing a handler or its exception does comes out as an exception, but for
  # what the owner of the thread says is his.
  #
  # @api private
  class Runner
    # What each of the remedies in {EncodingError} has in common.
    SAME_AGAIN = 'Another attempt would return the same, so none is made.'
    # What the code of others raises for its own reasons, and nobody to end a thread.
    ITS_OWN = [StandardError, ScriptError, SystemStackError].freeze
    # Made once: it is used between any two handlers.
    AT_ONCE = { Object => :immediate }.freeze
    ENDED = 'the handler ended its thread (Thread.exit or Thread#kill)'
    private_constant :SAME_AGAIN, :ITS_OWN, :AT_ONCE, :ENDED

    # @param execution [Native::Execution]
    # @param error [EncodingError]
    # @return [EncodingError] the same, saying whose results they are
    def self.refused(execution, error)
      problem = "handler #{execution.handler_class} returned what cannot be stored as results: #{error.message}. #{SAME_AGAIN}"
      EncodingError.new(problem, code: error.code).tap { |refusal| refusal.set_backtrace(error.backtrace) }
    end

    # @param leaving [Class, nil] what is raised in a thread whose owner takes it back: the
    #   step is handed back uncounted then, and the exception goes on
    def initialize(registry: TaskerCore.registry, logger: TaskerCore.logger, engine: nil, around: TaskerCore.around, leaving: nil)
      @registry = registry
      @leaving = leaving
      @logger = logger
      @engine = engine
      @around = around
      @unknown = {}
      @pid = Process.pid
    end

    # @param execution [Native::Execution]
    # @return [void]
    def call(execution)
      if execution.begin
        # Timeout.timeout, and whoever else raises in this thread on behalf of the
        # handler, must reach it; outside of it nothing may get in between.
        Thread.handle_interrupt(AT_ONCE) { @around.run(execution) { run(execution) } }
      else
        # While it waited for a thread somebody else has answered it, or has it now.
        execution.fail('kind' => 'retryable', 'error_class' => 'TaskerCore::Cancelled',
                          'message' => 'the attempt was cancelled before its handler began')
      end
    rescue Exception => e # rubocop:disable Lint/RescueException
      left = @leaving && @leaving === e && left(execution, e) # rubocop:disable Style/CaseEquality
      failed(execution, e) unless left
      raise if left
    ensure
      # Thread.exit and Thread#kill cannot be rescued, but they do come by here.
      report(execution, Failure.panic(ENDED)) unless forked? || execution.answered?
      EventFeed.hurry
    end

    private

    def run(execution)
      resolved = @registry.resolve(execution.handler_class)
      case resolved.kind
      when :engine then (@engine ||= engine).run(execution, resolved.target)
      when :call then perform(execution) { resolved.target.new.call(context(execution)) }
      else perform(execution) { resolved.target.call(context(execution)) }
      end
    rescue UnknownHandler => e
      # One that a handler raised for its own reasons is that handler's failure.
      raise if resolved

      unknown(execution, e)
    end

    def perform(execution)
      events = events_of(execution)
      events&.began
      value = yield
      counted = finish(execution, value)
      # Somebody may have subscribed meanwhile.
      (events || events_of(execution))&.completed(value) if counted
    end

    # Those of the engine's API, where that is loaded and somebody listens.
    def events_of(execution)
      return if !defined?(::Tasker::Compat::StepEvents) || ::Tasker::Events.quiet?

      ::Tasker::Compat::StepEvents.new(execution)
    end

    def context(execution)
      Context.new(execution, @logger)
    end

    def engine
      require 'tasker'
      ::Tasker::Compat::Runner
    end

    def finish(execution, value)
      return if forked?

      execution.succeed(value)
    rescue EncodingError => e
      plain = objects(value)
      raise self.class.refused(execution, e) if plain.nil?

      begin
        execution.succeed(plain)
      rescue EncodingError => e
        raise self.class.refused(execution, e)
      end
    end

    # @return [Object, nil] nil if that changes nothing, or a record cannot be made one
    def objects(value)
      plain = Records.to_objects(value)
      plain unless plain.equal?(value)
    rescue *ITS_OWN
      nil
    end

    def unknown(execution, error)
      execution.no_handler
      name = execution.handler_class
      return if @unknown.key?(name)

      @unknown[name] = true
      tell(execution, :warn, "#{error.message}. The step goes back uncounted; this is said once")
    end

    # A child that the handler forked off came back here. The step is its parent's.
    def forked?
      Process.pid != @pid
    end

    # @return [Boolean] false in a forked child: the step is its parent's
    def left(execution, error)
      return false if forked?

      execution.hand_back
      tell(execution, :info, 'the host takes its thread back before the handler has finished; the step goes back uncounted',
           error_class: Failure.class_name(error))
      true
    end

    def failed(execution, error)
      report(execution, Failure.of(error)) unless forked?
    end

    def report(execution, report)
      counted = answer(execution, report)
      events_of(execution)&.failed(report) if counted
      level = report['kind'] == 'panic' ? :error : :warn
      tell(execution, level, "attempt failed: #{report['message']}",
           error_class: report['error_class'], kind: report['kind'], stale: !counted)
    end

    # What may be in the way of a report is its context, in which even a key may be an
    # object of the handler's.
    #
    # @return [Boolean] whether it counted
    def answer(execution, report)
      again = ->(e) { execution.fail(Failure.without_context(report, e)) }
      Failure.ask(again) { execution.fail(report) }
    rescue StandardError => e
      tell(execution, :error, "the step cannot be answered: #{e.message}", error_class: e.class.name)
      false
    end

    def tell(execution, level, message, **fields)
      Logging::StepLogger.new(@logger, Logging.step_fields(execution)).public_send(level, message, **fields)
    rescue *ITS_OWN
      # A logger that fails must not cost a step.
      nil
    end
  end
end
