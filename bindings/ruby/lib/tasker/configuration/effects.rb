# frozen_string_literal: true

module Tasker
  class Configuration
    # What a key does here:
    #
    # * `used`: this gem reads it.
    # * `setting`: set by the host, it becomes the named setting of the Rust core.
    # * `none`: accepted and without effect; a worker says so at its start if the host set it.
    #
    # `refusal` gives a sentence for values that are refused. Refused is what would change
    # which tasks exist or who may see them, and a value that cannot be what was meant;
    # the rest of what has no effect here costs nothing but its effect.
    Effect = Struct.new(:kind, :text, :setting, :refusal, keyword_init: true)

    # Builds the table below.
    module Effects
      module_function

      def used(text, refusal: nil)
        Effect.new(kind: :used, text: text, refusal: refusal)
      end

      def setting(name, text, refusal: nil)
        Effect.new(kind: :setting, text: text, setting: name, refusal: refusal)
      end

      def none(text, refusal: nil)
        Effect.new(kind: :none, text: text, refusal: refusal)
      end

      # One sentence for several keys.
      def each(text, *keys)
        keys.to_h { |key| [key, none(text)] }
      end

      def unless_false(sentence)
        ->(value) { sentence if value }
      end

      def one_of(*values)
        ->(value) { "expected one of #{values.join(', ')}, not #{value.inspect}" unless values.include?(value.to_s) }
      end

      NO_ROUTES = 'this gem mounts no routes; the REST API is the orchestrator\'s, which asks nobody who they are and ' \
                  'listens on the loopback address unless orchestration.allow_public is set: put what authenticates in front of it'
      IDENTITY = lambda do |value|
        case value.to_s
        when 'default' then nil
        when 'hash'
          'it is a setting of what submits tasks, the orchestrator and programs that submit in a transaction of their own: ' \
          'set engine.identity_strategy to "hash" there (TASKER__ENGINE__IDENTITY_STRATEGY=hash), and remove this line'
        when 'custom'
          'no Ruby code runs when a task is submitted: give each submission an idempotency_key of your own, and remove this line'
        else "expected default, hash or custom, not #{value.inspect}"
        end
      end
      SECONDARY = lambda do |value|
        next if !value || defined?(::ActiveRecord::Base)

        'it takes a configuration of ActiveRecord, which is not loaded here; name the database with DATABASE_URL, and remove this line'
      end
      SECONDS_LIST = lambda do |value|
        next if value.is_a?(Array) && value.any? && value.all? { |one| number?(one) }

        "expected a list of seconds, such as [1, 2, 4], not #{value.inspect}"
      end
      LIMIT = ->(value) { "expected a whole number from 1, not #{value.inspect}" unless value.is_a?(Integer) && value.positive? }

      def number?(value)
        (value.is_a?(Numeric) || value.is_a?(ActiveSupport::Duration)) && value >= 0
      end
      private_constant :NO_ROUTES, :IDENTITY, :SECONDARY, :SECONDS_LIST, :LIMIT

      AUTH = {
        authentication_enabled: none('true is refused: there are no routes here to protect.', refusal: unless_false(NO_ROUTES)),
        authorization_enabled: none('true is refused: there are no routes here to protect.', refusal: unless_false(NO_ROUTES)),
        **each('There are no controllers here to authenticate for.', :authenticator_class, :current_user_method,
               :authenticate_user_method, :user_class, :strategy),
        **each('There are no controllers here to authorize for.', :authorization_coordinator_class)
      }.freeze

      DATABASE = {
        name: setting('database.url', 'The configuration of the application\'s database.yml that holds the engine\'s ' \
                                      'tables, if enable_secondary_database is true.'),
        enable_secondary_database: setting('database.url', 'Whether the worker uses the database of `name`. Refused without ' \
                                                           'ActiveRecord, and without a name.', refusal: SECONDARY)
      }.freeze

      ENGINE = {
        task_handler_directory: used('The directory below app whose classes a worker loads when it starts, and where generators write.'),
        task_config_directory: used('The directory below config with the YAML files of workflows.'),
        default_module_namespace: used('The module of what generators write, where a name has none.'),
        identity_strategy: none('Anything but :default is refused: identity is decided where tasks are made.', refusal: IDENTITY),
        identity_strategy_class: none('No Ruby code runs when a task is submitted; give an idempotency_key instead.'),
        custom_events_directories: none('Custom events are registered by the classes that fire them ' \
                                        '(custom_event_configuration); files of events are not read.')
      }.freeze

      LOOP = 'A step is due at its own time, and no loop has to be enqueued again.'
      BACKOFF = {
        default_backoff_seconds: used('API handlers: the pause after each attempt. Other steps have `retry` in their template.',
                                      refusal: SECONDS_LIST),
        max_backoff_seconds: used('API handlers: the longest pause, of a server that asks for one too.'),
        backoff_multiplier: used('API handlers: the exponent of pauses beyond the list.'),
        jitter_enabled: used('API handlers: whether pauses are spread.'),
        jitter_max_percentage: used('API handlers: how far, as a share of the pause.'),
        **each(LOOP, :reenqueue_delays, :default_reenqueue_delay, :buffer_seconds)
      }.freeze

      FIXED = 'Concurrency is a fixed number here (worker.concurrency); handlers that wait cost no more than a thread.'
      BATCH = 'Steps are not awaited in batches: each has timeout_seconds in its template, or worker.default_step_timeout_seconds.'
      EXECUTION = {
        max_concurrent_steps_limit: setting('worker.concurrency', 'Handlers that run at once in a worker.', refusal: LIMIT),
        **each(FIXED, :min_concurrent_steps, :concurrency_cache_duration, :connection_pressure_factors),
        **each(BATCH, :batch_timeout_base_seconds, :batch_timeout_per_step_seconds, :max_batch_timeout_seconds),
        **each('The Rust services look after their own connections.', :health_assessment_cache_duration, :connection_health_log_level)
      }.freeze

      HEALTH_ROUTES = 'Health is served by the Rust services at worker.bind and orchestration.bind, to anybody who reaches these; ' \
                      'other machines do not, unless allow_public is set.'
      HEALTH = {
        **each(HEALTH_ROUTES, :status_endpoint_requires_auth, :ready_requires_authentication, :status_requires_authentication),
        **each('Health is served by the Rust services, with their own limits.', :readiness_timeout_seconds, :cache_duration_seconds)
      }.freeze

      METRICS = 'Metrics are kept and served by the Rust services, at /metrics of worker.bind and orchestration.bind.'
      EVENTS = 'Subscribers choose the events they get; nothing here samples, stores or batches them for telemetry.'
      LEVELS = %w[debug info warn error fatal unknown].freeze
      TELEMETRY = {
        enabled: none('What the Rust services log, count and trace is set by their section telemetry.'),
        service_name: setting('telemetry.service_name', 'The name of this worker in traces.'),
        service_version: none('Traces carry the version of the Rust core.'),
        filter_parameters: used('What is masked in log_structured and in the fields of context.logger. Rails\' own list unless it is set.'),
        filter_mask: used('What masked values are replaced with.'),
        structured_logging_enabled: used('Whether log_structured writes anything.'),
        correlation_id_header: none('A task gets its correlation id when it is submitted, in the field correlation_id.'),
        log_level: setting('telemetry.log_level', 'The level of log_structured, and of the Rust half of a worker.',
                           refusal: one_of(*LEVELS)),
        log_format: setting('telemetry.log_format', 'The format of log_structured: json, pretty_json or logfmt. ' \
                                                    'json is that of the Rust half of a worker too.',
                            refusal: one_of('json', 'pretty_json', 'logfmt')),
        slow_query_threshold_seconds: used('From where on log_performance_event calls a measurement slow.'),
        **each(METRICS, :metrics_enabled, :metrics_endpoint, :metrics_format, :metrics_auth_required, :max_stored_samples,
               :metrics_retention_hours),
        **each('Nothing here measures the memory or the queries of handlers.', :performance_monitoring_enabled, :memory_threshold_mb),
        **each(EVENTS, :event_sampling_rate, :filtered_events, :config),
        prometheus: none('Nothing is pushed; have Prometheus read /metrics of the services.')
      }.freeze

      GRAPH = 'Weights of the engine\'s analysis pages, which are not part of this gem.'
      CACHE = 'The cache of the engine\'s analysis pages, which are not part of this gem.'
      private_constant :LOOP, :FIXED, :BATCH, :HEALTH_ROUTES, :METRICS, :EVENTS, :LEVELS, :GRAPH, :CACHE

      COMPATIBILITY = {
        duplicate_events: used('Whether the engine\'s events are published as often as it did: those of a step three times, ' \
                               'discovery and finalization twice. Not in the engine.'),
        event_subscription: used('The name under which a worker has the events of orchestration delivered to the subscribers ' \
                                 'in its process; empty for none. Not in the engine.')
      }.freeze

      # By section and key.
      ALL = {
        auth: AUTH, database: DATABASE, engine: ENGINE, backoff: BACKOFF, execution: EXECUTION, health: HEALTH,
        telemetry: TELEMETRY,
        dependency_graph: DEFAULTS[:dependency_graph].transform_values { none(GRAPH) }.freeze,
        cache: DEFAULTS[:cache].transform_values { none(CACHE) }.freeze,
        compatibility: COMPATIBILITY
      }.freeze

      # @return [String, nil] why a value is not what its default shows
      def wrong_type(value, default)
        case default
        when true, false then 'expected true or false' unless [true, false].include?(value)
        when Numeric then 'expected a number from 0' unless number?(value)
        when Array then 'expected a list' unless value.is_a?(Array)
        when Hash then wrong_map(value, default)
        when String, Symbol then 'expected text' unless value.is_a?(String) || value.is_a?(Symbol) || value.is_a?(Class)
        end
      end

      def wrong_map(value, default)
        return 'expected a map' unless value.respond_to?(:to_h) && !value.nil?

        unknown = value.to_h.keys.map(&:to_sym) - default.keys
        "expected a map without #{unknown.first} (#{Nearest.hint(unknown.first, default.keys)})" if unknown.any?
      end
    end
  end
end
