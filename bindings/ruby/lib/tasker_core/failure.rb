# frozen_string_literal: true

require_relative 'errors'
require_relative 'logging'
require_relative 'registry'

module TaskerCore
  # Turns what a handler raised into the report of a failed attempt.
  #
  # Whatever an exception does (a message that raises, bytes that are no text, a
  # backtrace of ten thousand lines), the report can be made.
  #
  # @api private
  module Failure
    MAX_MESSAGE_BYTES = 16 * 1024
    # Of a long backtrace the beginning says where, and the end says from where.
    FIRST_LINES = 60
    LAST_LINES = 20

    module_function

    # @param error [Exception]
    # @return [Hash{String=>Object}] what Native::Execution#fail takes
    def of(error)
      report = {
        'kind' => kind(error), 'message' => message(error),
        'error_class' => Logging.utf8(error.class.name || error.class.to_s), 'backtrace' => backtrace(error)
      }
      code = attribute(error, :error_code)
      report['error_code'] = Logging.utf8(code) unless code.nil?
      delay = seconds(attribute(error, :retry_after))
      report['retry_after_seconds'] = delay if delay
      context = attribute(error, :context)
      report['context'] = context if context.is_a?(Hash) && !context.empty?
      report
    end

    # @return [Hash{String=>Object}] the report of an attempt that ended without an exception
    def panic(message)
      { 'kind' => 'panic', 'message' => message, 'error_class' => 'TaskerCore::HandlerPanic' }
    end

    # The report without what could not be encoded.
    def without_context(report, problem)
      report.merge('context' => { 'left_out' => Logging.utf8(problem) })
    end

    def kind(error)
      case error
      when PermanentError, EncodingError then 'permanent'
      when UnusableHandler then error.code == Registry::NOT_LOADED ? 'retryable' : 'permanent'
      when StandardError then engine_permanent?(error) ? 'permanent' : 'retryable'
      else 'panic'
      end
    end

    # Handlers of both styles may share code that raises the engine's errors.
    def engine_permanent?(error)
      defined?(::Tasker::PermanentError) && error.is_a?(::Tasker::PermanentError)
    end

    def message(error)
      text = Logging.utf8(error.message)
      text = "an error of class #{error.class} without a message" if text.empty?
      text = ending(error, text) unless error.is_a?(StandardError)
      text.bytesize > MAX_MESSAGE_BYTES ? "#{text.byteslice(0, MAX_MESSAGE_BYTES).scrub('')} (cut)" : text
    rescue Exception => e # rubocop:disable Lint/RescueException
      "an error of class #{error.class} whose message cannot be read: #{e.class}"
    end

    # Ends of the program are for the program to decide.
    def ending(error, text)
      case error
      when SystemExit then "the handler tried to end the process (exit status #{error.status}): #{text}"
      when SignalException then "the handler raised a signal: #{text}"
      else text
      end
    end

    def backtrace(error)
      lines = error.backtrace || []
      if lines.size > FIRST_LINES + LAST_LINES
        left_out = lines.size - FIRST_LINES - LAST_LINES
        lines = [*lines.first(FIRST_LINES), "(#{left_out} lines left out)", *lines.last(LAST_LINES)]
      end
      lines.map { |line| Logging.utf8(line) }.join("\n")
    end

    def attribute(error, name)
      error.public_send(name) if error.respond_to?(name)
    rescue StandardError
      nil
    end

    def seconds(value)
      return nil unless value.respond_to?(:to_f) && !value.is_a?(String) && !value.nil?

      number = value.to_f
      number.finite? ? [number, 0.0].max : nil
    rescue StandardError
      nil
    end
  end
end
