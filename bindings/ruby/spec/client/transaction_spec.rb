# frozen_string_literal: true

require 'open3'
require 'pg'
require_relative '../end_to_end/setting'

RSpec.describe TaskerCore::Submitter, :end_to_end do
  submitters = {}

  # One for all examples; it reads templates only.
  let(:submitter) { submitters[stack.url] ||= described_class.new(set: stack.settings) }
  let(:connection) { PG.connect(stack.url) }
  let(:name) { "#{namespace}/order" }

  # No other template has steps of these names: their ids follow each other, here as in
  # another database.
  let(:order) do
    start, left, right, join = %w[start left right join].map { |step| "#{namespace}_#{step}" }
    template('order', start => ['step'], left => ['step', { 'depends_on_step' => start }],
                      right => ['step', { 'depends_on_step' => start, 'default_retry_limit' => 5 }],
                      join => ['step', { 'depends_on_steps' => [left, right] }])
  end

  before { stack.register(order) }

  after { connection.close unless connection.finished? }

  def submit(on: connection, **fields)
    submitter.submit(name: name, connection: on, **fields)
  end

  def tasks
    stack.sql('SELECT count(*) FROM tasker_tasks t JOIN tasker.task_runs r USING (task_id) WHERE r.namespace = $1', namespace)
         .first['count'].to_i
  end

  # Every row that belongs to a task, without what is made anew for each.
  def rows(task_id)
    steps = stack.sql('SELECT workflow_step_id AS id FROM tasker_workflow_steps WHERE task_id = $1 ORDER BY 1', task_id).map { |row| row['id'] }
    number = steps.each_with_index.to_h.merge(task_id.to_s => 'task')
    {
      'tasker_tasks' => 'task_id = $1', 'tasker_workflow_steps' => 'task_id = $1', 'tasker_task_transitions' => 'task_id = $1',
      'tasker.task_runs' => 'task_id = $1', 'tasker.step_gates' => 'task_id = $1', "pgmq.q_#{queue}" => "message->>'task_id' = $1::text",
      'tasker_workflow_step_edges' => 'to_step_id IN (SELECT workflow_step_id FROM tasker_workflow_steps WHERE task_id = $1)'
    }.to_h do |table, condition|
      found = stack.sql("SELECT to_jsonb(t) AS row FROM #{table} t WHERE #{condition}", task_id).map do |row|
        JSON.parse(row['row']).reject { |column, _| column.match?(/_at\z|\Aid\z|\Avt\z|identity_hash|idempotency_key/) }
            .to_h { |column, value| [column, relative(column, value, number)] }
      end
      [table, found.sort_by(&:to_s)]
    end
  end

  def relative(column, value, number)
    return value.transform_values { |id| number.fetch(id.to_s) } if column == 'message'
    # The lowest bits are a sequence's; above them is the priority.
    return value >> 48 if column == 'msg_id'
    return value unless column.match?(/(task|step)_id\z/) && column != 'named_task_id' && !column.match?(/named_step/)

    number.fetch(value.to_s)
  end

  def queue
    stack.sql("SELECT queue_name FROM pgmq.meta WHERE queue_name LIKE $1", "%#{namespace}%").first.fetch('queue_name')
  end

  def error_of
    yield
    nil
  rescue StandardError => e
    e
  end

  it 'writes what the service writes' do
    odd = %q(a,b "q" \ {} NULL 'x' ü)
    fields = { context: { 'odd' => [odd, nil, 1.5, 2**60, { odd => true }], empty: {} }, tags: [odd, 'NULL'], reason: odd, initiator: 'me',
               source_system: 'NULL', priority: -3, correlation_id: odd, bypass_steps: [odd, 'NULL'] }
    trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    client = TaskerCore::Client.new(url: stack.api.to_s)
    theirs = client.submit(name: name, **fields, traceparent: trace)
    ours = submit(**fields, idempotency_key: 'k', traceparent: trace)
    expect(ours).to have_attributes(namespace: namespace, name: 'order', version: '1.0.0', idempotency_key: 'k', correlation_id: odd,
                                    duplicate?: false)
    written = rows(ours.task_id)
    expect(written.transform_values(&:size)).to eq(rows(theirs.task_id).transform_values(&:size))
    expect(written).to eq(rows(theirs.task_id))
    expect(written.transform_values(&:size).values).to eq([1, 4, 1, 1, 1, 1, 4])
    expect(client.task(ours).context).to eq(client.task(theirs).context)
  end

  it 'stores what a request of the engine says of its time and of bypassed steps' do
    request = Tasker::Types::TaskRequest.new(name: 'order', namespace: namespace, version: '1.0.0', context: { a: 1 }, bypass_steps: %w[left right],
                                             requested_at: '2024-01-02T03:04:05.678901Z')
    [submitter.submit(request, connection: connection), TaskerCore::Client.new(url: stack.api.to_s).submit(request)].each do |task|
      row = stack.sql('SELECT requested_at, bypass_steps FROM tasker_tasks WHERE task_id = $1', task.task_id).first
      expect(row).to eq('requested_at' => '2024-01-02 03:04:05.678901', 'bypass_steps' => '["left","right"]')
    end
  end

  it 'is one task with what else was written, and the workers run it when that is committed' do
    worker(handlers: { 'step' => ->(context) { { name: context.step_name } } })
    task = connection.transaction do
      submitted = submit(context: { a: 1 })
      expect(tasks).to eq(0)
      submitted
    end
    expect(wait(task.task_id)['state']).to eq('complete')
  end

  it 'is nothing if that is rolled back' do
    id = nil
    expect do
      connection.transaction do
        id = submit(idempotency_key: 'k').task_id
        raise 'the order cannot be saved'
      end
    end.to raise_error('the order cannot be saved')
    expect(tasks).to eq(0)
    expect(stack.sql("SELECT FROM pgmq.q_#{queue}")).to eq([])
    expect { TaskerCore::Client.new(url: stack.api.to_s).task(id) }.to raise_error(TaskerCore::NotFound)
    expect(submit(idempotency_key: 'k')).not_to be_duplicate
  end

  it 'goes with the savepoint it was written in' do
    connection.transaction do
      submit(context: { kept: true })
      connection.exec('SAVEPOINT a')
      submit(context: { kept: false })
      connection.exec('ROLLBACK TO SAVEPOINT a')
    end
    expect(tasks).to eq(1)
  end

  it 'is committed at once without a transaction' do
    submit
    expect(tasks).to eq(1)
    expect(connection.transaction_status).to eq(PG::PQTRANS_IDLE)
  end

  it 'knows a key from here and from the service, and keeps the transaction when it refuses' do
    theirs = TaskerCore::Client.new(url: stack.api.to_s).submit(name: name, context: { a: [1, 'x'] }, idempotency_key: 'theirs')
    connection.transaction do
      first = submit(idempotency_key: 'ours', context: { a: 1 })
      again = submit(idempotency_key: 'ours', context: { 'a' => 1 })
      expect([again.task_id, again.duplicate?]).to eq([first.task_id, true])
      expect(submit(idempotency_key: 'theirs', context: { a: [1, :x] })).to have_attributes(task_id: theirs.task_id, duplicate?: true)

      conflict = error_of { submit(idempotency_key: 'ours', context: { a: 2 }) }
      expect(conflict).to be_a(TaskerCore::Conflict).and have_attributes(code: 'TSK-2001', status: 409)
      expect(conflict.message).to start_with('The idempotency key belongs to another request (TSK-2001): ').and include("task #{first.task_id}")
      expect(conflict.fields.map(&:field)).to eq(['/idempotency_key'])
    end
    expect(tasks).to eq(2)
    expect(submit(context: { a: 1 }).task_id).not_to eq(submit(context: { a: 1 }).task_id)
  end

  it 'refuses what the service refuses, in its words' do
    client = TaskerCore::Client.new(url: stack.api.to_s)
    schema = { 'type' => 'object', 'required' => ['id'], 'properties' => { 'id' => { 'type' => 'integer' } } }
    stack.register(JSON.generate(JSON.parse(template('strict', 'start' => ['step'])).merge('schema' => schema)))
    strict = "#{namespace}/strict"
    [{ name: name, priority: 500, tags: [''], idempotency_key: 'a b', initiator: '' }, { name: strict, context: { id: 'x' } }, { name: strict },
     { name: "#{namespace}/none" }, { name: 'order' }, { name: name, version: '9.9.9' }, { name: name, version: 'x', namespace: 'A B' },
     { name: name, context: [1] }, { name: name, requested_at: Time.utc(0), bypass_steps: ['', 'x' * 129] }].each do |fields|
      theirs = error_of { client.submit(**fields) }
      ours = error_of { submitter.submit(**fields, connection: connection) }
      expect([ours.class, ours.code, ours.status, ours.message, ours.fields])
        .to eq([TaskerCore::InvalidRequest, theirs.code, 422, theirs.message, theirs.fields]), fields.inspect
    end
    types = error_of { submitter.submit(name: 7, priority: 'high', tags: 'x', connection: connection) }
    expect(types.fields.map(&:field)).to contain_exactly('/name', '/priority', '/tags')
    expect { submitter.submit(name: name, color: 1, connection: connection) }.to raise_error(ArgumentError, /unknown: color/)
    expect { submitter.submit(name: name, connection: 7) }.to raise_error(ArgumentError, /connection: .*Integer/)
    expect(tasks).to eq(0)
  end

  describe 'on a connection to another database' do
    let(:other) { Stack.start }
    let(:elsewhere) { PG.connect(other.url) }
    let(:ours) { ids(stack) }

    after { other.stop }

    def ids(stack)
      row = stack.sql('SELECT definition_id, named_task_id, min(named_step_id) AS named_step_id FROM tasker.templates ' \
                      'JOIN tasker_named_tasks_named_steps USING (named_task_id) WHERE namespace = $1 GROUP BY 1, 2', namespace).first
      row&.transform_values(&:to_i)
    end

    # Registers a template there under the ids it has here, or others.
    def register_there(yaml, **others)
      ids = ours.transform_keys(&:to_sym).merge(others)
      other.sql("ALTER TABLE tasker.templates ALTER COLUMN definition_id RESTART WITH #{ids[:definition_id]}")
      other.sql("ALTER SEQUENCE tasker_named_tasks_named_task_id_seq RESTART WITH #{ids[:named_task_id]}")
      other.sql("ALTER SEQUENCE tasker_named_steps_named_step_id_seq RESTART WITH #{ids[:named_step_id]}")
      other.register(yaml)
    end

    def tasks_there
      elsewhere.exec('SELECT (SELECT count(*) FROM tasker_tasks) + (SELECT count(*) FROM tasker_workflow_steps)').getvalue(0, 0).to_i
    end

    it 'makes no task of the template that has the same ids there, and keeps the transaction' do
      register_there(JSON.generate(JSON.parse(order).merge('name' => 'delete_customer')))
      expect(ids(other)).to eq(ours)
      elsewhere.transaction do
        expect { submit(on: elsewhere) }.to raise_error(
          TaskerCore::DatabaseError, /database=#{elsewhere.db} .*from host=.* database=#{connection.db} .*order 1\.0\.0 is not the same one/
        )
        expect(tasks_there).to eq(0)
      end
    end

    it 'makes no task of the same template whose steps have other ids there' do
      register_there(order, named_step_id: ours['named_step_id'] + 1)
      expect { submit(on: elsewhere) }.to raise_error(TaskerCore::DatabaseError, /is not the same one/)
      expect(tasks_there).to eq(0)
    end

    it 'makes one where all is the same, as in a copy' do
      register_there(order)
      expect(ids(other)).to eq(ours)
      expect(submit(on: elsewhere).task_id).to be_positive
      expect(tasks_there).to eq(5)
    end
  end

  it 'names both databases where the one of the connection has no tables of the engine' do
    empty = Stack.create_database
    elsewhere = PG.connect(empty)
    expect { submit(on: elsewhere) }.to raise_error(
      TaskerCore::DatabaseError, /database=#{elsewhere.db} .*from host=.* database=#{connection.db} .*has not the tables .*does not exist/
    )
  ensure
    elsewhere&.close
    Stack.drop_database(empty)
  end

  it 'stores no text as another one' do
    text = { 'name' => '漢 é' }
    connection.set_client_encoding('LATIN1')
    connection.transaction do
      expect { submit(context: text) }.to raise_error(TaskerCore::DatabaseError, /client_encoding of the connection is LATIN1.*UTF8/)
    end
    expect(tasks).to eq(0)
    %w[UTF8 SQL_ASCII].each do |encoding|
      connection.exec("SET client_encoding TO #{encoding}")
      task = submit(context: text, initiator: '漢')
      expect(TaskerCore::Client.new(url: stack.api.to_s).task(task)).to have_attributes(context: text, initiator: '漢')
    end
  end

  it 'needs no other setting of the session, and leaves those there are' do
    connection.exec("SET search_path TO elsewhere, pg_temp; SET TimeZone TO 'Asia/Tokyo'; SET DateStyle TO 'German'; SET enable_nestloop TO off")
    connection.type_map_for_results = PG::BasicTypeMapForResults.new(connection)
    connection.type_map_for_queries = PG::BasicTypeMapForQueries.new(connection)
    path = 'SHOW search_path'
    ours = connection.transaction do
      submitted = submit(context: { a: 1 }, idempotency_key: 'k')
      expect(connection.exec(path).getvalue(0, 0)).to eq('elsewhere, pg_temp')
      expect(submit(context: { a: 1 }, idempotency_key: 'k')).to be_duplicate
      expect(error_of { submit(context: { a: 2 }, idempotency_key: 'k') }).to be_a(TaskerCore::Conflict)
      expect(connection.exec(path).getvalue(0, 0)).to eq('elsewhere, pg_temp')
      submitted
    end
    expect(connection.exec(path).getvalue(0, 0)).to eq('elsewhere, pg_temp')
    task = TaskerCore::Client.new(url: stack.api.to_s).task(ours)
    expect([task.requested_at, task.created_at]).to all(be_within(120).of(Time.now))
  end

  it 'says that the transaction has failed before' do
    connection.exec('BEGIN')
    error_of { connection.exec('SELECT 1/0') }
    expect { submit }.to raise_error(TaskerCore::DatabaseError, /has failed: roll it back/)
    connection.exec('ROLLBACK')
    connection.close
    expect { submit }.to raise_error(StandardError)
  end

  it 'wakes at the commit, unless it is told not to' do
    listener = PG.connect(stack.url)
    listener.exec('LISTEN tasker_wake')
    heard = lambda do |seconds|
      deadline = Stack.now + seconds
      payload = nil
      until payload == "steps #{namespace}" || (left = deadline - Stack.now) <= 0
        listener.wait_for_notify(left) { |_, _, said| payload = said }
      end
      payload == "steps #{namespace}"
    end
    connection.transaction { submit(wake: false) }
    connection.exec("NOTIFY tasker_wake, 'steps of nobody'")
    listener.wait_for_notify(SpecSupport::PATIENCE) { |_, _, said| expect(said).not_to eq("steps #{namespace}") }
    connection.transaction { submit }
    expect(heard.call(SpecSupport::PATIENCE)).to be(true)
  ensure
    listener&.close
  end

  it 'is shared by threads with connections of their own' do
    ids = Array.new(4) do
      Thread.new do
        own = PG.connect(stack.url)
        Array.new(5) { own.transaction { submit(on: own).task_id } }
      ensure
        own&.close
      end
    end.flat_map(&:value)
    expect([ids.uniq.size, tasks]).to eq([20, 20])
  end

  # In a process of its own: ActiveRecord would be there for all other specs too.
  it 'is part of the transactions of ActiveRecord, by the way of the module' do
    program = File.expand_path('active_record_program.rb', __dir__)
    output, status = Open3.capture2e(stack.environment.merge('TASKER_ENV' => 'test'), RbConfig.ruby, '-I', File.join(EndToEnd::GEM, 'lib'),
                                     program, name)
    expect(status).to be_success, output
    said = JSON.parse(output.lines.last)
    expect(said).to eq('kept' => %w[class connection outer alone], 'seen' => 1, 'class' => 'TaskerCore::Submission')
    contexts = stack.sql('SELECT context FROM tasker_tasks JOIN tasker.task_runs r USING (task_id) WHERE r.namespace = $1 ORDER BY task_id',
                         namespace)
    expect(contexts.map { |row| JSON.parse(row['context'])['at'] }).to eq(said['kept'])
  end

  describe 'opening one' do
    it 'needs a database of this version, and a configuration' do
      expect { described_class.new(set: stack.settings('database.url' => 'postgres://nobody@127.0.0.1:1/none')) }
        .to raise_error(TaskerCore::DatabaseError)
      expect { described_class.new(set: { 'database.colour' => 'red' }) }.to raise_error(TaskerCore::ConfigurationError, /database.colour/)
      empty = Stack.create_database
      begin
        expect { described_class.new(set: stack.settings('database.url' => empty)) }
          .to raise_error(TaskerCore::DatabaseError, /tasker migrate/)
      ensure
        Stack.drop_database(empty)
      end
    end

    it 'is for the process that does it' do
      mine = submitter
      reader, writer = IO.pipe
      child = fork do
        used = error_of { mine.submit(name: name, connection: connection) }
        opened = error_of { described_class.new(set: stack.settings) }
        writer.write([used, opened].map { |error| "#{error.class}: #{error.message}" }.join("\n"))
        writer.close
        exit!(0)
      end
      writer.close
      expect(reader.read.lines).to match([/ForkError: .*open one in the child/, /ForkError: .*before it forked/])
      Process.wait(child)
      expect(submit.task_id).to be_positive
    ensure
      reader.close
    end
  end
end
