# frozen_string_literal: true

# Runs all steps of a workflow in the order of its graph, each through the runner with
# an execution of its own, and keeps rows as the database would.
class MiniEngine
  Step = Struct.new(:id, :name, :handler_class, :config, :parents, :results, :state, :execution, keyword_init: true)

  attr_reader :steps

  # @param map [Hash] a workflow as the core gets it
  def initialize(map, context)
    @map = map
    @context = context
    @steps = map['step_templates'].each_with_index.to_h do |step, index|
      parents = [step['depends_on_step'], *step['depends_on_steps']].compact.uniq
      [step['name'], Step.new(id: index + 1, name: step['name'], handler_class: step['handler_class'],
                              config: step['handler_config'], parents: parents, results: {}, state: 'pending')]
    end
  end

  # Until nothing is ready. Each step gets one attempt.
  def run
    while (step = ready.first)
      execute(step)
    end
    self
  end

  def [](name)
    @steps.fetch(name)
  end

  def complete?
    @steps.each_value.all? { |step| step.state == 'complete' }
  end

  private

  def ready
    @steps.each_value.select { |step| step.state == 'pending' && step.parents.all? { |name| self[name].state == 'complete' } }
  end

  def execute(step)
    execution = FakeExecution.new(
      step_id: step.id, step_name: step.name, handler_class: step.handler_class, config: step.config, context: @context,
      task_name: @map['name'], namespace: @map['namespace_name'] || 'default', task_version: @map['version'] || '0.1.0',
      parents: step.parents.to_h { |name| [name, self[name].results] }, rows: rows
    )
    Tasker::Compat::Runner.run(execution, Object.const_get(step.handler_class))
    step.execution = execution
    step.results = execution.results
    step.state = execution.succeeded ? 'complete' : 'error'
  end

  def rows
    @steps.each_value.map do |step|
      FakeExecution.row(step.id, step.name, state: step.state, results: step.results,
                                            parents: step.parents.map { |name| self[name].id })
    end
  end
end
