# frozen_string_literal: true

require_relative 'setting'
require_relative '../golden/workflows'

# The events of whole runs, of the worker and of orchestration, against those that the
# Rails engine published for workflows of the same shape.
RSpec.describe 'Events of a run' do
  include EndToEnd

  golden = File.expand_path('../golden', __dir__)
  runs = JSON.parse(File.read(File.join(golden, 'runs.json')))
  published = JSON.parse(File.read(File.join(golden, 'events.json')))

  around do |example|
    Tasker.logger = Logger.new(@events_log = StringIO.new)
    example.run
  ensure
    stop_workers
    Tasker.logger = nil
    GoldenWorkflows.remove
    Tasker.reset_configuration!
    Tasker::HandlerFactory.instance.clear
    Tasker::Events::Publisher.instance.clear_subscriptions
  end

  let(:heard) { Thread::Queue.new }

  # Every event of one run, as [identifier, step, payload]; those of steps come from the
  # threads that run them, the others from the feed.
  def events_of(run, last: 1)
    GoldenWorkflows.define(run)
    publisher = Tasker::Events::Publisher.instance
    Tasker::Events::Catalog::IDENTIFIERS.each { |identifier| publisher.subscribe(identifier) { |event| heard << event } }
    (@workers ||= []) << TaskerCore::Worker.start(
      set: stack.settings('engine.poll_interval_ms' => '50'), concurrency: 1, events: namespace, namespaces: ['default'],
      logger: Logger.new(StringIO.new)
    )
    task = submit_golden(run)
    ends = 0
    events = []
    until ends == last
      event = take(heard)
      next unless event[:task_id] == task

      events << event
      ends += 1 if event.id == 'workflow.task_finalization_completed'
    end
    events
  end

  def submit_golden(run)
    stack.submit("default/#{run['name']}", run['context'], version: run.fetch('version', '0.1.0')).tap { |task| wait(task) }
  end

  def of_steps(events)
    events.select { |event| event.to_h.key?(:step_name) }
  end

  # Each occurrence once: what follows itself is the engine's other voice.
  def once(identifiers)
    identifiers.chunk_while { |one, other| one == other }.map(&:first)
  end

  runs.each do |run|
    engine = published.fetch(run['label'])

    it "of #{run['label']}: each once, in the engine's order, with its keys" do
      events = events_of(run)
      expected = engine.reject { |_, step,| step }
      others = events - of_steps(events)
      expect(others.map(&:id)).to eq(once(expected.map(&:first)))
      of_steps(events).group_by { |event| event[:step_name] }.each do |name, own|
        expect(own.map(&:id)).to eq(%w[step.execution_requested step.before_handle step.completed]), name
        own.each do |event|
          keys = engine.select { |identifier, step,| [identifier, step] == [event.id, name] }.flat_map(&:last).uniq
          expect(event.to_h.keys.map(&:to_s)).to match_array(keys), "#{name} #{event.id}"
        end
      end
      others.uniq(&:id).each do |event|
        keys = expected.select { |identifier,| identifier == event.id }.flat_map(&:last).uniq
        expect(event.to_h.keys.map(&:to_s)).to include(*keys - (event.id == 'task.start_requested' ? %w[from_state to_state transitioned_at] : [])), event.id
      end
      expect(others.map(&:event_id)).to all(match(/\A[ts]\d+\./))
      expect(others.map(&:event_id).uniq.size).to eq(others.size)
      expect(others.last.to_h).to include(final_status: 'complete', completion_percentage: 100.0)
    end

    it "of #{run['label']}: as often as in the engine, if duplicates are asked for" do
      Tasker.configuration.compatibility.duplicate_events = true
      events = events_of(run, last: 2)
      expect(events.map(&:id).tally).to eq(engine.map(&:first).tally)
    end
  end

  it 'are delivered to who subscribes later, and to another process\' subscribers under a name of its own' do
    register('greet', 'hello' => 'Events::Say')
    worker(handlers: { 'Events::Say' => ->(_context) { { said: true } } }, events: "#{namespace}-worker")
    Tasker::Events::Publisher.instance.subscribe('task.completed') { |event| heard << event if event[:task_name] == 'greet' }
    listener = Tasker::Events.listen(name: "#{namespace}-web", set: stack.settings('engine.poll_interval_ms' => '50'))
    eventually('the worker reads too') do
      stack.sql('SELECT count(*) AS n FROM tasker.event_cursors WHERE name LIKE $1', "#{namespace}-%").first['n'] == '2'
    end
    task = submit('greet')
    both = Array.new(2) { take(heard) }
    expect(both.map { |event| event[:task_id] }).to eq([task, task])
    expect(both.map(&:event_id).uniq.size).to eq(1)
    expect(both.first[:transitioned_at]).to be_a(Time)
    expect(both.map { |event| event[:task] })
      .to all(be_a(Tasker::Task).and(have_attributes(task_id: task, status: 'complete', name: 'greet', workflow_steps: [be_complete])))
    expect(both.first[:timestamp]).to match(/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\z/)
  ensure
    expect(listener&.stop).to be(true)
  end

  it 'reach the others where a subscriber would end the process, raises beside StandardError or ends its thread' do
    publisher = Tasker::Events::Publisher.instance
    ended = 0
    publisher.subscribe('task.completed') { exit }
    publisher.subscribe('task.completed') { raise Exception, 'odd' } # rubocop:disable Lint/RaiseException
    publisher.subscribe('task.completed') { Thread.exit if (ended += 1) == 1 }
    publisher.subscribe('task.completed') { |event| heard << event if event[:task_name] == 'greet' }
    register('greet', 'hello' => 'Events::Say')
    worker(handlers: { 'Events::Say' => ->(_context) { {} } }, events: namespace)
    tasks = Array.new(2) { submit('greet').tap { |task| wait(task) } }
    expect(Array.new(2) { take(heard)[:task_id] }).to eq(tasks)
    expect(@events_log.string).to include('(SystemExit)').and include('odd (Exception)').and include('its thread was ended')
  end

  it 'wait for a slow subscriber and pass by one that fails, and none is dropped' do
    publisher = Tasker::Events::Publisher.instance
    publisher.reset_statistics
    before = publisher.slow_after_seconds
    publisher.slow_after_seconds = 0
    publisher.subscribe('task.completed') { raise 'not today' }
    publisher.subscribe('task.completed') { |event| heard << event if event[:task_name] == 'greet' }
    register('greet', 'hello' => 'Events::Say')
    worker(handlers: { 'Events::Say' => ->(_context) { {} } }, events: namespace)
    tasks = Array.new(3) { submit('greet') }
    expect(Array.new(3) { take(heard)[:task_id] }).to match_array(tasks)
    eventually('it is counted') { publisher.statistics[:failed] >= 3 }
    expect(publisher.statistics).to include(slow: 0, dropped: 0)
    expect(@events_log.string).to include('not today')
  ensure
    publisher.slow_after_seconds = before
  end
end
