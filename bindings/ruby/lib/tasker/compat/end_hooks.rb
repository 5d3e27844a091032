# frozen_string_literal: true

require 'digest'

module Tasker
  module Compat
    # Calls `update_annotations` for tasks that have ended without it: where no single step
    # comes last, and where not everything succeeded. Driven by the durable events of the
    # ends, each of which is handled by one process: a feed for each workflow whose task
    # handler overrides the hook, shared by the processes that have it.
    #
    # @api private
    class EndHooks
      EVENTS = [Constants::WorkflowEvents::TASK_FINALIZATION_COMPLETED].freeze
      private_constant :EVENTS

      # @param native [TaskerCore::Native::Worker]
      # @param options [Hash] config_dir, set and logger of the worker
      # @return [EndHooks]
      def self.start(native, **options)
        new(native).start(**options)
      end

      # Names of workflows have more characters than those of feeds.
      #
      # @return [String]
      def self.feed_name(namespace, name)
        readable = "#{namespace}:#{name}".tr('^A-Za-z0-9_.:-', '_')[0, 60]
        "update_annotations:#{readable}:#{Digest::SHA256.hexdigest("#{namespace}/#{name}")[0, 8]}"
      end

      def initialize(native)
        @native = native
        @feeds = []
      end

      # @return [self]
      def start(**options)
        @feeds = workflows.map do |namespace, name|
          TaskerCore::EventFeed.start(name: self.class.feed_name(namespace, name), events: EVENTS, **options) do |events|
            events.each { |event| ended(event) if event.namespace == namespace && event.task_name == name }
          end
        end
        self
      rescue StandardError
        stop
        raise
      end

      # @return [void]
      def stop
        @feeds.each(&:stop)
      end

      # @return [void]
      def join(timeout = nil)
        @feeds.each { |feed| feed.join(timeout) }
      end

      # Calls the hook for a task that has ended, unless its last step did. What it cannot
      # read is raised, so that the event comes again.
      #
      # @return [void]
      def ended(event)
        task_handler = HandlerFactory.instance.handler_of(event.task_name, event.namespace, event.task_version)
        return unless task_handler && Hooks.overridden?(task_handler.class, Hooks::ANNOTATIONS)

        records = StoredTask.records(@native.rows, event.task_id)
        annotate(task_handler, records) unless records.nil? || done?(event, records)
      end

      private

      # Of all versions, so that an end is not missed while a new version comes in.
      def workflows
        found = []
        HandlerFactory.instance.each_handler do |name, namespace, _version, klass|
          found << [namespace, name] if Hooks.overridden?(klass, Hooks::ANNOTATIONS)
        end
        found.uniq
      end

      def annotate(task_handler, records)
        arguments = [records.task, records.sequence, records.succeeded]
        Reach.with(records.task) { Hooks.call(task_handler, Hooks::ANNOTATIONS, records.task) { arguments } }
      end

      def done?(event, records)
        return false unless event.payload[:final_status] == Constants::TaskStatuses::COMPLETE

        last = records.task.only_sink
        last && records.sequence.find_step_by_name(last)&.status == Constants::WorkflowStepStatuses::COMPLETE
      end
    end
  end
end
