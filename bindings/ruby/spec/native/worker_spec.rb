# frozen_string_literal: true

require_relative '../support/native'
require_relative '../support/stack'
require 'net/http'
require 'socket'

# The worker on a real database, with an orchestrator beside it.
RSpec.describe TaskerCore::Native::Worker do
  include NativeSupport

  def stack
    Stack.shared
  end

  # Registers a template of these steps in a namespace of its own and returns its name.
  def template(**steps)
    @namespace ||= "native_#{rand(1 << 40).to_s(36)}"
    steps = steps.map do |step, options|
      "{name: #{step}, handler_class: 'Spec::#{step.capitalize}'#{options && ", #{options}"}}"
    end
    stack.register(<<~YAML)
      name: flow
      namespace_name: #{@namespace}
      version: 1.0.0
      step_templates: [#{steps.join(', ')}]
    YAML
    "#{@namespace}/flow"
  end

  RETRY = 'retry: {backoff: fixed, base_ms: 5, max_ms: 5, jitter: false}'

  def options(settings = {}, more = {})
    overrides = { 'worker.namespaces' => @namespace }.merge(settings).map { |key, value| [key, value.to_s] }
    stack.native_options(more.merge('overrides' => overrides + more.fetch('overrides', [])))
  end

  # A worker for this example's namespace.
  def worker(settings = {}, more = {})
    @worker = described_class.start(options(settings, more))
  end

  after do
    @worker&.stop
    @worker&.join(30)
  end

  it 'runs a workflow through the database' do
    name = template('one' => 'handler_config: {url: u}', 'two' => 'depends_on_step: one, timeout_seconds: 7')
    worker
    task = stack.submit(name, { 'n' => [1, 2.5, nil] }, correlation_id: 'corr')
    one = @worker.take(10).first
    expect([one.step_name, one.handler_class, one.namespace, one.task_name, one.task_version, one.task_id])
      .to eq(['one', 'Spec::One', @namespace, 'flow', '1.0.0', task])
    expect([one.context, one.inputs, one.config, one.previous_results, one.parent_names])
      .to eq([{ 'n' => [1, 2.5, nil] }, { 'n' => [1, 2.5, nil] }, { 'url' => 'u' }, {}, []])
    expect([one.attempt, one.retry_limit, one.retryable, one.correlation_id]).to eq([1, 3, true, 'corr'])
    expect(one.succeed({ sum: 3.5, 'list' => [{ 'é' => 2**60 }] })).to be(true)
    two = @worker.take(10).first
    expect(two.parent_results('one')).to eq('sum' => 3.5, 'list' => [{ 'é' => 2**60 }])
    expect(two.timeout_seconds).to eq(7.0)
    two.succeed(nil)
    ended = stack.wait(task)
    expect(ended['state']).to eq('complete')
    expect(ended['steps'].map { |step| step['results'] }).to eq([{ 'sum' => 3.5, 'list' => [{ 'é' => 2**60 }] }, nil])
  end

  it 'goes on in the trace of whoever made the task' do
    name = template('one' => nil)
    worker
    traceparent = "00-#{'4b' * 16}-#{'0f' * 8}-01"
    stack.submit(name, {}, traceparent: traceparent)
    one = @worker.take(1).first
    expect(one.traceparent.split('-')[1]).to eq('4b' * 16)
    one.succeed({})
  end

  it 'reads all steps of the task as they are now' do
    name = template('one' => nil, 'left' => 'depends_on_step: one', 'right' => 'depends_on_step: one',
                    'last' => 'depends_on_steps: [left, right]')
    worker
    task = stack.submit(name, { 'a' => 1 })
    one = @worker.take(1).first
    one.succeed({ 'v' => 1 })
    running = []
    running += @worker.take(2) until running.size == 2
    steps = running.first.steps
    expect(steps.map { |step| step['name'] }).to eq(%w[one left right last])
    expect(steps.map { |step| step['state'] }).to eq(%w[complete in_progress in_progress pending])
    ids = steps.to_h { |step| [step['name'], step['step_id']] }
    expect(steps.map { |step| step['parent_ids'].sort })
      .to eq([[], [ids['one']], [ids['one']], ids.values_at('left', 'right').sort])
    first = steps.first
    expect(first.keys).to match_array(%w[step_id named_step_id name state attempts retry_limit retryable skippable
                                         backoff_request_seconds results inputs created_at updated_at
                                         processed_at last_attempted_at parent_ids])
    expect(first.slice('attempts', 'retry_limit', 'retryable', 'results', 'inputs'))
      .to eq('attempts' => 1, 'retry_limit' => 3, 'retryable' => true, 'results' => { 'v' => 1 }, 'inputs' => { 'a' => 1 })
    expect(first.values_at('created_at', 'updated_at', 'processed_at', 'last_attempted_at'))
      .to all(match(/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/))
    expect(steps.last.values_at('processed_at', 'last_attempted_at')).to eq([nil, nil])
    running.each { |execution| execution.succeed({}) }
    @worker.take(1).first.succeed({})
    expect(stack.wait(task)['state']).to eq('complete')
  end

  describe 'failures' do
    it 'adds the keys of the engine to what was there' do
      name = template('one' => "default_retry_limit: 2, #{RETRY}")
      worker
      task = stack.submit(name)
      first = @worker.take(1).first
      first.fail('kind' => 'retryable', 'message' => 'busy', 'error_class' => 'Net::Busy', 'backtrace' => "a:1\nb:2",
                 'results' => { 'kept' => 1 })
      second = @worker.take(1).first
      expect([second.attempt, second.previous_results]).to eq([2, { 'kept' => 1 }])
      second.fail('kind' => 'retryable', 'message' => 'still', 'error_class' => 'Net::Busy', 'backtrace' => "a:1\nb:2")
      expect(stack.wait(task)['state']).to eq('error')
      step = stack.step(task, 'one')
      expect(step['results']).to eq('kept' => 1, 'error' => 'still', 'error_class' => 'Net::Busy', 'backtrace' => "a:1\nb:2")
      expect(step['failures'].map { |failure| failure['kind'] }).to eq(%w[retryable retryable])
    end

    it 'stores results that come with a failure exactly, as an API handler of the Rails engine leaves them' do
      name = template('one' => nil)
      worker
      task = stack.submit(name)
      results = {
        'items' => [1], 'error' => 'HTTP 404', 'error_class' => 'Tasker::PermanentError', 'backtrace' => "a:1\nb:2",
        'error_details' => { 'error_message' => 'HTTP 404', 'error_class' => 'Tasker::PermanentError', 'backtrace' => %w[a:1 b:2],
                             'error_context' => {}, 'error_code' => 'HTTP_404' }
      }
      @worker.take(1).first.fail('kind' => 'permanent', 'message' => 'HTTP 404', 'error_class' => 'Tasker::PermanentError',
                                 'error_code' => 'HTTP_404', 'backtrace' => "a:1\nb:2", 'results' => results)
      stack.wait(task)
      step = stack.step(task, 'one')
      expect(step['results']).to eq(results)
      expect(step['failures'].first['error']).to include('error_code' => 'HTTP_404', 'message' => 'HTTP 404')
      expect(step['failures'].first['error']).not_to have_key('results')
    end

    it 'stores large results of a failure' do
      name = template('one' => nil)
      worker
      task = stack.submit(name)
      results = { 'text' => 'x' * 100_000 }
      @worker.take(1).first.fail('kind' => 'permanent', 'message' => 'm', 'error_class' => 'E', 'results' => results)
      stack.wait(task)
      expect(stack.step(task, 'one')['results']).to eq(results)
    end

    it 'refuses results beyond the settings in force, and nothing is stored' do
      name = template('one' => nil)
      worker('engine.result_max_bytes' => '16384', 'engine.results_inline_max_bytes' => '8192', 'engine.json_max_depth' => '8')
      task = stack.submit(name)
      running = @worker.take(1).first
      {
        { 'a' => 'x' * 20_000 } => /20008 bytes of JSON, more than the 16384 allowed/,
        (1..8).reduce([]) { |inside, _| [inside] } => /deeper than the 8 levels/
      }.each { |results, message| expect { running.succeed(results) }.to raise_error(TaskerCore::EncodingError, message) }
      expect(running.succeed({ 'ok' => true })).to be(true)
      stack.wait(task)
      expect(stack.step(task, 'one')['results']).to eq('ok' => true)
    end
  end

  it 'parks a step without a handler uncounted' do
    name = template('one' => nil)
    worker
    task = stack.submit(name)
    expect(@worker.take(1).first.no_handler).to be(true)
    waiting = Stack.eventually('the step waits for a worker') do
      step = stack.step(task, 'one')
      step if step['phase'] == 'no_handler'
    end
    expect(waiting['attempts']).to eq(0)
    stack.cancel(task)
  end

  it 'hands out what is there, and waits for nothing' do
    name = template('one' => nil)
    worker
    expect(@worker.take_waiting(5)).to eq([])
    tasks = Array.new(3) { stack.submit(name) }
    taken = []
    Stack.eventually('all have come') { (taken += @worker.take_waiting(2)).size >= 3 }
    expect(taken.map(&:task_id)).to match_array(tasks)
    expect(taken.map { |execution| execution.succeed({}) }).to all(be(true))
    expect(@worker.take_waiting(5)).to eq([])
  end

  it 'ends a handler that does not come back, and refuses its late answer' do
    name = template('one' => "timeout_seconds: 0.2, default_retry_limit: 1")
    worker
    task = stack.submit(name)
    hung = @worker.take(1).first
    Stack.eventually('the handler is told') { hung.cancelled? }
    expect(hung.succeed({ 'late' => true })).to be(false)
    expect(hung.fail('kind' => 'panic', 'message' => 'm', 'error_class' => 'E')).to be(false)
    expect(stack.wait(task)['state']).to eq('error')
    step = stack.step(task, 'one')
    expect(step['failures'].map { |failure| failure['kind'] }).to eq(%w[timeout])
    expect(step['results']).not_to have_key('late')
  end

  it 'tells the handler of a task that is cancelled' do
    name = template('one' => nil)
    worker
    task = stack.submit(name)
    running = @worker.take(1).first
    expect(running.begin).to be(true)
    stack.cancel(task)
    Stack.eventually('the handler is told') { running.cancelled? }
    expect(running.begin).to be(false)
    expect(running.succeed({})).to be(false)
    expect(stack.task(task)['state']).to eq('cancelled')
  end

  it 'stores progress' do
    name = template('one' => nil)
    worker
    task = stack.submit(name)
    running = @worker.take(1).first
    running.progress({ done: 3, of: 10 })
    Stack.eventually('progress is stored') { stack.step(task, 'one')['progress'] == { 'done' => 3, 'of' => 10 } }
    running.succeed({})
    stack.wait(task)
  end

  describe 'draining' do
    it 'waits for what runs, takes nothing new, and ends' do
      name = template('one' => nil, 'two' => 'depends_on_step: one')
      worker('worker.drain_timeout_ms' => 20_000)
      task = stack.submit(name)
      running = @worker.take(1).first
      expect(@worker.steps_in_hand).to eq(1)
      @worker.stop
      expect(@worker.join(0.05)).to be(false)
      expect(running).not_to be_cancelled
      expect(running.succeed({ 'v' => 1 })).to be(true)
      expect(@worker.join(30)).to be(true)
      expect(@worker.take(1)).to be_nil
      Stack.eventually('the result is applied') { stack.step(task, 'one')['state'] == 'complete' }
      expect(stack.step(task, 'two')['attempts']).to eq(0)
      worker
      @worker.take(1).first.succeed({})
      expect(stack.wait(task)['state']).to eq('complete')
    end

    it 'gives back uncounted what does not finish in time' do
      name = template('one' => nil)
      worker('worker.drain_timeout_ms' => 300)
      task = stack.submit(name)
      running = @worker.take(1).first
      @worker.stop
      expect(@worker.join(30)).to be(true)
      expect(running).to be_cancelled
      expect(running.succeed({})).to be(false)
      worker
      again = @worker.take(1).first
      expect([again.step_id, again.attempt]).to eq([running.step_id, 1])
      again.succeed({})
      stack.wait(task)
    end

    it 'stops twice as once' do
      template('one' => nil)
      worker
      2.times { @worker.stop }
      expect(@worker.join(30)).to be(true)
      expect { @worker.stop }.not_to raise_error
      expect(@worker.steps_in_hand).to eq(0)
    end
  end

  it 'hands back what is collected without an answer' do
    name = template('one' => nil)
    worker
    task = stack.submit(name)
    Thread.new { @worker.take(1).size }.join
    again = nil
    taker = Thread.new { again = @worker.take(1).first }
    Stack.eventually('it is collected and comes again') { GC.start || again }
    taker.join
    expect(again.attempt).to eq(1)
    again.succeed({})
    expect(stack.wait(task)['state']).to eq('complete')
  end

  it 'says where it listens, who it is and what it can run' do
    template('one' => nil)
    worker({ 'worker.worker_id' => "spec-#{@namespace}", 'worker.concurrency' => 3 }, 'handler_classes' => %w[Spec::One Spec::Two])
    expect([@worker.worker_id, @worker.concurrency, @worker.steps_in_hand]).to eq(["spec-#{@namespace}", 3, 0])
    expect(Net::HTTP.get(URI("http://#{@worker.address}/health/ready"))).to include('"ready":true')
    row = stack.sql('SELECT handlers FROM tasker.workers WHERE worker_id = $1', @worker.worker_id).first
    expect(row['handlers']).to eq('{Spec::One,Spec::Two}')
  end

  it 'serves the namespaces in which it has a handler when none are named' do
    name = template('only' => nil)
    stack.register(<<~YAML)
      name: own
      namespace_name: #{@namespace}_own
      version: 1.0.0
      step_templates: [{name: it, handler_class: 'Spec::Rare#{@namespace}'}]
    YAML
    @worker = described_class.start(stack.native_options('handler_classes' => ["Spec::Rare#{@namespace}"]))
    other = stack.submit(name)
    mine = stack.submit("#{@namespace}_own/own")
    execution = @worker.take(10).first
    expect(execution.task_id).to eq(mine)
    execution.succeed({})
    stack.wait(mine)
    expect(stack.task(other)['steps'].first['attempts']).to eq(0)
    stack.cancel(other)
  end

  it 'registers the templates it is given before it claims' do
    @namespace = "given_#{rand(1 << 40).to_s(36)}"
    yaml = "name: flow\nnamespace_name: #{@namespace}\nversion: 2.0.0\nstep_templates: [{name: a, handler_class: A}]\n"
    worker({}, 'templates' => [{ 'source' => 'a.yaml', 'yaml' => yaml, 'environment' => 'test' }])
    task = stack.submit("#{@namespace}/flow")
    @worker.take(1).first.succeed({})
    expect(stack.wait(task)['version']).to eq('2.0.0')
  end

  it 'runs beside another worker of the same process' do
    name = template('one' => nil)
    worker
    second = described_class.start(options)
    tasks = Array.new(20) { stack.submit(name) }
    takers = [@worker, second].map do |worker|
      Thread.new do
        while (batch = worker.take(1))
          batch.each { |execution| execution.succeed(worker.worker_id) }
        end
      end
    end
    tasks.each { |task| expect(stack.wait(task)['state']).to eq('complete') }
    second.stop
    expect(second.join(30)).to be(true)
    last = stack.submit(name)
    expect(stack.wait(last)['steps'].first['results']).to eq(@worker.worker_id)
    @worker.stop
    takers.each(&:join)
  end

  describe 'a start that is refused' do
    def refused(error, message, code = nil, options = self.options)
      expect { @worker = described_class.start(options) }.to raise_error(error) { |raised|
        expect(raised.message).to match(message)
        expect(raised.code).to eq(code) if code
      }
    end

    it 'for an unknown setting' do
      refused(TaskerCore::ConfigurationError, /worker\.colour is an unknown key/, 'configuration_refused',
              stack.native_options('overrides' => [['worker.colour', 'red']]))
    end

    it 'for values out of range, all of them at once' do
      refused(TaskerCore::ConfigurationError, /2 problems:.*worker\.concurrency.*worker\.drain_timeout_ms/m, nil,
              stack.native_options('overrides' => [%w[worker.concurrency 0], %w[worker.drain_timeout_ms x]]))
    end

    it 'for a directory that is not there' do
      refused(TaskerCore::ConfigurationError, /missing-directory/, nil, stack.native_options('config_dir' => 'missing-directory'))
    end

    it 'for options it does not know or cannot read' do
      refused(TaskerCore::ConfigurationError, /unknown field `colour`/, 'invalid_options', { 'colour' => 'red' })
      refused(TaskerCore::ConfigurationError, /the options of the worker: invalid type/, nil, { 'templates' => 'x' })
      refused(TaskerCore::ConfigurationError, /missing field `yaml`/, nil, { 'templates' => [{ 'source' => 'x' }] })
      refused(TaskerCore::EncodingError, /\Aoptions\.templates: /, nil, { 'templates' => Object.new })
    end

    it 'for templates with problems, listing those of all' do
      bad = ['name: 1x', "name: ok\nversion: 1.0.0\nstep_templates: []\n"].each_with_index.map do |yaml, i|
        { 'source' => "bad#{i}.yaml", 'yaml' => yaml, 'environment' => 'test' }
      end
      refused(TaskerCore::ConfigurationError, /bad0\.yaml.*bad1\.yaml/m, 'template_refused', stack.native_options('templates' => bad))
    end

    it 'for a namespace no template has' do
      name = template('one' => nil)
      refused(TaskerCore::ConfigurationError, /no template is registered in nowhere, no_place; namespaces with templates: .*#{name[/\w+/]}/,
              'unknown_namespace', stack.native_options('overrides' => [%w[worker.namespaces nowhere,no_place]]))
    end

    it 'for an address that is taken' do
      server = TCPServer.new('127.0.0.1', 0)
      refused(TaskerCore::StartError, /cannot listen on 127\.0\.0\.1:\d+.*set worker\.bind/, 'bind',
              stack.native_options('overrides' => [['worker.bind', "127.0.0.1:#{server.addr[1]}"]]))
    ensure
      server&.close
    end

    it 'for an address that all the world can reach' do
      refused(TaskerCore::ConfigurationError, /allow_public/, nil, stack.native_options('overrides' => [['worker.bind', '0.0.0.0:0']]))
    end

    it 'without a database' do
      refused(TaskerCore::DatabaseError, /could not be reached within 0 s/, 'unreachable',
              stack.native_options('overrides' => [['database.url', 'postgres://u:secret@127.0.0.1:1/x']]))
      refused(TaskerCore::DatabaseError, /set database\.url or DATABASE_URL/, nil,
              { 'overrides' => [['worker.bind', '127.0.0.1:0']] })
    end

    it 'with a database that is not there' do
      gone = stack.url.sub(%r{/[^/?]+(\?|\z)}, '/not_there\1')
      refused(TaskerCore::DatabaseError, /not_there/, nil, stack.native_options('overrides' => [['database.url', gone]]))
    end

    it 'on a newer schema, and on one that is older and not to be migrated' do
      url = Stack.create_database
      settings = [['database.url', url], ['worker.bind', '127.0.0.1:0']]
      refused(TaskerCore::DatabaseError, /not migrated: this engine was never installed in it; run `tasker migrate`/, 'not_migrated',
              stack.native_options('overrides' => settings + [%w[database.migrate_on_start false]]))
      first = described_class.start(stack.native_options('overrides' => settings))
      first.stop
      first.join(30)
      connection = PG.connect(url)
      connection.exec("INSERT INTO tasker.schema_migrations (version, name, checksum) VALUES (9999, 'later', 'x')")
      refused(TaskerCore::DatabaseError, /newer schema: the database is at version 9999/, 'newer_schema',
              stack.native_options('overrides' => settings))
    ensure
      connection&.close
      Stack.drop_database(url) if url
    end

    it 'leaves nothing behind: the next start works' do
      name = template('one' => nil)
      refused(TaskerCore::ConfigurationError, /unknown key/, nil, stack.native_options('overrides' => [%w[worker.colour red]]))
      worker
      task = stack.submit(name)
      @worker.take(1).first.succeed({})
      expect(stack.wait(task)['state']).to eq('complete')
    end
  end

  it 'can be interrupted while it waits for a database' do
    options = stack.native_options('overrides' => [['database.url', 'postgres://u:p@127.0.0.1:1/x'],
                                                   %w[database.connect_retry_seconds 3600], %w[telemetry.log_level off]])
    starter = Thread.new { described_class.start(options) }
    starter.report_on_exception = false
    Stack.eventually('it waits') { starter.status == 'sleep' }
    starter.raise(IOError, 'enough')
    expect { starter.value }.to raise_error(IOError, 'enough')
  end
end
