# frozen_string_literal: true

module Tasker
  # Names that handlers, task handlers and subscribers use: states and event identifiers.
  module Constants
    # Stands where nothing was said.
    UNKNOWN = 'unknown'

    # The six states of a task.
    module TaskStatuses
      PENDING = 'pending'
      IN_PROGRESS = 'in_progress'
      ERROR = 'error'
      COMPLETE = 'complete'
      RESOLVED_MANUALLY = 'resolved_manually'
      CANCELLED = 'cancelled'
    end

    # The six states of a step.
    module WorkflowStepStatuses
      PENDING = 'pending'
      IN_PROGRESS = 'in_progress'
      ERROR = 'error'
      COMPLETE = 'complete'
      RESOLVED_MANUALLY = 'resolved_manually'
      CANCELLED = 'cancelled'
    end

    VALID_TASK_STATUSES = TaskStatuses.constants(false).map { |name| TaskStatuses.const_get(name) }.freeze
    VALID_WORKFLOW_STEP_STATUSES =
      WorkflowStepStatuses.constants(false).map { |name| WorkflowStepStatuses.const_get(name) }.freeze
    VALID_STEP_COMPLETION_STATES = [
      WorkflowStepStatuses::COMPLETE, WorkflowStepStatuses::RESOLVED_MANUALLY, WorkflowStepStatuses::CANCELLED
    ].freeze
    VALID_STEP_STILL_WORKING_STATES = [WorkflowStepStatuses::PENDING, WorkflowStepStatuses::IN_PROGRESS].freeze
    # Those that let the steps after it begin.
    SATISFYING_STEP_STATES = [WorkflowStepStatuses::COMPLETE, WorkflowStepStatuses::RESOLVED_MANUALLY].freeze

    module TaskEvents
      INITIALIZE_REQUESTED = 'task.initialize_requested'
      START_REQUESTED = 'task.start_requested'
      COMPLETED = 'task.completed'
      FAILED = 'task.failed'
      RETRY_REQUESTED = 'task.retry_requested'
      CANCELLED = 'task.cancelled'
      RESOLVED_MANUALLY = 'task.resolved_manually'
      BEFORE_TRANSITION = 'task.before_transition'
    end

    module StepEvents
      INITIALIZE_REQUESTED = 'step.initialize_requested'
      EXECUTION_REQUESTED = 'step.execution_requested'
      BEFORE_HANDLE = 'step.before_handle'
      HANDLE = 'step.handle'
      COMPLETED = 'step.completed'
      FAILED = 'step.failed'
      RETRY_REQUESTED = 'step.retry_requested'
      CANCELLED = 'step.cancelled'
      RESOLVED_MANUALLY = 'step.resolved_manually'
      BEFORE_TRANSITION = 'step.before_transition'
    end

    module WorkflowEvents
      TASK_STARTED = 'workflow.task_started'
      TASK_COMPLETED = 'workflow.task_completed'
      TASK_FAILED = 'workflow.task_failed'
      STEP_COMPLETED = 'workflow.step_completed'
      STEP_FAILED = 'workflow.step_failed'
      VIABLE_STEPS_DISCOVERED = 'workflow.viable_steps_discovered'
      NO_VIABLE_STEPS = 'workflow.no_viable_steps'
      ORCHESTRATION_REQUESTED = 'workflow.orchestration_requested'
      TASK_FINALIZATION_STARTED = 'workflow.task_finalization_started'
      TASK_FINALIZATION_COMPLETED = 'workflow.task_finalization_completed'
      TASK_REENQUEUE_STARTED = 'workflow.task_reenqueue_started'
      TASK_REENQUEUE_REQUESTED = 'workflow.task_reenqueue_requested'
      TASK_REENQUEUE_FAILED = 'workflow.task_reenqueue_failed'
      TASK_REENQUEUE_DELAYED = 'workflow.task_reenqueue_delayed'
      TASK_STATE_UNCLEAR = 'workflow.task_state_unclear'
      STEP_EXECUTION_FAILED = 'workflow.step_execution_failed'
      VIABLE_STEPS_BATCH_READY = 'workflow.viable_steps_batch_ready'
      STEPS_EXECUTION_STARTED = 'workflow.steps_execution_started'
      STEPS_EXECUTION_COMPLETED = 'workflow.steps_execution_completed'
    end

    module ObservabilityEvents
      module Task
        HANDLE = 'observability.task.handle'
        ENQUEUE = 'observability.task.enqueue'
        FINALIZE = 'observability.task.finalize'
      end

      module Step
        HANDLE = 'observability.step.handle'
        FIND_VIABLE = 'observability.step.find_viable'
        BACKOFF = 'observability.step.backoff'
        SKIP = 'observability.step.skip'
        MAX_RETRIES_REACHED = 'observability.step.max_retries_reached'
      end
    end

    module TestEvents
      BASIC_EVENT = 'test.event'
      SLOW_EVENT = 'slow.event'
      TEST_EVENT = 'test.event'
      CUSTOM_EVENT = 'custom.event'
      TEST_DOT_EVENT = 'Test.Event'
    end

    # Declared by the engine and never published by it.
    module RegistryEvents
      HANDLER_REGISTERED = 'handler.registered'
      HANDLER_UNREGISTERED = 'handler.unregistered'
      HANDLER_VALIDATION_FAILED = 'handler.validation_failed'
      PLUGIN_REGISTERED = 'plugin.registered'
      PLUGIN_UNREGISTERED = 'plugin.unregistered'
      PLUGIN_VALIDATION_FAILED = 'plugin.validation_failed'
      SUBSCRIBER_REGISTERED = 'subscriber.registered'
      SUBSCRIBER_UNREGISTERED = 'subscriber.unregistered'
      SUBSCRIBER_VALIDATION_FAILED = 'subscriber.validation_failed'
      REGISTRY_SYNC_REQUESTED = 'registry.sync_requested'
      REGISTRY_HEALTH_CHECK = 'registry.health_check'
      REGISTRY_STATS_COLLECTED = 'registry.stats_collected'
      CROSS_REGISTRY_DISCOVERY = 'registry.cross_discovery'
      REGISTRY_COORDINATION_COMPLETE = 'registry.coordination_complete'
    end
  end

  module Telemetry
    module Events
      module ExportEvents
        CACHE_SYNCED = 'tasker.telemetry.cache_synced'
        EXPORT_REQUESTED = 'tasker.telemetry.export_requested'
        EXPORT_COMPLETED = 'tasker.telemetry.export_completed'
        EXPORT_FAILED = 'tasker.telemetry.export_failed'
        PLUGIN_REGISTERED = 'tasker.telemetry.plugin_registered'
        PLUGIN_UNREGISTERED = 'tasker.telemetry.plugin_unregistered'
      end
    end
  end
end
