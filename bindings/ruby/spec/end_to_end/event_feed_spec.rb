# frozen_string_literal: true

require_relative 'setting'

# Events of orchestration in any process, from a real orchestrator and worker.
RSpec.describe TaskerCore::EventFeed do
  include EndToEnd

  after do
    @feeds&.each do |feed|
      feed.stop
      feed.join(SpecSupport::PATIENCE)
    end
    stop_workers
  end

  def feed(name: namespace, **options, &block)
    options = { set: stack.settings('engine.poll_interval_ms' => '50'), logger: Logger.new(@feed_log = StringIO.new), **options }
    (@feeds ||= []) << (feed = described_class.start(name: name, **options, &block))
    feed
  end

  # Events of the example's namespace, as they come.
  def heard(**options)
    queue = Thread::Queue.new
    feed(**options) { |events| events.each { |event| queue << event if event.namespace == namespace } }
    queue
  end

  def run_one(name = 'greet')
    register(name, 'hello' => 'Feed::Say', 'bye' => ['Feed::Say', { 'depends_on_step' => 'hello' }])
    worker(handlers: { 'Feed::Say' => ->(_context) { { said: true } } })
    submit(name, { 'who' => 'Ada' }).tap { |task| wait(task) }
  end

  it 'tells of the end of a task what a receiver needs to know' do
    ends = heard(events: ['workflow.task_finalization_completed'])
    task = run_one
    event = take(ends)
    expect(event).to have_attributes(task_id: task, namespace: namespace, task_name: 'greet', task_version: '1.0.0',
                                     identifier: 'workflow.task_finalization_completed')
    expect(event.id).to match(/\At\d+\.workflow\.task_finalization_completed\z/)
    expect(event.payload).to include(task_id: task, final_status: 'complete', total_steps: 2)
    expect(ends).to be_empty
  end

  it 'tells a new name what was before, if it is asked to begin there, and goes on where it was' do
    task = run_one
    options = { name: "#{namespace}-all", from: :beginning, events: %w[task.start_requested task.completed] }
    first = heard(**options)
    told = Array.new(3) { take(first) }
    expect(told.map(&:identifier)).to eq(%w[task.start_requested task.start_requested task.completed])
    expect(told.first.payload).to include(task_context: { 'who' => 'Ada' }, step_count: 2)
    expect(told.map(&:task_id).uniq).to eq([task])
    @feeds.last.stop
    expect(@feeds.last.join(SpecSupport::PATIENCE)).to be(true)
    expect(@feeds.last).not_to be_running

    second = heard(**options)
    again = submit('greet')
    wait(again)
    expect(Array.new(3) { take(second) }.map(&:task_id).uniq).to eq([again])
  end

  it 'delivers again what a block could not take, and sets aside what it never takes' do
    tries = Hash.new(0)
    taken = Thread::Queue.new
    delivery = feed(events: ['task.completed', 'task.start_requested'], attempts: 2) do |events|
      events = events.select { |event| event.namespace == namespace }
      events.each { |event| tries[event.id] += 1 }
      raise 'not this one' if events.any? { |event| event.identifier == 'task.completed' }

      events.each { |event| taken << event }
    end
    run_one
    expect(take(taken).identifier).to eq('task.start_requested')
    eventually('it is set aside') { delivery.statistics[:set_aside] == 1 }
    expect(tries.values.max).to be >= 2
    expect(@feed_log.string).to match(/event t\d+\.task\.completed is set aside/).and include('not this one')
    again = submit('greet')
    wait(again)
    eventually('later events come') { !taken.empty? && taken.pop.task_id == again }
    stored = eventually('it is counted') do
      row = stack.sql('SELECT delivered, set_aside FROM tasker.event_cursors WHERE name = $1', namespace).first
      row if row['set_aside'].to_i >= 1
    end
    expect(stored['delivered'].to_i).to be >= 2
  end

  it 'lets one of several feeds of a name read, and another go on after it' do
    heard_by = Array.new(2) { heard(name: "#{namespace}-shared", events: ['task.completed']) }
    first = run_one
    reader = eventually('one of them hears it') { heard_by.index { |queue| !queue.empty? } }
    expect(take(heard_by[reader]).task_id).to eq(first)
    @feeds[reader].stop
    expect(@feeds[reader].join(SpecSupport::PATIENCE)).to be(true)
    again = submit('greet')
    wait(again)
    expect(take(heard_by[1 - reader]).task_id).to eq(again)
    expect(heard_by[reader]).to be_empty
  end

  it 'refuses what it cannot subscribe to, with the field and the remedy' do
    expect { feed(name: 'a b') {} }.to raise_error(TaskerCore::ConfigurationError, /name: .*letters/)
    expect { feed(events: ['step.completed']) {} }
      .to raise_error(TaskerCore::ConfigurationError, /events: .*step\.completed.*step\.cancelled/)
    expect { feed(batch: 0) {} }.to raise_error(TaskerCore::ConfigurationError, /batch: /)
    expect { feed(from: :tomorrow) {} }.to raise_error(TaskerCore::ConfigurationError, /tomorrow/)
    expect { feed(attempts: 0) {} }.to raise_error(TaskerCore::ConfigurationError, /attempts: /)
    expect { described_class.start(name: 'x') }.to raise_error(ArgumentError, /block/)
    expect { feed(set: { 'database.url' => 'postgres://127.0.0.1:1/none', 'database.connect_retry_seconds' => 0 }) {} }
      .to raise_error(TaskerCore::DatabaseError)
  end
end
