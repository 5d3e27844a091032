# frozen_string_literal: true

require 'time'

module Tasker
  module StepHandler
    class Api < Base
      # What the status of a response means for the step.
      #
      # @api private
      module ResponseJudge
        SUCCESS = (200..226).freeze
        BACKOFF = [429, 503].freeze
        PERMANENT = [400, 401, 403, 404, 422].freeze

        module_function

        # @param step [WorkflowStep]
        # @param response [Faraday::Response, Hash] a Hash has the status under `:status`
        # @return [nil] if it is a success
        # @raise [RetryableError, PermanentError, ArgumentError]
        def check!(step, response)
          status = status_of(response)
          return if SUCCESS.include?(status)

          about = about(step, response, status)
          raise retryable(status, about) if BACKOFF.include?(status)
          raise permanent(status, response, about) if PERMANENT.include?(status)

          raise other(status, response, about)
        end

        def status_of(response)
          return response[:status] if response.is_a?(Hash)
          return response.status if response.respond_to?(:status)

          raise ArgumentError, "process of an API handler must return a Faraday::Response or a Hash with :status, not " \
                               "#{response.nil? ? 'nil' : "an object of class #{response.class}"}"
        end

        # @return [Integer, nil] seconds that the server asks for; nil if it does not, or unreadably
        def retry_after(headers)
          value = header(headers, 'Retry-After').to_s.strip
          return nil if value.empty?
          return value.to_i if value.match?(/\A\d+\z/)

          [(Time.httpdate(value) - Time.now).to_i, 1].max
        rescue ArgumentError
          parsed(value)
        end

        # Other forms of a date than HTTP's.
        def parsed(value)
          time = Time.zone.parse(value)
          time && [(time - Time.current).to_i, 1].max
        rescue ArgumentError
          nil
        end

        def header(headers, name)
          return nil if headers.nil?

          headers[name] || headers[name.downcase] || headers[name.downcase.tr('-', '_').to_sym]
        end

        # The response of an error of Faraday's, which its middleware gives as a Hash.
        # @return [Array(Object, Hash, Object), nil] status, headers, body
        def parts_of(response)
          return nil if response.nil?
          return [response[:status], response[:headers] || {}, response[:body]] if response.is_a?(Hash)

          [response.status, response.headers || {}, response.body]
        end

        def retryable(status, about)
          RetryableError.new("API call failed with retryable status #{status}",
                             retry_after: retry_after(about[:headers]), context: about)
        end

        def permanent(status, response, about)
          PermanentError.new("API call failed with permanent status #{status}: #{body_of(response)}",
                             error_code: "HTTP_#{status}", context: about)
        end

        # May well work the next time, and nobody said when: the step's own pause rules.
        def other(status, response, about)
          error = RetryableError.new("API call failed with server error #{status}: #{body_of(response)}", context: about)
          error.define_singleton_method(:skip_backoff?) { true }
          error
        end

        def about(step, response, status)
          {
            step_id: step.workflow_step_id, step_name: step.name, status: status, response: response,
            headers: response.is_a?(Hash) ? response[:headers] || {} : response.headers
          }
        end

        def body_of(response)
          response.is_a?(Hash) ? response[:body] : response.body
        end
      end
    end
  end
end
