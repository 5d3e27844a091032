# frozen_string_literal: true

module Tasker
  # Names of the catalogue, as tasks and steps refer to them.
  TaskNamespace = Struct.new(:name)
  NamedTask = Struct.new(:name, :version, :task_namespace)
  NamedStep = Struct.new(:name)

  # What `step.state_machine` and `task.state_machine` answer: the state, and that
  # nobody but the engine changes it.
  StateMachine = Struct.new(:record) do
    def current_state
      record.status
    end

    def in_state?(*states)
      states.flatten.map(&:to_s).include?(current_state)
    end

    def transition_to!(state, _metadata = {})
      raise UnsupportedError, "a handler cannot move its #{record.class.name.demodulize.underscore} to #{state}: the engine " \
                              'does, by what the handler returns or raises'
    end

    def transition_to(state, metadata = {})
      transition_to!(state, metadata)
    end
  end
end
