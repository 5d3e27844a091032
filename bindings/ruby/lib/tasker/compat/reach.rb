# frozen_string_literal: true

module Tasker
  module Compat
    # The database within the reach of the code that runs: that of the worker whose handler
    # or hook it is, in the thread of that.
    #
    # @api private
    module Reach
      KEY = :tasker_rows
      private_constant :KEY

      module_function

      # @param rows [TaskerCore::Native::Rows]
      def with(rows)
        previous = Thread.current[KEY]
        Thread.current[KEY] = rows
        yield
      ensure
        Thread.current[KEY] = previous
      end

      # @return [TaskerCore::Native::Rows]
      # @raise [UnsupportedError] where there is no worker
      def rows(model, method)
        Thread.current[KEY] || raise(UnsupportedError, NoDatabase.refusal(model, method))
      end
    end
  end
end
