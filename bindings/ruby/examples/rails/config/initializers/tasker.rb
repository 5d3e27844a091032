# frozen_string_literal: true

Tasker.configure do |config|
  config.engine do |engine|
    engine.task_config_directory = 'tasker/tasks'
  end

  config.execution.max_concurrent_steps_limit = 4
  config.telemetry.service_name = 'workbench'

  # Accepted, and without effect: a worker says so when it starts.
  config.cache.default_ttl = 5.minutes
end
