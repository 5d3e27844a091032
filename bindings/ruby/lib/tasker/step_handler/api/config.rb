# frozen_string_literal: true

module Tasker
  module StepHandler
    class Api < Base
      # Where an API handler's requests go, and how it waits.
      class Config
        attr_accessor :url, :params, :ssl, :headers, :retry_delay, :enable_exponential_backoff, :jitter_factor

        # Keys that a `handler_config` with `type: api` may set.
        KEYS = %w[url params ssl headers enable_exponential_backoff retry_delay].freeze

        # @param url [String] with scheme and host
        # @param params [Hash] sent with every request
        # @param ssl [Hash, nil] as Faraday takes it
        # @param headers [Hash]
        # @param enable_exponential_backoff [Boolean] whether to ask for a growing pause
        #   where the server asks for none
        # @param retry_delay [Numeric] accepted, as in the engine, and used by nothing
        # @param jitter_factor [Numeric] likewise
        def initialize(url:, params: {}, ssl: nil, headers: default_headers, enable_exponential_backoff: true,
                       retry_delay: 1.0, jitter_factor: rand)
          @url = url
          @params = params
          @ssl = ssl
          @headers = headers
          @enable_exponential_backoff = enable_exponential_backoff
          @retry_delay = retry_delay
          @jitter_factor = jitter_factor
        end

        # From the map of a template. Keys that it does not set have their defaults (the
        # engine says so and sets them to nil); keys that nothing reads are left out.
        #
        # @param map [Hash{String=>Object}]
        # @return [Config]
        def self.from_map(map)
          given = map.slice(*KEYS).compact.transform_keys(&:to_sym)
          new(**{ url: nil }.merge(given))
        end

        # @return [Hash{String=>String}]
        def default_headers
          { 'Content-Type' => 'application/json', 'Accept' => 'application/json' }
        end

        # @return [Hash{String=>Object}] as a template says it
        def to_map
          KEYS.to_h { |key| [key, public_send(key)] }.compact.merge('type' => 'api')
        end
      end
    end
  end
end
