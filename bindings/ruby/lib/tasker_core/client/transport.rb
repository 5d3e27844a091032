# frozen_string_literal: true

require 'json'
require 'net/http'
require 'openssl'
require 'time'
require 'timeout'
require 'uri'
require 'zlib'

require_relative '../version'
require_relative 'connections'
require_relative 'errors'

module TaskerCore
  class Client
    # One call: its address, its tries within one time limit, and what its answer means.
    #
    # @api private
    class Transport
      # Seconds for a connection to be made.
      CONNECT_SECONDS = 5
      # Seconds before the second try; each further one waits twice as long.
      FIRST_PAUSE = 0.1
      # Longest piece of a foreign answer shown in an error.
      SHOWN = 200
      # The connection failed, in one of the ways connections do.
      LOST = [SystemCallError, IOError, SocketError, Timeout::Error, OpenSSL::SSL::SSLError, Zlib::Error].freeze
      # What answers is no HTTP.
      GARBLED = [Net::HTTPBadResponse, Net::HTTPHeaderSyntaxError, Net::ProtocolError].freeze
      # Statuses after which what is safe to repeat is repeated.
      PASSING = [429, 502, 503, 504].freeze

      # An answer read to its end.
      Answer = Struct.new(:status, :body, :retry_after)
      private_constant :Answer

      # @return [String] where the service is, without credentials
      attr_reader :address

      # @param url [String]
      # @param timeout [Numeric] seconds for a call with all its tries
      # @param retries [Integer] further tries of what is safe to repeat
      # @param headers [Hash{String=>String}] sent with every call
      # @raise [ConfigurationError]
      def initialize(url:, timeout:, retries:, headers:)
        @uri = parsed(url)
        @timeout = seconds(timeout, 'timeout')
        @retries = retries.is_a?(Integer) && !retries.negative? ? retries : refuse("retries: #{retries.inspect} is no whole number from 0")
        @headers = { 'accept' => 'application/json', 'user-agent' => "tasker_core-ruby/#{VERSION}" }
        @headers.merge!(headers.to_h { |name, value| [name.to_s.downcase, value.to_s] })
        @address = "#{@uri.scheme}://#{@uri.host}:#{@uri.port}#{@uri.path.chomp('/')}"
        @connections = Connections.new(@uri)
      end

      # @param verb [Class] of Net::HTTP
      # @param path [Array] segments, escaped here
      # @param call [Hash] `query:` (nil values are left out), `body:` (JSON data),
      #   `headers:`, `repeatable:` (whether twice is as good as once; reading is),
      #   `within:` (seconds, if less than the client's)
      # @param having [Array<String>] fields without which it is no answer of the service
      # @return [Hash] the answer's JSON
      # @raise [ClientError]
      def json(verb, path, having:, **call)
        answer = call(verb, path, **call)
        data = JSON.parse(answer.body, max_nesting: false)
        missing = data.is_a?(Hash) ? having.reject { |name| data[name] } : having
        return data if missing.empty?

        raise foreign(answer, "it has no #{missing.join(' and no ')}")
      rescue JSON::ParserError
        raise foreign(answer, 'it is no JSON')
      end

      # As {json}, for an answer that is text.
      #
      # @return [String]
      def text(verb, path, **call)
        call(verb, path, **call).body.force_encoding(::Encoding::UTF_8)
      end

      def close
        @connections.close_idle
      end

      private

      def call(verb, path, query: {}, body: nil, headers: {}, repeatable: verb == Net::HTTP::Get, within: nil)
        deadline = Connections.now + [within && seconds(within, 'timeout'), @timeout].compact.min
        target = target(path, query)
        body &&= JSON.generate(body, max_nesting: 0)
        tries = 0
        begin
          tries += 1
          judged(exchange(verb, target, body, headers, deadline))
        rescue ClientError => e
          raise unless repeatable && tries <= @retries && passing?(e)

          pause = pause(e, tries)
          raise if Connections.now + pause >= deadline

          sleep(pause)
          retry
        end
      end

      # The request is made anew for each try: Net::HTTP writes into it.
      def exchange(verb, target, body, headers, deadline)
        request = verb.new(target, @headers.merge(headers))
        request.basic_auth(*credentials) if @uri.user && !request['authorization']
        if body
          request.body = body
          request.content_type = 'application/json'
        end
        response = @connections.with { |connection| sent(connection, request, deadline) }
        Answer.new(response.code.to_i, response.body.to_s, retry_after(response))
      rescue *GARBLED => e
        raise UnexpectedAnswer.new(@address, nil, "it does not speak HTTP (#{e.class})")
      rescue *LOST => e
        raise Unreachable.new(@address, e.is_a?(Timeout::Error) ? too_late(e) : e.message)
      end

      # The timeouts of Net::HTTP are for one read each, so an answer that comes in drops
      # would never be late; the outer limit holds whatever comes. It may interrupt at any
      # place, and what it interrupts is a connection that is thrown away then.
      def sent(connection, request, deadline)
        left = [deadline - Connections.now, 0.001].max
        connection.open_timeout = connection.ssl_timeout = [left, CONNECT_SECONDS].min
        connection.read_timeout = connection.write_timeout = left
        Timeout.timeout(left) do
          connection.start unless connection.started?
          connection.request(request) { |response| read(response) }
        end
      end

      # Net::HTTP takes an answer that ends too early for a whole one. The length is that of
      # what was sent, before it is unpacked.
      def read(response)
        length = response.content_length unless response.chunked? || response['content-encoding']
        response.read_body
        raise EOFError, 'the answer broke off' if length && response.body.to_s.bytesize < length
      end

      def too_late(error)
        error.is_a?(Net::OpenTimeout) ? 'no connection could be made in time' : 'no answer came in time'
      end

      def judged(answer)
        return answer if (200..299).cover?(answer.status)

        problem = JSON.parse(answer.body, max_nesting: false)
        raise foreign(answer, 'no problem document') unless problem.is_a?(Hash) && problem['code'].is_a?(String)

        raise ProblemError.for({ 'status' => answer.status }.merge(problem), retry_after: answer.retry_after)
      rescue JSON::ParserError
        raise foreign(answer, 'no problem document')
      end

      def foreign(answer, why)
        begins = answer.body[0, SHOWN * 4].force_encoding(::Encoding::UTF_8).scrub[0, SHOWN]
        UnexpectedAnswer.new(@address, answer.status, "#{why}; it begins #{begins.inspect}", retry_after: answer.retry_after)
      end

      def passing?(error)
        error.is_a?(Unreachable) || (error.respond_to?(:status) && PASSING.include?(error.status))
      end

      # As long as the service asks for; else longer each time, and never the same for
      # all clients.
      def pause(error, tries)
        asked = error.retry_after if error.respond_to?(:retry_after)
        asked || (FIRST_PAUSE * (2**(tries - 1)) * (0.5 + rand))
      end

      def retry_after(response)
        value = response['retry-after'] or return
        return value.to_f if value.match?(/\A\d+\z/)

        [Time.httpdate(value) - Time.now, 0].max
      rescue ArgumentError
        nil
      end

      def target(path, query)
        path = path.map { |segment| URI.encode_www_form_component(segment.to_s).gsub('+', '%20') }.join('/')
        query = query.compact
        target = "#{@uri.path.chomp('/')}/#{path}"
        query.empty? ? target : "#{target}?#{URI.encode_www_form(query)}"
      end

      def credentials
        [@uri.user, @uri.password.to_s].map { |text| URI.decode_www_form_component(text.gsub('+', '%2B')) }
      end

      def parsed(url)
        uri = URI.parse(url.to_s)
        return uri if uri.is_a?(URI::HTTP) && uri.hostname.to_s != ''

        raise URI::InvalidURIError
      rescue URI::InvalidURIError
        origin = url == ENV[URL_VARIABLE] ? URL_VARIABLE : 'url'
        refuse("#{origin}: #{url.to_s.inspect} is not an address like http://127.0.0.1:8080")
      end

      def seconds(value, name)
        return value if value.is_a?(Numeric) && value.real? && value.positive?

        refuse("#{name}: expected a number of seconds above 0, not #{value.inspect}")
      end

      def refuse(message)
        raise ConfigurationError, message
      end
    end
    private_constant :Transport
  end
end
