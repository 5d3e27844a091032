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

  it 'says of what searches a relation what to use of a list' do
    expect(task.workflow_steps.select(&:complete?).map(&:name)).to eq(['fetch'])
    [task.workflow_steps, task.task_annotations].each do |list|
      expect { list.where(name: 'fetch') }.to raise_error(Tasker::UnsupportedError, /where: .* use select/)
    end
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
    expect(execution.saved_inputs).to be_nil
  end

  it 'tells every column of the task, in one read' do
    allow(execution).to receive(:task).and_call_original
    expect(task).to have_attributes(
      named_task_id: 3, initiator: 'web', source_system: 'shop', reason: 'spec', tags: ['a'], bypass_steps: [],
      requested_at: Time.utc(2024, 1, 2, 3, 4, 5), created_at: be_a(ActiveSupport::TimeWithZone), updated_at: be_present,
      identity_hash: 'abc', full_name: 'shop.order@1.2.0', complete: false, status: 'in_progress'
    )
    expect(execution).to have_received(:task).once
  end

  it 'tells every column of steps' do
    expect(sequence.find_step_by_name('failed')).to have_attributes(
      named_step_id: 174, retryable: true, retry_limit: 3, in_process: false, processed: false, processed_at: nil, attempts: 1,
      last_attempted_at: nil, backoff_request_seconds: nil, inputs: {}, results: {}, skippable: false, status: 'error'
    )
    expect(step.named_step_id).to eq(171)
  end

  it 'has the end of the attempt before, of an attempt that is not the first' do
    rows[1]['last_attempted_at'] = '2024-01-02T03:04:07.000000Z'
    expect(step.last_attempted_at).to eq(Time.utc(2024, 1, 2, 3, 4, 7))
    first = described_class.new(FakeExecution.new(attempt: 1))
    expect(first.step.last_attempted_at).to be_nil
  end

  describe 'saving the context' do
    it 'stores what was changed in it, encoded as results are, and knows what is stored then' do
      expect(task.save!).to be(true)
      expect(execution.saved_context).to be_nil
      task.context['who'] = :bob
      task.context['total'] = BigDecimal('1.5')
      expect(task).to be_changed
      expect(task.save!).to be(true)
      expect(execution.saved_context).to eq('who' => 'bob', 'total' => '1.5')
      task.reload
      expect(task.context).to eq('who' => 'bob', 'total' => '1.5')
      expect(task).not_to be_changed
    end

    it 'takes the whole of it from update!, update and update_columns' do
      expect(task.update!(context: { a: 1 })).to be(true)
      expect(task.update({ 'context' => { a: 2 } })).to be(true)
      expect(task.update_columns(context: { a: 3 })).to be(true)
      expect(task.update_column(:context, { a: 4 })).to be(true)
      expect(execution.saved_context).to eq('a' => 4)
      expect(task.context).to eq('a' => 4)
    end

    it 'is forgotten by reload where it was not saved' do
      task.context['who'] = 'bob'
      expect(task.reload.context).to eq('who' => 'ada')
    end

    it 'raises where it is refused, or says false and why' do
      late = described_class.new(FakeExecution.new(context: { 'who' => 'ada' }, counts: false)).task
      late.context['who'] = 'bob'
      expect { late.save! }.to raise_error(TaskerCore::RecordError, /not the running one/)
      expect(late.save).to be(false)
      expect(log).to match(/task 7 was not saved: this attempt is not the running one/)
      task.context['bad'] = "\xFF"
      expect { task.save! }.to raise_error(TaskerCore::EncodingError, /context\.bad/)
      expect(task.save).to be(false)
    end

    it 'is all that can be changed of a task' do
      expect { task.update!(reason: 'x') }.to raise_error(Tasker::UnsupportedError, /task\.reason cannot be changed/)
      expect { task.update!(complete: true) }.to raise_error(Tasker::UnsupportedError, /what the engine makes of its steps/)
      expect { task.tags = [] }.to raise_error(Tasker::UnsupportedError, /task\.tags/)
    end
  end

  describe 'saving a step' do
    it 'stores changed inputs of the one that runs' do
      expect(step.save!).to be(true)
      expect(execution.saved_inputs).to be_nil
      step.inputs['more'] = Date.new(2024, 1, 2)
      expect(step.save!).to be(true)
      expect(execution.saved_inputs).to eq('who' => 'ada', 'more' => '2024-01-02')
      step.update!(inputs: { page: 2 })
      expect(execution.saved_inputs).to eq('page' => 2)
    end

    it 'is refused of another, and of what the template says' do
      other = sequence.find_step_by_name('ship')
      expect(other.save!).to be(true)
      other.results = { sneaky: 1 }
      expect { other.save! }.to raise_error(Tasker::UnsupportedError, /only change its own step/)
      expect(other.save).to be(false)
      expect { step.update!(retry_limit: 5) }.to raise_error(Tasker::UnsupportedError, /what the template of the workflow says/)
      expect(Tasker::UnsupportedError.ancestors).to include(Tasker::PermanentError)
    end
  end

  it 'reads other steps again after a reload' do
    ship = sequence.find_step_by_name('ship')
    expect(ship.status).to eq('pending')
    rows[2].merge!('state' => 'complete', 'results' => { 'sent' => 1 })
    ship.reload
    expect(ship).to have_attributes(status: 'complete', results: { 'sent' => 1 })
    expect(execution.steps_reads).to eq(2)
  end

  it 'sums the task up as the engine does' do
    expect(task.task_execution_context).to have_attributes(
      task_id: 7, named_task_id: 3, status: 'in_progress', total_steps: 5, pending_steps: 2, in_progress_steps: 1, completed_steps: 1,
      failed_steps: 1, ready_steps: 0, execution_status: 'processing', recommended_action: 'wait_for_completion',
      completion_percentage: 20.0, health_status: 'recovering'
    )
    expect(task.workflow_summary).to include(total_steps: 5, execution_status: 'processing')
    expect(task.task_transitions.map { |one| [one.to_state, one.sort_key, one.most_recent] })
      .to eq([['in_progress', 10, false], ['complete', 20, true]])
  end

  it 'refuses what needs a connection or the engine, and says what to use' do
    expect { task.dependency_graph }.to raise_error(Tasker::UnsupportedError, %r{GET /v1/tasks/7/graph})
    expect { Tasker::Task.find(7) }.to raise_error(Tasker::UnsupportedError, /use the task that the handler gets/)
    expect { Tasker::WorkflowStep.where(task_id: 7) }.to raise_error(Tasker::UnsupportedError, /sequence\.steps/)
    expect { step.state_machine.transition_to!(:complete) }.to raise_error(Tasker::UnsupportedError, /returns or raises/)
    expect { step.add_provides_edge!(step) }.to raise_error(Tasker::UnsupportedError, /depends_on_steps/)
    failed = sequence.find_step_by_name('failed')
    expect { failed.can_retry_now? }.to raise_error(Tasker::UnsupportedError, /only the engine knows/)
    expect([step.can_retry_now?, step.waiting_for_backoff?]).to eq([false, false])
  end

  # What a handler may find on the engine's models; each answers, or says why it cannot.
  {
    step: %i[
      workflow_step_id task_id named_step_id retryable retry_limit in_process processed processed_at attempts last_attempted_at
      backoff_request_seconds inputs results created_at updated_at skippable name status state_machine parents children siblings
      complete? in_progress? pending? in_error? cancelled? ready? ready_status? dependencies_satisfied? retry_eligible?
      has_retry_attempts? retry_exhausted? waiting_for_backoff? can_retry_now? root_step? leaf_step? reload
    ],
    task: %i[
      task_id named_task_id complete requested_at initiator source_system reason bypass_steps tags context identity_hash created_at
      updated_at name version namespace_name status state_machine workflow_steps task_annotations all_steps_complete?
      workflow_summary task_execution_context reload
    ]
  }.each do |record, methods|
    it "answers all that the engine's model of a #{record} has" do
      of = record == :task ? [task] : [step, sequence.find_step_by_name('fetch'), sequence.find_step_by_name('ship')]
      methods.product(of) { |method, one| expect { one.public_send(method) }.not_to raise_error, "#{record}.#{method}" }
    end
  end

  it 'can be logged without showing contents, and returned as results' do
    expect(task.inspect).to eq('#<Tasker::Task 7 shop.order@1.2.0>')
    expect(step.inspect).to eq('#<Tasker::WorkflowStep charge of task 7>')
    expect(TaskerCore::Encoding.plain({ task: task })['task']).to include('task_id' => 7, 'context' => { 'who' => 'ada' })
  end
end
