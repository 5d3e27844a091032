# frozen_string_literal: true

module TaskerCore
  class EventFeed
    # Something that happened to a task.
    class Event
      # @return [String] the same at every delivery, and of no other event
      attr_reader :id
      # @return [String] such as `task.completed`
      attr_reader :identifier
      # @return [Integer]
      attr_reader :task_id
      # @return [String]
      attr_reader :namespace, :task_name, :task_version
      # @return [Hash{Symbol=>Object}] JSON data; keys inside of values are Strings
      attr_reader :payload

      # @api private
      def initialize(told, native = nil)
        @native = native
        @id, @identifier, @task_id, @namespace, @task_name, @task_version =
          told.values_at('id', 'identifier', 'task_id', 'namespace', 'task_name', 'task_version')
        @payload = told.fetch('payload').transform_keys(&:to_sym)
      end

      # @api private
      # @return [Native::Rows] of its task, for as long as the feed runs
      def rows
        @native.rows
      end

      # @return [String] names the event; no contents, so that it can be logged
      def inspect
        "#<#{self.class} #{id} task=#{task_id}>"
      end
    end
  end
end
