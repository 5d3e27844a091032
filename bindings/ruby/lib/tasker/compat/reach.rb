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
        previous = Thread.current[KEY]
        Thread.current[KEY] = source
        yield
      ensure
        Thread.current[KEY] = previous
      end

      # @return [TaskerCore::Native::Rows]
      # @raise [UnsupportedError] where there is no worker
      def rows(model, method)
        source = Thread.current[KEY] or raise UnsupportedError, NoDatabase.refusal(model, method)
        source.rows
      end
    end
  end
end
