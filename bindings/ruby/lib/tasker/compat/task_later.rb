# frozen_string_literal: true

require 'delegate'
require_relative 'records'

module Tasker
  module Compat
    # The task of an event, as the engine has it in the payload of `task.completed`. It is
    # read when it is first asked something, for few who get the event do.
    #
    # @api private
    class TaskLater < Delegator
      # @return [Task]
      # @raise [UnsupportedError] if the task is gone
      def __getobj__
        @task ||= StoredTask.records(@event.rows, @event.task_id)&.task ||
                  raise(UnsupportedError, "task #{@event.task_id} is not in the database any more")
      end

      # By the constructor: what it knows of the task.
      #
      # @param event [TaskerCore::EventFeed::Event]
      def __setobj__(event)
        @event = event
      end

      def is_a?(klass)
        super || klass == Task
      end
      alias kind_of? is_a?
    end
  end
end
