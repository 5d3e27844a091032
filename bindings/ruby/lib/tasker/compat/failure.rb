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
        unreadable = lambda do |e|
          "an error of class #{class_of(error)} whose message cannot be read (#{class_of(e)})"
        end
        TaskerCore::Failure.ask(unreadable) { TaskerCore::Encoding.text(error.message) }
      end

      # @return [String]
      def self.class_of(error)
        TaskerCore::Failure.class_name(error)
      end

      # @param error [Exception]
      # @param step [WorkflowStep]
      # @param execution [TaskerCore::Native::Execution]
      def initialize(error, step, execution)
        @error = error
        @step = step
        @execution = execution
        @message = self.class.message_of(error)
        @error_class = self.class.class_of(error)
        @backtrace = TaskerCore::Failure.backtrace(error) do |lines|
          lines.map { |line| TaskerCore::Encoding.text(line, limit: 4096) }
        end
        @results = kept_results.merge('error' => @message, 'error_class' => @error_class, 'backtrace' => backtrace_text)
      end

      # @return [Hash{String=>Object}] what Native::Execution#fail takes
      def report
        {
          'kind' => kind, 'message' => @message, 'error_class' => @error_class, 'backtrace' => backtrace_text,
          'results' => @results, 'error_code' => error_code, 'context' => encoded_context, 'retry_after_seconds' => pause
        }.compact
      end

      # @return [Hash{Symbol=>Object}]
      def event_context
        { error_message: @message, error_class: @error_class, exception_class: @error_class, backtrace: @backtrace.first(10) }
      end

      private

      def kind
        case @error
        when PermanentError, TaskerCore::EncodingError, TaskerCore::RecordError then 'permanent'
        when StandardError then @step.retries_refused? ? 'permanent' : 'retryable'
        else 'panic'
        end
      end

      def backtrace_text
        @backtrace_text ||= TaskerCore::Encoding.text(@backtrace.join("\n"))
      end

      # Without what cannot be stored: that may be the very error.
      def kept_results
        before = ->(_) { @execution.previous_results }
        results = TaskerCore::Failure.ask(before) { TaskerCore::Encoding.plain(@step.results) }
        results.is_a?(Hash) ? results : {}
      end

      def error_code
        TaskerCore::Failure.ask do
          code = error_attribute(:error_code)
          code && TaskerCore::Encoding.text(code)
        end
      end

      def encoded_context
        left_out = ->(e) { { 'left_out' => self.class.message_of(e) } }
        context = TaskerCore::Failure.ask(left_out) do
          TaskerCore::Encoding.plain(error_attribute(:context), root: 'context')
        end
        context if context.is_a?(Hash) && context.any?
      end

      # What an API handler was asked to wait, if that is a time.
      def pause
        TaskerCore::Failure.ask do
          seconds = @step.backoff_request_seconds
          next unless kind == 'retryable' && seconds.is_a?(Numeric) && seconds.real? && seconds >= 0

          seconds if TaskerCore::Failure.seconds(seconds)
        end
      end

      def error_attribute(name)
        case @error
        when RetryableError, PermanentError then TaskerCore::Failure.attribute(@error, name)
        end
      end
    end
  end
end
