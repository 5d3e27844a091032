# frozen_string_literal: true

module Tasker
  module Compat
    # Names of the Rails engine that applications use outside their handlers.
    #
    # Those that they mount, subclass or include while they load are there, loaded when
    # they are first named, and say then that they do nothing. The others are missing, and
    # the NameError has a sentence.
    module EngineNames
      NO_ROUTES = 'is there so that your classes load, and nothing asks them: this gem mounts no routes to protect'

      ABSENT = {
        'TaskerCore.submit starts a task, and workers run its steps; there is no job to enqueue for it' =>
          %w[TaskRunnerJob ApplicationJob],
        'the REST API, health and metrics are served by the orchestration service; this gem mounts no routes' =>
          %w[ApplicationController TasksController WorkflowStepsController HandlersController HealthController MetricsController
             AnalyticsController GraphqlController TaskerRailsSchema GraphQLTypes Mutations Queries Health
             Concerns::ControllerAuthorizable Concerns::Authenticatable Authorization::ResourceConstants
             Authorization::ResourceRegistry Authorization::UnauthorizedError Authentication::AuthenticationError],
        'traces and metrics are those of the Rust services (their section telemetry)' =>
          %w[Telemetry::MetricsBackend Telemetry::EventRouter MetricsExportJob Instrumentation Observability
             Events::Subscribers::TelemetrySubscriber Events::Subscribers::MetricsSubscriber],
        'files of subscriptions are not read; subclass Tasker::Events::Subscribers::BaseSubscriber and call its subscribe' =>
          %w[Events::SubscriptionLoader],
        'files of events are not read; a handler registers its own in custom_event_configuration, other code with ' \
        'Tasker::Events::CustomRegistry' => %w[Events::DefinitionLoader],
        'there is no connection to Tasker\'s tables here; TaskerCore.task, TaskerCore.list and the REST API read them' =>
          %w[ApplicationRecord DependentSystem DependentSystemObjectMap NamedTasksNamedStep StepDagRelationship StepReadinessStatus
             WorkflowStepEdge WorkflowStepTransition Functions],
        'TaskerCore.client.graph_text draws a task (GET /v1/tasks/:id/graph)' => %w[TaskDiagram Diagram Analysis],
        'what the engine did inside is done by the Rust services' =>
          %w[Orchestration Registry CacheStrategy Concerns::IdempotentStateTransitions],
        'no Ruby code runs when a task is submitted; give each submission an idempotency_key' => %w[IdentityStrategy]
      }.flat_map { |sentence, names| names.map { |name| ["Tasker::#{name}", sentence] } }.to_h.freeze
      private_constant :ABSENT

      # Of the modules that hold such names.
      def const_missing(name)
        sentence = ABSENT["#{self.name}::#{name}"] or return super
        # Begins as Ruby's own, by which `safe_constantize` tells it.
        message = "uninitialized constant #{self.name}::#{name}: it is of the Rails engine and not of this gem; #{sentence}"
        error = NameError.new(message, name, receiver: self)
        # What did_you_mean would guess is of this gem, and something else.
        error.define_singleton_method(:to_s) { message }
        raise error
      end

      # @api private
      # @return [void]
      def self.announce(constant, what)
        constant.extend(self)
        Tasker.logger.warn("#{constant.name} #{what}")
      end
    end
  end

  autoload :Engine, File.expand_path('../engine', __dir__)
  autoload :Authorization, File.expand_path('../authorization', __dir__)
  autoload :Authentication, File.expand_path('../authentication', __dir__)
  Concerns.autoload :Authorizable, File.expand_path('../concerns/authorizable', __dir__)

  [self, Concerns, Events, Events::Subscribers, Telemetry].each { |holder| holder.extend(Compat::EngineNames) }
end
