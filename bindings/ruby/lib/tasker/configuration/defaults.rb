# frozen_string_literal: true

module Tasker
  class Configuration
    # What the host's application filters from its logs, where it says so.
    HOST_FILTERS = lambda do
      application = defined?(::Rails) && ::Rails.respond_to?(:application) ? ::Rails.application : nil
      filters = application&.config.try(:filter_parameters)
      filters.presence&.dup || %i[passw email secret token _key crypt salt certificate otp ssn]
    end
    private_constant :HOST_FILTERS

    # The engine's nine sections, and one of this gem's. A lambda is asked when the
    # configuration is made.
    DEFAULTS = {
      auth: {
        authentication_enabled: false, authenticator_class: nil, current_user_method: :current_user,
        authenticate_user_method: :authenticate_user!, authorization_enabled: false,
        authorization_coordinator_class: 'Tasker::Authorization::BaseCoordinator', user_class: nil, strategy: :none
      },
      database: { name: nil, enable_secondary_database: false },
      engine: {
        task_handler_directory: 'tasks', task_config_directory: 'tasker/tasks', default_module_namespace: nil,
        identity_strategy: :default, identity_strategy_class: nil, custom_events_directories: ['config/tasker/events']
      },
      backoff: {
        default_backoff_seconds: [1, 2, 4, 8, 16, 32], max_backoff_seconds: 300, backoff_multiplier: 2.0,
        jitter_enabled: true, jitter_max_percentage: 0.1,
        reenqueue_delays: { has_ready_steps: 0, waiting_for_dependencies: 45, processing: 10 },
        default_reenqueue_delay: 30, buffer_seconds: 5
      },
      execution: {
        min_concurrent_steps: 3, max_concurrent_steps_limit: 12, concurrency_cache_duration: 30,
        batch_timeout_base_seconds: 30, batch_timeout_per_step_seconds: 5, max_batch_timeout_seconds: 120,
        connection_pressure_factors: { low: 0.8, moderate: 0.6, high: 0.4, critical: 0.2 },
        health_assessment_cache_duration: 30, connection_health_log_level: :debug
      },
      health: {
        status_endpoint_requires_auth: true, ready_requires_authentication: false,
        status_requires_authentication: true, readiness_timeout_seconds: 5.0, cache_duration_seconds: 15
      },
      telemetry: {
        enabled: true, service_name: 'tasker', service_version: '0.1.0', filter_parameters: HOST_FILTERS,
        filter_mask: '[FILTERED]', structured_logging_enabled: true, correlation_id_header: 'X-Correlation-ID',
        log_level: 'info', log_format: 'json', metrics_enabled: true, metrics_endpoint: '/tasker/metrics',
        metrics_format: 'prometheus', metrics_auth_required: false, performance_monitoring_enabled: true,
        slow_query_threshold_seconds: 1.0, memory_threshold_mb: 100, event_sampling_rate: 1.0, filtered_events: [],
        max_stored_samples: 1000, metrics_retention_hours: 24,
        prometheus: {
          endpoint: nil, username: nil, password: nil, job_timeout: 300, export_timeout: 120, retry_attempts: 3,
          retention_window: 300, safety_margin: 60, metric_prefix: 'tasker', include_instance_labels: true,
          compression: 'snappy', batch_size: 1000, skip_if_unavailable: true
        },
        config: {
          batch_events: false, buffer_size: 100, flush_interval: 5, filtered_events: [],
          enable_memoization: true, async_processing: false, sampling_rate: 1.0
        }
      },
      dependency_graph: {
        impact_multipliers: {
          downstream_weight: 5, blocked_weight: 15, path_length_weight: 10, completed_penalty_weight: 15,
          blocked_penalty_weight: 25, error_penalty_weight: 30, retry_penalty_weight: 10
        },
        severity_multipliers: {
          error_state_weight: 2.0, exhausted_retry_bonus_weight: 0.5, dependency_issue_weight: 1.2
        },
        penalty_constants: {
          retry_instability_weight: 3, non_retryable_weight: 10, exhausted_retry_weight: 20
        },
        severity_thresholds: { critical: 100, high: 50, medium: 20 },
        duration_estimates: { base_step_seconds: 30, error_penalty_seconds: 60, retry_penalty_seconds: 30 }
      },
      cache: {
        default_ttl: 300, adaptive_ttl_enabled: true, performance_tracking_enabled: true,
        hit_rate_smoothing_factor: 0.9, access_frequency_decay_rate: 0.95, min_adaptive_ttl: 30,
        max_adaptive_ttl: 3600, dashboard_cache_ttl: 120, cache_pressure_threshold: 0.8,
        adaptive_calculation_interval: 30
      },
      compatibility: { duplicate_events: false, event_subscription: 'tasker-events' }
    }.freeze
  end
end
