# frozen_string_literal: true

require 'securerandom'

require_relative '../encoding'
require_relative 'errors'

module TaskerCore
  class Client
    # A request for a task, as the API takes it.
    #
    # What is right and wrong in one is for the service to say, which names every field;
    # here only Ruby's own mistakes are found: names of options, and objects that are no
    # JSON.
    #
    # @api private
    class Request
      FIELDS = %w[name namespace version context initiator source_system reason tags priority idempotency_key
                  correlation_id requested_at bypass_steps].freeze
      # What the engine's request has beyond that: the state is the service's to say.
      IGNORED = %w[status complete].freeze

      # @return [Hash{String=>Object}] JSON data
      attr_reader :body

      # @param request [Tasker::Types::TaskRequest, Hash, nil]
      # @param fields [Hash{Symbol=>Object}] above those of `request`
      # @param generate [Boolean] whether a request without a key gets one
      # @raise [ArgumentError] for an unknown field
      # @raise [EncodingError] if something is no JSON
      def initialize(request, fields, generate: true)
        given = named(request).merge(fields.transform_keys(&:to_s)) { |_, old, new| new.nil? ? old : new }
        known!(given)
        key = given.delete('idempotency_key')
        @generated = key.nil? && generate
        given['idempotency_key'] = @generated ? "rb-#{SecureRandom.uuid}" : key unless key == false
        given['context'] = {} if given['context'].nil?
        given['requested_at'] = Client.time('requested_at', given['requested_at'])
        @body = given.compact.to_h { |name, value| [name, Encoding.plain(value, root: name)] }
      end

      # @return [Boolean] whether nobody else can know the key
      def generated_key?
        @generated
      end

      # @return [Boolean] whether submitting it twice makes one task
      def repeatable?
        @body.key?('idempotency_key')
      end

      private

      def named(request)
        case request
        when nil then {}
        when Hash then request.to_h { |name, value| [name.to_s, value] }
        else
          unless engine_request?(request)
            raise ArgumentError, "a request is a Hash or a Tasker::Types::TaskRequest, not an object of class #{request.class}"
          end

          request.to_h.transform_keys(&:to_s).except(*IGNORED)
        end
      end

      def engine_request?(request)
        defined?(::Tasker::Types::TaskRequest) && request.is_a?(::Tasker::Types::TaskRequest)
      end

      def known!(given)
        unknown = given.keys - FIELDS
        raise ArgumentError, "unknown: #{unknown.join(', ')}; a request has #{FIELDS.join(', ')}" unless unknown.empty?
        raise ArgumentError, 'name: missing; give the name of a template' if given['name'].nil?
      end
    end
  end
end
