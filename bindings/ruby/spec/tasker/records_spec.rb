# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe Tasker::Compat::Records, :tasker do
  def row(...) = FakeExecution.row(...)

  let(:rows) do
    [
      row(70, 'fetch', state: 'complete', results: { 'n' => 1 }),
      row(71, 'charge', state: 'in_progress', parents: [70], attempts: 1),
      row(72, 'ship', parents: [71]), row(73, 'mail', parents: [71]), row(74, 'failed', state: 'error')
    ]
  end
  let(:execution) do
    FakeExecution.new(context: { 'who' => 'ada' }, parents: { 'fetch' => { 'n' => 1 } }, rows: rows, attempt: 2,
                      task_name: 'order', namespace: 'shop', task_version: '1.2.0', previous_results: { 'error' => 'x' })
  end
  let(:records) { described_class.new(execution) }
  let(:task) { records.task }
  let(:sequence) { records.sequence }
  let(:step) { records.step }

  it 'offers what handlers read of a task' do
    expect(task).to have_attributes(id: 7, task_id: 7, name: 'order', namespace_name: 'shop', version: '1.2.0',
                                    status: 'in_progress', complete: false, context: { 'who' => 'ada' })
    expect(task.named_task.task_namespace.name).to eq('shop')
    expect(task.context[:who]).to be_nil
    expect(task.context.deep_symbolize_keys).to eq(who: 'ada')
    expect(task).to be_a(Tasker::Task)
    expect(execution.steps_reads).to eq(0)
  end

  it 'offers what handlers read of their step' do
    expect(step).to have_attributes(id: 71, workflow_step_id: 71, name: 'charge', status: 'in_progress', attempts: 1,
                                    retry_limit: 3, retryable: true, inputs: { 'who' => 'ada' }, processed: false,
                                    results: { 'error' => 'x' }, task: task, task_id: 7, in_progress?: true)
    expect(execution.steps_reads).to eq(0)
    expect(step.created_at).to eq(Time.utc(2024, 1, 2, 3, 4, 5))
    expect(step.updated_at.iso8601(3)).to eq('2024-01-02T03:04:06.500Z')
  end

  it 'finds parents without a read, other steps with one, and nil for a name it does not have' do
    expect(sequence.find_step_by_name('fetch').results).to eq('n' => 1)
    expect(sequence.find_step_by_name(:fetch)).to be_complete
    expect(sequence.find_step_by_name('charge')).to equal(step)
    expect(execution.steps_reads).to eq(0)
    expect(sequence.find_step_by_name('ship').results).to eq({})
    expect(sequence.find_step_by_name('nothing')).to be_nil
    expect(sequence.steps.map(&:name)).to eq(%w[fetch charge ship mail failed])
    expect(sequence.steps.find { |one| one.name == 'charge' }).to equal(step)
    expect(sequence.map(&:workflow_step_id)).to eq([70, 71, 72, 73, 74])
    expect(execution.steps_reads).to eq(1)
  end

  it 'knows the graph and the states' do
    expect(step.parents.map(&:name)).to eq(['fetch'])
    expect(step.children.map(&:name)).to eq(%w[ship mail])
    ship = sequence.find_step_by_name('ship')
    expect(ship.siblings.map(&:name)).to eq(['mail'])
    expect([ship.leaf_step?, ship.root_step?, ship.pending?, ship.ready?, ship.dependencies_satisfied?])
      .to eq([true, false, true, false, false])
    failed = task.get_step_by_name('failed')
    expect([failed.in_error?, failed.has_retry_attempts?, failed.retry_exhausted?, failed.state_machine.current_state])
      .to eq([true, true, false, 'error'])
    expect(task.workflow_steps.size).to eq(5)
    expect(task).not_to be_all_steps_complete
  end

  it 'keeps what a handler assigns and saves for the report' do
    step.update!(results: { total: BigDecimal('3') })
    expect(step.save!).to be(true)
    expect(step.reload.results).to eq('total' => '3.0')
  end

  it 'refuses to save what cannot be saved, and says what to do' do
    expect(task.save!).to be(true)
    task.context['who'] = 'bob'
    expect { task.save! }.to raise_error(Tasker::UnsupportedError, /results \(changed: who\)/)
    expect(task.save).to be(false)
    expect(task.reload.context).to eq('who' => 'ada')
    other = sequence.find_step_by_name('ship')
    expect(other.save!).to be(true)
    other.results = { sneaky: 1 }
    expect { other.save! }.to raise_error(Tasker::UnsupportedError, /only change its own step/)
    step.inputs['more'] = 1
    expect { step.save! }.to raise_error(Tasker::UnsupportedError, /inputs of a step/)
    expect(Tasker::UnsupportedError.ancestors).to include(Tasker::PermanentError)
  end

  it 'refuses what needs a database or the engine, and says what to use' do
    expect { task.initiator }.to raise_error(Tasker::UnsupportedError, /not sent to workers/)
    expect { task.workflow_summary }.to raise_error(Tasker::UnsupportedError, %r{GET /v1/tasks/7})
    expect { Tasker::Task.find(7) }.to raise_error(Tasker::UnsupportedError, /use the task that the handler gets/)
    expect { Tasker::WorkflowStep.where(task_id: 7) }.to raise_error(Tasker::UnsupportedError, /sequence\.steps/)
    expect { Tasker::AnnotationType.find_or_create_by!(name: 'a') }.to raise_error(Tasker::UnsupportedError)
    expect { step.state_machine.transition_to!(:complete) }.to raise_error(Tasker::UnsupportedError, /returns or raises/)
    expect { step.can_retry_now? }.to raise_error(Tasker::UnsupportedError)
  end

  it 'tells further columns of the task where the execution has them' do
    def execution.task = { 'initiator' => 'web', 'tags' => ['a'], 'requested_at' => '2024-01-02T03:04:05.000000Z' }
    expect(task).to have_attributes(initiator: 'web', tags: ['a'], requested_at: Time.utc(2024, 1, 2, 3, 4, 5))
  end

  it 'can be logged without showing contents, and returned as results' do
    expect(task.inspect).to eq('#<Tasker::Task 7 shop.order@1.2.0>')
    expect(step.inspect).to eq('#<Tasker::WorkflowStep charge of task 7>')
    expect(TaskerCore::Encoding.plain({ task: task })['task']).to include('task_id' => 7, 'context' => { 'who' => 'ada' })
  end
end
