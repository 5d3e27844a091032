# frozen_string_literal: true

require 'json'
require 'net/http'
require 'uri'

module TaskerCore
  class RailsHost < Host
    # What the rake tasks about templates do.
    #
    # @api private
    class TemplateTasks
      # Where the REST API is, as the program `tasker` reads it.
      URL_VARIABLE = 'TASKER_URL'
      DEFAULT_URL = 'http://127.0.0.1:8080'
      # Seconds to wait for the service.
      PATIENCE = 30
      private_constant :PATIENCE

      def initialize(out: $stdout, url: ENV.fetch(URL_VARIABLE, nil))
        @out = out
        @url = url
      end

      # Reads the application's workflows, and has the service check them if there is one.
      #
      # @return [void]
      # @raise [ConfigurationError] listing what is wrong
      def check
        problems = workflows.flat_map do |workflow|
          found = @url ? validated(workflow) : []
          verdict = @url ? 'can be registered' : 'has no mistake that shows here'
          say(workflow, found.empty? ? verdict : 'cannot be registered', missing_handlers(workflow))
          found
        end
        @out.puts("The orchestration service was not asked, and it checks more: name it with #{URL_VARIABLE}.") unless @url
        raise ConfigurationError, problems.join("\n") if problems.any?
      end

      # @return [void]
      # @raise [ConfigurationError] if the service refuses one
      def register
        problems = workflows.filter_map do |workflow|
          answer = post('/v1/templates', workflow)
          next say(workflow, answer['created'] ? 'registered' : 'was registered before') if answer.key?('created')

          "#{workflow['source']}: #{faults(answer['template']) || answer['detail'] || answer.to_json}"
        end
        raise ConfigurationError, problems.join("\n") if problems.any?
      end

      private

      def workflows
        host = TaskerCore.host
        host.configuration
        host.load_handlers
        found = Templates.collect(host.templates).to_native
        raise ConfigurationError, "there is no workflow: no file in config/#{directory}, no class with steps" if found.empty?

        found
      end

      def directory
        ::Tasker.configuration.engine.task_config_directory
      end

      # One that lives in another process is no mistake, so it is said and no more.
      def missing_handlers(workflow)
        steps = JSON.parse(workflow['yaml'])['step_templates']
        steps.map { |step| step['handler_class'] }.uniq.reject { |name| TaskerCore.registry.resolves?(name) }
      end

      def validated(workflow)
        answer = post('/v1/templates/validate', workflow)
        return [] if answer['valid']

        ["#{workflow['source']}: #{faults(answer['errors']) || answer['detail'] || answer.to_json}"]
      end

      def faults(list)
        list.map { |fault| [fault['step'], fault['message']].compact.join(': ') }.join('; ') if list.is_a?(Array) && list.any?
      end

      def say(workflow, what, missing = [])
        map = JSON.parse(workflow['yaml'])
        name = "#{map.fetch('namespace_name', 'default')}/#{map['name']} #{map.fetch('version', '0.1.0')}"
        without = "; this application has no #{missing.join(', ')}" if missing.any?
        @out.puts("#{name}: #{what}#{without}")
      end

      def post(path, workflow)
        base = URI(@url || DEFAULT_URL)
        request = Net::HTTP::Post.new("#{base.path.chomp('/')}#{path}", 'content-type' => 'application/json')
        request.body = JSON.generate('yaml' => workflow['yaml'])
        options = { use_ssl: base.scheme == 'https', open_timeout: PATIENCE, read_timeout: PATIENCE }
        JSON.parse(Net::HTTP.start(base.host, base.port, options) { |http| http.request(request) }.body)
      rescue SystemCallError, SocketError, Timeout::Error, JSON::ParserError, URI::InvalidURIError, OpenSSL::SSL::SSLError => e
        raise StartError, "no orchestration service answers at #{base || @url} (#{URL_VARIABLE}): #{e.message}"
      end
    end
  end
end
