# frozen_string_literal: true

require 'erb'

module TaskerCore
  class RailsHost < Host
    # The address of the engine's database, of a configuration of database.yml.
    #
    # @api private
    module Database
      # Keys of database.yml that the driver of the Rust core knows as parameters.
      PARAMETERS = %w[sslmode sslrootcert sslcert sslkey].freeze
      # What ActiveRecord reads from the query of DATABASE_URL and the core refuses, as it
      # refuses everything that the driver would overlook.
      RECORD_PARAMETERS = %w[
        advisory_locks checkout_timeout connect_timeout encoding idle_timeout insert_returning keepalives min_messages pool
        prepared_statements reaping_frequency schema_search_path statement_limit timeout variables
      ].freeze
      private_constant :PARAMETERS, :RECORD_PARAMETERS

      module_function

      # @param name [String, Symbol, nil] nil for the one that ActiveRecord connects to
      # @return [String, nil] nil if ActiveRecord is not loaded, or has no database
      # @raise [ConfigurationError] if there is none of that name, or it is not PostgreSQL
      def url(name = nil)
        return nil unless defined?(::ActiveRecord::Base)

        configuration = find(name&.to_s)
        return nil if configuration.nil?

        of(configuration.configuration_hash.transform_keys(&:to_s), configuration.name)
      end

      # @param url [String, nil] DATABASE_URL
      # @return [String, nil] without what it says to ActiveRecord alone; nil if that is nothing
      def for_core(url)
        address, query = url.to_s.split('?', 2)
        pairs = query.to_s.split('&')
        kept = pairs.reject { |pair| RECORD_PARAMETERS.include?(pair[/\A[^=]*/]) }
        [address, *(kept.join('&') if kept.any?)].join('?') if kept.size < pairs.size
      end

      def find(name)
        all = ::ActiveRecord::Base.configurations.configs_for(env_name: ::Rails.env.to_s)
        return all.first if name.nil?

        all.find { |one| one.name == name } or
          raise ConfigurationError, "database.name: database.yml has no #{name} for #{::Rails.env}; it has #{all.map(&:name).join(', ')}"
      end

      # @param hash [Hash{String=>Object}]
      # @return [String]
      def of(hash, name)
        unless %w[postgresql postgis].include?(hash['adapter'])
          raise ConfigurationError, "database.url: the engine works on PostgreSQL, and #{name} of database.yml has the adapter " \
                                    "#{hash['adapter'].inspect}; name its database with DATABASE_URL"
        end
        # In the query, for a socket's directory is no host of an address, and an address
        # without a host has no place for a user.
        parts = { 'host' => hash['host'], 'port' => hash['port'], 'user' => hash['username'], 'password' => hash['password'] }
        query = parts.merge(hash.slice(*PARAMETERS)).compact.map { |key, value| "#{key}=#{escape(value)}" }.join('&')
        "postgres:///#{escape(hash['database'])}#{"?#{query}" unless query.empty?}"
      end

      def escape(text)
        ERB::Util.url_encode(text.to_s)
      end
    end
  end
end
