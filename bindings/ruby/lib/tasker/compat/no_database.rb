# frozen_string_literal: true

module Tasker
  module Compat
    # The class methods of the engine's models. A worker hands a handler its task and
    # steps; there is no database behind these classes to search or to write to.
    module NoDatabase
      METHODS = %i[
        all any? count create create! destroy_all exists? find find_by find_by! find_each find_or_create_by
        find_or_create_by! find_or_initialize_by first first! includes joins last limit order pluck transaction
        update_all where
      ].freeze

      METHODS.each do |name|
        define_method(name) do |*_args, **_options, &_block|
          raise UnsupportedError, "#{self.name}.#{name} needs a connection to Tasker's tables, which a worker written in " \
                                  "Ruby does not have; #{NoDatabase.remedy(self.name)}"
        end
      end

      # @api private
      def self.remedy(model)
        case model
        when 'Tasker::Task' then 'use the task that the handler gets, or the REST API (GET /v1/tasks/:id)'
        when 'Tasker::WorkflowStep' then 'use the sequence that the handler gets (sequence.steps), or the REST API'
        else 'keep such notes in the results of a step, or in a table of your own'
        end
      end
    end
  end
end
