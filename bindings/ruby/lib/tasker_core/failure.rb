# frozen_string_literal: true

require_relative 'errors'
require_relative 'logging'
require_relative 'registry'

module TaskerCore
  # Turns what a handler raised into the report of a failed attempt.
  #
  # INVARIANT: whatever an exception does (a message that raises, bytes that are no text, a
  # backtrace of ten thousand lines), the report can be made: what is its own code is called
  # through {.ask}, and the rest asks Ruby.
  #
  # @api private
  module Failure
    MAX_MESSAGE_BYTES = 16 * 1024
    # Of a long backtrace the beginning says where, and the end says from where.
    FIRST_LINES = 60
    LAST_LINES = 20
    # What an exception has for these may be redefined.
    CLASS = ::Kernel.instance_method(:class)
    NAME = ::Module.instance_method(:to_s)
    BACKTRACE = ::Exception.instance_method(:backtrace)
    private_constant :CLASS, :NAME, :BACKTRACE

    module_function

    # @param error [Exception]
    # @return [Hash{String=>Object}] what Native::Execution#fail takes
    def of(error)
      report = {
        'kind' => kind(error), 'message' => message(error), 'error_class' => class_name(error),
        'backtrace' => backtrace(error) { |lines| shortened(lines).map { |line| text(line) }.join("\n") }
      }
      code = error_code(error)
      report['error_code'] = code if code
      delay = seconds(attribute(error, :retry_after))
      report['retry_after_seconds'] = delay if delay
      context = attribute(error, :context)
      report['context'] = context if Hash === context && ask { !context.empty? } # rubocop:disable Style/CaseEquality
      report
    end

    # What the block says, which calls code of an exception, or nil: whatever that raises
    # is no reason that the exception is not reported. A host that takes its thread back
    # meanwhile gets it afterwards.
    #
    # @param instead [#call, nil] gets what was raised, and gives what is said instead
    def ask(instead = nil)
      Thread.handle_interrupt(SignalException => :never) do
        yield
      rescue Exception => e # rubocop:disable Lint/RescueException
        instead&.call(e)
      end
    end

    # @return [Hash{String=>Object}] the report of an attempt that ended without an exception
    def panic(message)
      { 'kind' => 'panic', 'message' => message, 'error_class' => 'TaskerCore::HandlerPanic' }
    end

    # The report without the context, which could not be encoded.
    def without_context(report, error)
      report.merge('context' => { 'left_out' => message(error) })
    end

    def kind(error)
      case error
      when PermanentError, EncodingError then 'permanent'
      when UnusableHandler then ask { Registry::NOT_LOADED == error.code } ? 'retryable' : 'permanent'
      when StandardError then engine_permanent?(error) ? 'permanent' : 'retryable'
      else 'panic'
      end
    end

    # Handlers of both styles may share code that raises the engine's errors.
    def engine_permanent?(error)
      defined?(::Tasker::PermanentError) && ::Tasker::PermanentError === error # rubocop:disable Style/CaseEquality
    end

    # @return [String]
    def class_name(error)
      klass = CLASS.bind_call(error)
      ask { text(klass.name || klass) } || text(NAME.bind_call(klass))
    end

    # @return [String]
    def message(error)
      unreadable = ->(e) { "an error of class #{class_name(error)} whose message cannot be read: #{class_name(e)}" }
      ask(unreadable) do
        text = text(error.message)
        text = "an error of class #{class_name(error)} without a message" if text.empty?
        text = ending(error, text)
        text.bytesize > MAX_MESSAGE_BYTES ? "#{text.byteslice(0, MAX_MESSAGE_BYTES).scrub('')} (cut)" : text
      end
    end

    # Ends of the program are for the program to decide.
    def ending(error, text)
      case error
      when SystemExit then "the handler tried to end the process (exit status #{error.status}): #{text}"
      when SignalException then "the handler raised a signal: #{text}"
      else text
      end
    end

    # What the block makes of the lines: of those that the exception tells, else of its own.
    def backtrace(error)
      ask { yield Array(error.backtrace) } || yield(Array(BACKTRACE.bind_call(error)))
    end

    def shortened(lines)
      return lines if lines.size <= FIRST_LINES + LAST_LINES

      left_out = lines.size - FIRST_LINES - LAST_LINES
      [*lines.first(FIRST_LINES), "(#{left_out} lines left out)", *lines.last(LAST_LINES)]
    end

    def attribute(error, name)
      ask { error.public_send(name) if error.respond_to?(name) }
    end

    # @return [String, nil]
    def error_code(error)
      ask do
        code = attribute(error, :error_code)
        code.nil? ? nil : text(code)
      end
    end

    # @return [Float, nil] nil for a pause that is none
    def seconds(value)
      ask do
        next if value.nil? || value.is_a?(String) || !value.respond_to?(:to_f)

        number = value.to_f
        number.finite? ? [number, 0.0].max : nil
      end
    end

    # Of no class of the handler's, as a message may be.
    def text(value)
      ::String.new(Logging.utf8(value))
    end
  end
end
