# frozen_string_literal: true

require_relative '../logging/correlation_id_generator'

module Tasker
  module Concerns
    # Log lines as JSON objects with a correlation id. Handlers call these methods, and
    # may redefine any of them: the framework calls the redefinition.
    module StructuredLogging
      extend ActiveSupport::Concern

      CORRELATION_ID_KEY = :tasker_correlation_id
      LEVELS = { debug: 0, info: 1, warn: 2, error: 3, fatal: 4 }.freeze
      private_constant :LEVELS

      # @param level [Symbol] debug, info, warn, error or fatal
      # @param message [String]
      # @param context [Hash] further fields
      # @return [void]
      def log_structured(level, message, **context)
        return unless should_log?(level)

        entry = build_structured_log_entry(message, context)
        Tasker.logger.public_send(level, format_log_output(apply_parameter_filtering(entry)))
      rescue StandardError => e
        Tasker.logger.error("a structured log line could not be written: #{e.message}")
        Tasker.logger.public_send(LEVELS.key?(level) ? level : :info, message.to_s)
      end

      # @return [String] of this thread; made if there is none
      def correlation_id
        Thread.current[CORRELATION_ID_KEY] ||= Logging::CorrelationIdGenerator.generate
      end

      def correlation_id=(id)
        Thread.current[CORRELATION_ID_KEY] = id
      end

      # Runs the block with `id` as the thread's correlation id.
      def with_correlation_id(id)
        previous = Thread.current[CORRELATION_ID_KEY]
        Thread.current[CORRELATION_ID_KEY] = id
        yield
      ensure
        Thread.current[CORRELATION_ID_KEY] = previous
      end

      def log_task_event(task, event_type, **context)
        log_structured(:info, "Task #{event_type}", entity_type: 'task', entity_id: task.task_id,
                                                    entity_name: task.name, event_type: event_type,
                                                    task_status: task.status, **context)
      end

      # @param duration [Numeric, nil] seconds
      def log_step_event(step, event_type, duration: nil, **context)
        log_structured(:info, "Step #{event_type}", **step_log_fields(step, event_type, duration), **context)
      end

      def log_orchestration_event(operation, event_type, **context)
        log_structured(:debug, "Orchestration #{event_type}",
                       entity_type: 'orchestration', operation: operation, event_type: event_type, **context)
      end

      # @param duration [Numeric] seconds
      def log_performance_event(operation, duration, **context)
        slow = duration > Tasker.configuration.telemetry.slow_query_threshold_seconds
        log_structured(slow ? :warn : :debug, 'Performance measurement',
                       entity_type: 'performance', operation: operation, duration_ms: (duration * 1000).round(2),
                       performance_category: categorize_duration(duration), is_slow: slow, **context)
      end

      def log_exception(exception, context: {}, level: :error)
        name = Compat::Failure.class_of(exception)
        log_structured(level, "Exception occurred: #{name}",
                       entity_type: 'exception', exception_class: name, exception_message: Compat::Failure.message_of(exception),
                       backtrace: TaskerCore::Failure.backtrace(exception) { |lines| lines.first(10) }, **context)
      end

      private

      def step_log_fields(step, event_type, duration)
        fields = {
          entity_type: 'step', entity_id: step.workflow_step_id, entity_name: step.name, event_type: event_type,
          step_status: step.status, task_id: step.task.task_id, task_name: step.task.name
        }
        return fields unless duration

        fields.merge(duration_ms: (duration * 1000).round(2), performance_category: categorize_duration(duration))
      end

      def build_structured_log_entry(message, context)
        {
          timestamp: Time.current.iso8601(3), correlation_id: correlation_id,
          component: (self.class.name || 'anonymous').demodulize.underscore, message: message,
          environment: Tasker.environment, tasker_version: Tasker::VERSION, process_id: Process.pid,
          thread_id: Thread.current.object_id.to_s(16), **context
        }
      end

      def apply_parameter_filtering(data)
        filter = Tasker.configuration.telemetry.parameter_filter
        filter ? filter.filter(data) : data
      end

      def format_log_output(data)
        case Tasker.configuration.telemetry.log_format.to_s
        when 'pretty_json' then JSON.pretty_generate(data.as_json)
        when 'logfmt' then data.map { |key, value| "#{key}=#{value.is_a?(String) ? value.inspect : value}" }.join(' ')
        else data.to_json
        end
      end

      def categorize_duration(duration)
        case duration
        when 0..0.1 then 'fast'
        when 0.1..1.0 then 'moderate'
        when 1.0..5.0 then 'slow'
        else 'very_slow'
        end
      end

      # Both the setting and the logger must want it, so that nothing is built in vain.
      def should_log?(level)
        return false unless Tasker.configuration.telemetry.structured_logging_enabled

        rank = LEVELS.fetch(level, 1)
        return false if rank < LEVELS.fetch(Tasker.configuration.telemetry.log_level.to_s.to_sym, 1)

        logger = Tasker.logger
        !logger.respond_to?(:level) || !logger.level.is_a?(Integer) || rank >= logger.level
      end
    end
  end
end
