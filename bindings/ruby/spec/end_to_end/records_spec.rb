# frozen_string_literal: true

require_relative 'setting'

# What handlers of the engine's style read and store beside their results, on a database.
RSpec.describe 'Records of the engine', :end_to_end do
  let(:begun) { Thread::Queue.new }
  let(:gate) { Thread::Queue.new }
  let(:seen) { Thread::Queue.new }

  after { gate.close }

  # A handler class of the example; the block is its `process`.
  def handles(name, &process)
    stub_const("EndToEnd::#{name}", Class.new(Tasker::StepHandler::Base) { define_method(:process, &process) })
    "EndToEnd::#{name}"
  end

  def chain(*names)
    register('chain', names.each_with_index.to_h do |name, index|
      [name.downcase, ["EndToEnd::#{name}", index.zero? ? {} : { 'depends_on_step' => names[index - 1].downcase }]]
    end)
  end

  it 'gives a handler every column of its task and of all steps' do
    seen = self.seen
    handles('First') { |*| { n: 1 } }
    handles('Second') do |task, sequence, step|
      seen << { task: task, first: sequence.find_step_by_name('first'), step: step, initiator: task.initiator,
                summary: task.task_execution_context, transitions: task.task_transitions }
      first = sequence.find_step_by_name('first')
      first.created_at && first.named_step_id && step.created_at
    end
    chain('First', 'Second')
    worker
    task_id = stack.submit("#{namespace}/chain", { 'n' => 1 }, initiator: 'web', source_system: 'shop', reason: 'spec', tags: %w[a b])
    wait(task_id)
    row = stack.sql('SELECT *, (requested_at || \'Z\')::timestamptz AS at FROM tasker_tasks WHERE task_id = $1', task_id).first
    found = take(seen)
    expect(found[:task]).to have_attributes(
      task_id: task_id, named_task_id: row['named_task_id'].to_i, initiator: 'web', source_system: 'shop', reason: 'spec',
      tags: %w[a b], bypass_steps: [], identity_hash: row['identity_hash'], namespace_name: namespace, name: 'chain', version: '1.0.0',
      status: 'in_progress', complete: false, requested_at: be_within(1e-3).of(Time.parse(row['at'])), created_at: be_present, updated_at: be_present
    )
    expect(found[:first]).to have_attributes(status: 'complete', processed: true, attempts: 1, results: { 'n' => 1 },
                                             processed_at: be_present, retry_limit: 3, retryable: true, skippable: false)
    expect(found[:step]).to have_attributes(attempts: 1, parents: [found[:first]])
    expect(found[:summary]).to have_attributes(total_steps: 2, completed_steps: 1, in_progress_steps: 1, execution_status: 'processing')
    expect(found[:transitions].map(&:to_state)).to eq(['in_progress'])
  end

  it 'has the end of the attempt before in the next one' do
    seen = self.seen
    handles('First') do |_task, _sequence, step|
      seen << [step.attempts, step.last_attempted_at, step.backoff_request_seconds]
      raise 'once' if step.attempts.zero?
    end
    register('chain', 'first' => ['EndToEnd::First', { 'retry' => { 'backoff' => 'fixed', 'base_ms' => 10, 'max_ms' => 10, 'jitter' => false } }])
    worker
    task_id = submit('chain')
    wait(task_id)
    failed = stack.sql('SELECT failed_at FROM tasker.step_failures f JOIN tasker_workflow_steps USING (workflow_step_id) WHERE task_id = $1', task_id)
    expect(take(seen)).to eq([0, nil, nil])
    attempts, last, = take(seen)
    expect(attempts).to eq(1)
    expect(last.strftime('%F %T.%6N')).to start_with(failed.first['failed_at'])
  end

  %w[queued direct].each do |mode|
    it "shows a saved context to the steps after it, in #{mode} mode" do
      seen = self.seen
      handles('First') do |task, *|
        task.context['added'] = { by: :first, at: Date.new(2024, 1, 2) }
        task.save!
      end
      handles('Second') { |task, *| seen << task.context }
      handles('Third') { |task, _sequence, step| seen << task.context && { inputs: step.inputs } }
      chain('First', 'Second', 'Third')
      worker(set: stack.settings('engine.mode' => mode))
      task_id = submit('chain', 'n' => 1)
      task = wait(task_id)
      after = { 'n' => 1, 'added' => { 'by' => 'first', 'at' => '2024-01-02' } }
      expect([take(seen), take(seen)]).to eq([after, after])
      expect(task['context']).to eq(after)
      # As in the engine, inputs are those of the beginning.
      expect(results(task)['third']).to eq('inputs' => { 'n' => 1 })
      stamps = stack.sql('SELECT created_at, updated_at FROM tasker_tasks WHERE task_id = $1', task_id).first
      expect(stamps['updated_at']).to be > stamps['created_at']
    end
  end

  it 'refuses a context beyond the limits before anything is stored, and fails that step for good' do
    handles('First') { |task, *| task.update!(context: { 'blob' => 'x' * 300_000 }) }
    chain('First')
    worker
    task = wait(submit('chain', 'n' => 1))
    expect(task).to include('state' => 'error', 'context' => { 'n' => 1 })
    expect(results(task)['first']).to include('error_class' => 'TaskerCore::RecordError',
                                              'error' => /\Acontext: \d+ bytes of JSON, more than the 262144 allowed; see/)
    expect(stack.step(task['task_id'], 'first')['attempts']).to eq(1)
  end

  it 'stores inputs of the own step for the next attempt' do
    handles('First') do |_task, _sequence, step|
      next { page: step.inputs['page'] } if step.attempts.positive?

      step.update!(inputs: { page: 7 })
      raise 'once'
    end
    register('chain', 'first' => ['EndToEnd::First', { 'retry' => { 'backoff' => 'fixed', 'base_ms' => 10, 'max_ms' => 10, 'jitter' => false } }])
    worker
    expect(results(wait(submit('chain')))).to eq('first' => { 'page' => 7 })
  end

  it 'lets an attempt that was given up store nothing' do
    begun, gate, seen = self.begun, self.gate, self.seen
    handles('First') do |task, _sequence, step|
      begun << 1
      gate.pop
      task.context['late'] = true
      seen << begin
        task.save!
      rescue TaskerCore::RecordError => e
        e.code
      end
      seen << task.save << (step.update(inputs: { late: true }))
    end
    register('chain', 'first' => ['EndToEnd::First', { 'timeout_seconds' => 1, 'default_retry_limit' => 1 }])
    worker
    task_id = submit('chain', 'n' => 1)
    take(begun)
    expect(wait(task_id)['state']).to eq('error')
    gate << 'go'
    expect(Array.new(3) { take(seen) }).to eq(['stale', false, false])
    expect(stack.task(task_id)['context']).to eq('n' => 1)
  end

  it 'leaves no transaction open when a handler is interrupted while it saves' do
    handles('First') do |task, *|
      saved = 0
      begin
        Timeout.timeout(0.05) { task.update!(context: { saved: saved += 1 }) while true }
      rescue Timeout::Error
        task.update!(context: { saved: 'at last' })
      end
      { saved: saved }
    end
    chain('First')
    worker
    task = wait(submit('chain'))
    expect(results(task)['first']['saved']).to be_positive
    expect(task['context']).to eq('saved' => 'at last')
    open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    eventually('no transaction is open') { stack.sql(open).first['count'] == '0' }
  end

  it 'makes annotations, and one type however many make it at once' do
    begun, gate = self.begun, self.gate
    handles('Note') do |task, _sequence, step|
      begun << 1
      gate.pop
      type = Tasker::AnnotationType.find_or_create_by!(name: "notes of #{task.namespace_name}", description: 'spec')
      made = task.task_annotations.create!(annotation_type: type, annotation: { step: step.name, total: BigDecimal('1.5') })
      { id: made.id }
    end
    names = Array.new(6) { |n| "step_#{n}" }
    register('wide', names.to_h { |name| [name, ['EndToEnd::Note']] })
    worker(concurrency: 6)
    task_id = submit('wide')
    names.each { take(begun) }
    names.each { gate << 'go' }
    expect(wait(task_id)['state']).to eq('complete')
    rows = stack.sql('SELECT a.annotation, y.name, y.description FROM tasker_task_annotations a JOIN tasker_annotation_types y ' \
                     'USING (annotation_type_id) WHERE a.task_id = $1 ORDER BY a.annotation->>\'step\'', task_id)
    expect(rows.map { |row| JSON.parse(row['annotation']) }).to eq(names.map { |name| { 'step' => name, 'total' => '1.5' } })
    expect(rows.map { |row| row.values_at('name', 'description') }.uniq).to eq([["notes of #{namespace}", 'spec']])
    shown = stack.request(Net::HTTP::Get, "/v1/tasks/#{task_id}?include=annotations").fetch('annotations')
    expect(shown.map { |one| [one['annotation_type'], one['annotation']['total']] }.uniq).to eq([["notes of #{namespace}", '1.5']])
    expect(shown.size).to eq(6)
    expect(stack.sql('SELECT 1 FROM tasker_annotation_types WHERE name = $1', "notes of #{namespace}").size).to eq(1)
  end
end
