# frozen_string_literal: true

module Tasker
  module Compat
    # What is stored and told of an attempt that raised.
    #
    # @api private
    class Failure
      # @return [Hash{String=>Object}] the results as the Rails engine leaves them: what
      #   was there or was assigned, and the error
      attr_reader :results
      # @return [String]
      attr_reader :message, :error_class

      # A handler's own error class may raise in `message`, or give no text.
      #
      # @return [String] that can be stored
      def self.message_of(error)
        TaskerCore::Encoding.text(error.message)
      rescue StandardError => e
        "an error of class #{error.class} whose message cannot be read (#{e.class})"
      end

      # @param error [Exception]
      # @param step [WorkflowStep]
      # @param execution [TaskerCore::Native::Execution]
      def initialize(error, step, execution)
        @error = error
        @step = step
        @execution = execution
        @message = self.class.message_of(error)
        @error_class = error.class.name || error.class.to_s
        @backtrace = (error.backtrace || []).map { |line| TaskerCore::Encoding.text(line, limit: 4096) }
        @results = kept_results.merge('error' => @message, 'error_class' => @error_class, 'backtrace' => backtrace_text)
      end

      # @return [Hash{String=>Object}] what Native::Execution#fail takes
      def report
        report = {
          'kind' => kind, 'message' => @message, 'error_class' => @error_class, 'backtrace' => backtrace_text,
          'results' => @results
        }
        code = error_attribute(:error_code)
        report['error_code'] = TaskerCore::Encoding.text(code) if code
        context = encoded_context
        report['context'] = context if context.is_a?(Hash) && context.any?
        seconds = @step.backoff_request_seconds
        report['retry_after_seconds'] = seconds if seconds.is_a?(Numeric) && seconds >= 0 && kind == 'retryable'
        report
      end

      # @return [Hash{Symbol=>Object}]
      def event_context
        { error_message: @message, error_class: @error_class, exception_class: @error_class, backtrace: @backtrace.first(10) }
      end

      private

      def kind
        case @error
        when PermanentError, TaskerCore::EncodingError, TaskerCore::RecordError then 'permanent'
        when StandardError then 'retryable'
        else 'panic'
        end
      end

      def backtrace_text
        @backtrace_text ||= TaskerCore::Encoding.text(@backtrace.join("\n"))
      end

      # Without what cannot be stored: that may be the very error.
      def kept_results
        results = TaskerCore::Encoding.plain(@step.results)
        results.is_a?(Hash) ? results : {}
      rescue TaskerCore::EncodingError
        before = @execution.previous_results
        before.is_a?(Hash) ? before : {}
      end

      def encoded_context
        context = error_attribute(:context)
        context.nil? ? nil : TaskerCore::Encoding.plain(context, root: 'context')
      rescue TaskerCore::EncodingError => e
        { 'left_out' => e.message }
      end

      def error_attribute(name)
        @error.public_send(name) if @error.is_a?(RetryableError) || @error.is_a?(PermanentError)
      rescue StandardError
        nil
      end
    end
  end
end
