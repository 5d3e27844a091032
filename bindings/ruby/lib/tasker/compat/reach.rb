# frozen_string_literal: true

module Tasker
  module Compat
    # The database within the reach of the code that runs: that of the worker whose handler
    # or hook it is, in the thread of that.
    #
    # @api private
    module Reach
      KEY = :tasker_reach
      private_constant :KEY

      module_function

      # @param source [TaskerCore::Native::Execution, StoredTask]
      def with(source)
        # Of the thread, not of the fiber: a handler may go on inside of one.
        previous = Thread.current.thread_variable_get(KEY)
        Thread.current.thread_variable_set(KEY, source)
        yield
      ensure
        Thread.current.thread_variable_set(KEY, previous)
      end

      # @return [TaskerCore::Native::Rows]
      # @raise [UnsupportedError] where there is no worker
      def rows(model, method)
        source = Thread.current.thread_variable_get(KEY) or raise UnsupportedError, NoDatabase.refusal(model, method)
        source.rows
      end
    end
  end
end
