# frozen_string_literal: true

require_relative 'base'

module Tasker
  module StepHandler
    # A handler whose work is one HTTP request:
    #
    #   class FetchCart < Tasker::StepHandler::Api
    #     def process(task, _sequence, _step)
    #       connection.get("/carts/#{task.context['cart_id']}")
    #     end
    #
    #     def process_results(step, response, _initial_results)
    #       step.results = { cart: JSON.parse(response.body) }
    #     end
    #   end
    #
    # The status of what `process` returns decides: 200 to 226 is success; 429 and 503
    # fail the attempt and ask for a pause, the server's (Retry-After) or a growing one;
    # 400, 401, 403, 404 and 422 fail the step for good; all others fail the attempt.
    class Api < Base
    end
  end
end

require_relative 'api/config'
require_relative 'api/response_judge'

module Tasker
  module StepHandler
    class Api < Base
      # @return [Faraday::Connection]
      attr_reader :connection
      # @return [Config]
      attr_reader :config

      # Faraday is loaded with the first class that needs it, before its body is read:
      # handlers name Faraday's classes.
      def self.inherited(subclass)
        super
        require 'faraday'
      end

      # @param config [Config]
      # @yieldparam connection [Faraday::Connection] to configure it
      def initialize(config: Config.new, &block)
        super(config: config)
        @connection = build_connection(config, &block)
      end

      # The framework's: as {Base#handle}, with the response judged in between.
      #
      # @return [Object] what `process` returned
      def handle(task, sequence, step)
        publish_step_started(step)
        publish_step_before_handle(step)
        begin
          response = execute_api_workflow(task, sequence, step)
          publish_step_completed(step)
          response
        rescue StandardError => e
          handle_execution_error(step, e)
          raise
        end
      end

      # The request. Override it.
      #
      # @return [Faraday::Response, Hash] a Hash needs :status
      def process(_task, _sequence, _step)
        raise NotImplementedError, "#{self.class.name} has no process(task, sequence, step)"
      end

      private

      def build_connection(config, &block)
        require 'faraday'
        url = URI.parse(config.url.to_s)
        unless url.scheme && url.host
          raise ArgumentError, 'the url of an API handler needs scheme and host, such as https://example.com, not ' +
                               config.url.inspect
        end

        options = { url: config.url, params: config.params, headers: config.headers, ssl: config.ssl }.compact
        Faraday.new(**options, &block)
      rescue URI::InvalidURIError => e
        raise ArgumentError, "the url of an API handler cannot be read: #{e.message}"
      end

      def execute_api_workflow(task, sequence, step)
        initial_results = step.results
        response = process(task, sequence, step)
        handle_api_response(step, response)
        process_results(step, response, initial_results)
        response
      end

      # @raise [RetryableError, PermanentError, ArgumentError] if it is no success
      def handle_api_response(step, response)
        ResponseJudge.check!(step, response)
      end

      def handle_execution_error(step, error)
        apply_backoff(step, error)
        add_error_to_results(step, error)
        publish_step_failed(step, error: error)
      end

      # Which errors ask for a pause.
      def apply_backoff(step, error)
        case error
        when PermanentError then nil
        when RetryableError
          request_backoff(step, error.retry_after) unless error.respond_to?(:skip_backoff?) && error.skip_backoff?
        when Faraday::Error
          status, headers, = ResponseJudge.parts_of(error.response)
          request_backoff(step, ResponseJudge.retry_after(headers)) if ResponseJudge::BACKOFF.include?(status)
        end
      end

      def request_backoff(step, retry_after)
        if retry_after.is_a?(Numeric)
          server_requested_backoff(step, retry_after)
        elsif config.enable_exponential_backoff
          exponential_backoff(step)
        else
          Tasker.logger.warn("step #{step.name} (#{step.workflow_step_id}): nobody said how long to wait, and exponential " \
                             "backoff is off; the step's own pause rules")
        end
      end

      def server_requested_backoff(step, retry_after)
        seconds = [retry_after, Tasker.configuration.backoff.max_backoff_seconds].min.to_i
        step.backoff_request_seconds = seconds
        publish_step_backoff(step, backoff_seconds: seconds, backoff_type: 'server_requested', retry_after: retry_after)
      end

      def exponential_backoff(step)
        settings = Tasker.configuration.backoff
        step.attempts ||= 0
        execution = step.attempts + 1
        least = settings.default_backoff_seconds.first * 0.5
        seconds = [settings.calculate_backoff_seconds(execution), least].max
        step.backoff_request_seconds = seconds
        step.last_attempted_at = Time.current
        publish_step_backoff(step, backoff_seconds: seconds, backoff_type: 'exponential', attempt: step.attempts,
                                   calculated_attempt: execution, base_delay: settings.default_backoff_seconds.first,
                                   multiplier: settings.backoff_multiplier, jitter_enabled: settings.jitter_enabled,
                                   jitter_max_percentage: settings.jitter_max_percentage)
      end

      # Leaves the error in the results. Override it to leave something else.
      def add_error_to_results(step, error)
        results = step.results || {}
        results = { original_response: results, response_type: results.class.name } unless results.is_a?(Hash)
        details = error_details(error)
        step.results = results.merge('error' => true, 'error_details' => details)
      rescue TaskerCore::EncodingError => e
        # What the error carries must not hide the error.
        step.results = results.merge('error' => true, 'error_details' => printable(details, e))
      end

      def error_details(error)
        details = {
          error_message: Compat::Failure.message_of(error), error_class: error.class.name, backtrace: error.backtrace&.first(10)
        }
        details[:error_context] = error.context if error.is_a?(RetryableError) || error.is_a?(PermanentError)
        details[:error_code] = error.error_code if error.is_a?(PermanentError)
        details[:retry_after] = error.retry_after if error.is_a?(RetryableError)
        if error.is_a?(Faraday::Error) && error.response
          details[:response_status], _, details[:response_body] = ResponseJudge.parts_of(error.response)
        end
        details
      end

      def printable(details, problem)
        details.transform_values do |value|
          case value
          when nil, Integer then value
          when Array then value.map { |line| TaskerCore::Encoding.text(line) }
          when String then TaskerCore::Encoding.text(value)
          else "(left out: #{TaskerCore::Encoding.text(problem.message)})"
          end
        end
      end
    end
  end
end
