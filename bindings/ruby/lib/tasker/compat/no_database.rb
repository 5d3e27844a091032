# frozen_string_literal: true

module Tasker
  module Compat
    # The class methods of the engine's models, but for those that a model defines itself:
    # there is no connection behind these classes to search the tables with.
    module NoDatabase
      METHODS = %i[
        all any? count create create! destroy_all exists? find find_by find_by! find_each find_or_create_by
        find_or_create_by! find_or_initialize_by first first! includes joins last limit order pluck transaction
        update_all where
      ].freeze

      METHODS.each do |name|
        define_method(name) do |*_args, **_options, &_block|
          raise UnsupportedError, NoDatabase.refusal(self, name)
        end
      end

      # What would search a relation, on what is a list here.
      #
      # @api private
      module List
        METHODS = %i[
          where find_by find_by! includes preload eager_load joins order reorder limit offset distinct exists?
          find_each update_all destroy_all delete_all
        ].freeze

        METHODS.each do |name|
          define_method(name) do |*_args, **_options, &_block|
            raise UnsupportedError, "#{name}: what a task has is a list here, and no relation; use select, find, sort_by and " \
                                    'the like with a block'
          end
        end
      end

      # @api private
      def self.refusal(model, method)
        "#{model.name}.#{method} needs a connection to Tasker's tables, which there is not here; #{remedy(model.name)}"
      end

      # @api private
      def self.remedy(model)
        case model
        when 'Tasker::Task' then 'use the task that the handler gets, or the REST API (GET /v1/tasks/:id)'
        when 'Tasker::WorkflowStep' then 'use the sequence that the handler gets (sequence.steps), or the REST API'
        when 'Tasker::AnnotationType'
          'find_by, find_or_create_by! and create! by name are there, in the thread of a handler or a hook of a worker'
        else 'task.task_annotations reads them, and create! makes one, in the thread of a handler or a hook of a worker'
        end
      end
    end
  end
end
