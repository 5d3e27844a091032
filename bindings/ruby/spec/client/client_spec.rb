# frozen_string_literal: true

require 'bigdecimal'
require 'tasker_core/client'
require 'tasker/constants'
require 'tasker/types/task_request'
require_relative 'double'

RSpec.describe TaskerCore::Client, :client do
  describe 'what is asked' do
    it 'submits the fields of a request, Symbols as text and the context by the rules of ActiveSupport' do
      service = service([201, task])
      time = Time.utc(2026, 1, 2, 3, 4, 5)
      client_of(service).submit(name: :order, namespace: 'shop', context: { total: BigDecimal('1.50'), at: time, 'n' => [1, nil] },
                                idempotency_key: 'k', priority: 5, tags: %i[a b], reason: nil)
      request = service.request
      expect([request.method, request.path]).to eq(['POST', '/v1/tasks'])
      expect(request.headers).to include('content-type' => 'application/json', 'accept' => 'application/json')
      expect(request.json).to eq('name' => 'order', 'namespace' => 'shop', 'idempotency_key' => 'k', 'priority' => 5, 'tags' => %w[a b],
                                 'context' => { 'total' => '1.5', 'at' => '2026-01-02T03:04:05.000Z', 'n' => [1, nil] })
    end

    it 'takes a request of the engine, and fields above it' do
      service = service([201, task])
      request = Tasker::Types::TaskRequest.new(name: 'order', namespace: 'shop', version: '2.0.0', context: { a: 1 }, tags: ['x'],
                                                 bypass_steps: ['pay'], requested_at: '2024-01-02T03:04:05.678901+01:00')
      client_of(service).submit(request, idempotency_key: 'k', initiator: 'me')
      expect(service.request.json).to eq('name' => 'order', 'namespace' => 'shop', 'version' => '2.0.0', 'context' => { 'a' => 1 },
                                         'tags' => ['x'], 'initiator' => 'me', 'source_system' => 'unknown',
                                         'reason' => 'unknown', 'idempotency_key' => 'k', 'bypass_steps' => ['pay'],
                                         'requested_at' => '2024-01-02T02:04:05.678901Z')
    end

    it 'gives a submission without a key one of its own, and none if told so' do
      service = service([201, task])
      client = client_of(service)
      2.times { client.submit(name: 'order') }
      client.submit(name: 'order', idempotency_key: false)
      keys = service.requests.map { |request| request.json['idempotency_key'] }
      expect(keys.compact.uniq.size).to eq(2)
      expect(keys).to match([/\Arb-[0-9a-f-]{36}\z/, /\Arb-[0-9a-f-]{36}\z/, nil])
    end

    it 'refuses what is no field of a request before it is sent' do
      service = service()
      client = client_of(service)
      expect { client.submit(name: 'order', prioriti: 1) }.to raise_error(ArgumentError, /unknown: prioriti; a request has name, /)
      expect { client.submit(context: {}) }.to raise_error(ArgumentError, /name: missing/)
      expect { client.submit('order') }.to raise_error(ArgumentError, /not an object of class String/)
      expect { client.submit(name: 'order', requested_at: 17) }.to raise_error(ArgumentError, /requested_at: expected a time, .*not 17/)
      expect { client.list(state: %w[error complete]) }.to raise_error(ArgumentError, /state: expected one, not \["error", "complete"\]/)
      expect { client.list(from: 17) }.to raise_error(ArgumentError, /from: expected a time, .*not 17/)
      expect { client.list(to: '2024-01-01') }.to raise_error(ArgumentError, /to: expected a time, .*not "2024-01-01"/)
      expect { client.submit(name: 'order', context: { a: [1, "\xff"] }) }
        .to raise_error(TaskerCore::EncodingError, /context\.a\[1\]: /)
      expect(service.connections).to eq(0)
    end

    it 'escapes addresses and queries, below the path of its own' do
      service = service({ 'tasks' => [] })
      client = TaskerCore::Client.new(url: "#{service.url}/tasker/?x=1#y", headers: { 'X-Gate' => 'open' })
      client.list(name: 'a b/c&d', state: :error, from: Time.utc(2026, 1, 1), limit: 2)
      request = service.request
      expect(request.path).to eq('/tasker/v1/tasks?name=a+b%2Fc%26d&state=error&from=2026-01-01T00%3A00%3A00.000000Z&limit=2')
      expect(request.headers).to include('x-gate' => 'open')
    end

    it 'leaves a time of the caller as it is' do
      service = service({ 'tasks' => [] })
      time = Time.new(2026, 1, 1, 1, 0, 0, '+01:00')
      client_of(service).list(from: time, to: '2026-01-01T02:00:00+01:00')
      expect(service.request.path).to end_with('from=2026-01-01T00%3A00%3A00.000000Z&to=2026-01-01T01%3A00%3A00.000000Z')
      expect(time.utc_offset).to eq(3600)
    end

    it 'names itself by what the address says, and shows it to nobody' do
      service = service(task)
      client = TaskerCore::Client.new(url: service.url.sub('//', '//me:s%40+t@'))
      client.task(7)
      expect(service.request.headers['authorization']).to eq("Basic #{['me:s@+t'].pack('m0')}")
      expect([client.url, client.inspect].join).not_to match(/me|s%40/)
    end

    it 'sends the trace context of a submission' do
      service = service([201, task])
      trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
      client_of(service).submit(name: 'order', traceparent: trace)
      expect(service.request.headers['traceparent']).to eq(trace)
    end

    it 'asks for all that the API has' do
      step = { 'step_id' => 8, 'task_id' => 7, 'name' => 'pay', 'state' => 'error' }
      answers = { %r{/steps$} => { 'steps' => [step] }, %r{/steps/8} => step, /explain/ => { 'task_id' => 7, 'steps' => [] },
                  /graph$/ => { 'task_id' => 7, 'nodes' => [{ 'step_id' => 8 }], 'edges' => [] } }
      service = service(lambda do |socket, request|
        body = JSON.generate(answers.find { |path, _| request.path.match?(path) }&.last || task)
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: #{body.bytesize}\r\n\r\n#{body}")
      end)
      client = client_of(service)
      task = client.task(7, include: %i[steps transitions])
      expect(client.steps(task).map(&:name)).to eq(['pay'])
      step = client.step(7, '8')
      expect([step.error?, client.explain(task).steps, client.graph(7).nodes.first.step_id]).to eq([true, [], 8])
      client.graph_text(7, format: :dot)
      client.cancel(task, reason: 'r', operator: 'o')
      client.retry(task)
      client.retry_step(task, step)
      client.cancel_step(task, step)
      client.resolve_step(task, step, results: { at: Date.new(2026, 1, 2) }, reason: 'r')
      asked = service.requests.map { |request| [request.method, request.path, request.body.to_s == '' ? nil : request.json] }
      expect(asked).to eq(
        [['GET', '/v1/tasks/7?include=steps%2Ctransitions', nil], ['GET', '/v1/tasks/7/steps', nil],
         ['GET', '/v1/tasks/7/steps/8', nil], ['GET', '/v1/tasks/7/explain', nil], ['GET', '/v1/tasks/7/graph', nil],
         ['GET', '/v1/tasks/7/graph?format=dot', nil],
         ['POST', '/v1/tasks/7/cancel', { 'reason' => 'r', 'operator' => 'o' }], ['POST', '/v1/tasks/7/retry', {}],
         ['POST', '/v1/tasks/7/steps/8/retry', {}], ['POST', '/v1/tasks/7/steps/8/cancel', {}],
         ['POST', '/v1/tasks/7/steps/8/resolve', { 'results' => { 'at' => '2026-01-02' }, 'reason' => 'r' }]]
      )
    end

    it 'refuses an id that is none, and a setting it cannot use' do
      client = client_of(service(task))
      expect { client.task('7/cancel') }.to raise_error(ArgumentError, /task_id: expected a number/)
      expect { client.step(7, nil) }.to raise_error(ArgumentError, /step_id: expected a number/)
      expect { client.wait(7, timeout: 'soon') }.to raise_error(ArgumentError, /timeout/)
      ['ftp://a', 'tasker:8080', '', 'http://', 'http://a b'].each do |url|
        expect { described_class.new(url: url) }.to raise_error(TaskerCore::ConfigurationError, /url: .*like http:/), url
      end
      expect { described_class.new(timeout: 0) }.to raise_error(TaskerCore::ConfigurationError, /timeout/)
      expect { described_class.new(retries: -1) }.to raise_error(TaskerCore::ConfigurationError, /retries/)
    end
  end

  describe 'what is answered' do
    it 'has readers, times as times, and all there is in to_h' do
      said = task('complete', requested_at: '2026-01-02T03:04:05.123456Z', step_counts: { 'total' => 3, 'complete' => 2, 'resolved_manually' => 1 },
                              context: { 'card' => '4111' }, steps: [{ 'step_id' => 8, 'name' => 'pay' }], news: 1)
      task = client_of(service(said)).get(7)
      expect(task).to be_complete.and be_final
      expect(task).not_to be_error
      expect(task.requested_at).to eq(Time.utc(2026, 1, 2, 3, 4, 5, 123_456))
      expect([task.step_counts.done, task.step('pay').step_id, task.step('none'), task[:news]]).to eq([3, 8, nil, 1])
      expect(task.to_h).to eq(said)
      expect(task).to eq(TaskerCore::Client::Task.new(said))
      expect(task.inspect).to include('task_id=7', 'state="complete"').and(satisfy { |text| !text.include?('4111') })
    end

    it 'goes through all pages, and no further than it is asked to' do
      service = service({ 'tasks' => [task, task], 'next_cursor' => 'c1' }, { 'tasks' => [task] })
      expect(client_of(service).each_task(state: 'error').to_a.size).to eq(3)
      expect(service.requests.map(&:path)).to eq(['/v1/tasks?state=error', '/v1/tasks?state=error&cursor=c1'])

      lazy = service({ 'tasks' => [task], 'next_cursor' => 'c1' })
      expect(client_of(lazy).each_task.first.task_id).to eq(7)
      expect(lazy.requests.size).to eq(1)
    end

    it 'tells what became of each request of a batch' do
      refused = problem(422, 'TSK-1001', errors: [{ 'field' => '/name', 'problem' => 'is missing' }]).last
      service = service({ 'created' => 1, 'duplicates' => 0, 'refused' => 1,
                          'items' => [{ 'index' => 0, 'status' => 201, 'task_id' => 7 }, { 'index' => 1, 'status' => 422, 'error' => refused }] })
      batch = client_of(service).submit_batch([{ name: 'a', idempotency_key: 'k' }, { 'name' => 'b' }])
      expect(batch.map(&:task_id)).to eq([7, nil])
      expect(batch.items.last.error).to be_a(TaskerCore::InvalidRequest).and have_attributes(code: 'TSK-1001')
      expect(service.request.json['tasks'].map { |item| item['idempotency_key'] }).to match(['k', /\Arb-/])
    end

    it 'takes a duplicate after a key of its own for what it is: an earlier try' do
      service = service(:drop, task('in_progress', duplicate: true), task('in_progress', duplicate: true))
      client = client_of(service)
      expect(client.submit(name: 'order')).not_to be_duplicate
      expect(client.submit(name: 'order', idempotency_key: 'k')).to be_duplicate
    end
  end

  describe 'what is refused' do
    it 'names the code, every field and its remedy' do
      errors = [{ 'field' => '/priority', 'problem' => 'is 500', 'remedy' => 'send a number from -100 to 100' },
                { 'field' => '/version', 'problem' => 'is not of the form d.d.d' }]
      service = service(problem(422, 'TSK-1001', 'the request has 2 unacceptable field(s)', errors: errors, reason: 'r'))
      error = error_of { client_of(service).submit(name: 'order', priority: 500) }
      expect(error).to be_a(TaskerCore::InvalidRequest).and be_a(TaskerCore::ClientError).and be_a(TaskerCore::Error)
      expect(error).to have_attributes(code: 'TSK-1001', status: 422, reason: 'r', transient?: false)
      expect(error.fields.map(&:to_a)).to eq([['/priority', 'is 500', 'send a number from -100 to 100'],
                                              ['/version', 'is not of the form d.d.d', nil]])
      expect(error.message).to eq('Title (TSK-1001): the request has 2 unacceptable field(s): /priority is 500 ' \
                                  '(send a number from -100 to 100); /version is not of the form d.d.d')
      expect(service.requests.size).to eq(1)
    end

    it 'has a class for whose fault it is' do
      { 400 => TaskerCore::InvalidRequest, 404 => TaskerCore::NotFound, 409 => TaskerCore::Conflict, 413 => TaskerCore::InvalidRequest,
        500 => TaskerCore::ServiceFailure, 503 => TaskerCore::Unavailable, 504 => TaskerCore::Unavailable }.each do |status, type|
        error = error_of { client_of(service(problem(status, 'TSK-1')), retries: 0).task(7) }
        expect(error).to be_an_instance_of(type)
        expect(error.transient?).to eq(status > 500)
      end
    end

    it 'knows an answer that is not of the service' do
      { [200, '<html>'] => /it is no JSON; it begins "<html>"/, [404, 'nothing here'] => /status 404, .*no problem document/,
        [302, ''] => /status 302/, [500, '{"a": 1}'] => /no problem document/ }.each do |answer, message|
        error = error_of { client_of(service(answer)).task(7) }
        expect(error).to be_a(TaskerCore::UnexpectedAnswer)
        expect(error.message).to match(message)
      end
      garbled = service(->(socket, _) { socket.write("220 mail ready\r\n\r\n").then { :end } })
      expect { client_of(garbled).task(7) }.to raise_error(TaskerCore::UnexpectedAnswer, /does not speak HTTP/)
    end

    it 'takes no JSON of somebody else for an answer' do
      [{ 'ok' => true }, [200, 'null'], [200, '[]'], [200, '7'], { 'task_id' => 7, 'state' => nil }].each do |answer|
        [->(client) { client.submit(name: 'order') }, ->(client) { client.wait(7, timeout: 5) }, ->(client) { client.task(7) },
         ->(client) { client.list }, ->(client) { client.steps(7) }, ->(client) { client.step(7, 8) }, ->(client) { client.explain(7) },
         ->(client) { client.graph(7) }, ->(client) { client.cancel(7) }, ->(client) { client.submit_batch([{ name: 'a' }]) }].each do |call|
          expect { call.call(client_of(service(answer))) }.to raise_error(TaskerCore::UnexpectedAnswer, /status 200, .*it has no /)
        end
      end
    end

    it 'says once what is wrong with a parameter' do
      refused = problem(400, 'TSK-1014', 'parameter limit: is 0', errors: [{ 'field' => 'limit', 'problem' => 'is 0' }])
      expect { client_of(service(refused)).list(limit: 0) }
        .to raise_error(TaskerCore::InvalidRequest, 'Title (TSK-1014): parameter limit: is 0')
    end

    it 'names the address where nobody is' do
      free = TCPServer.open('127.0.0.1', 0) { |server| server.addr[1] }
      error = error_of { described_class.new(url: "http://127.0.0.1:#{free}", retries: 0).task(7) }
      expect(error).to be_a(TaskerCore::Unreachable).and have_attributes(address: "http://127.0.0.1:#{free}", transient?: true)
      expect(error.message).to include("http://127.0.0.1:#{free}", 'refused', 'TASKER_URL')
    end
  end

  describe 'its tries' do
    it 'repeats reading until it is answered' do
      service = service(:drop, unavailable, problem(504, 'TSK-4002'), task)
      expect(client_of(service).task(7).task_id).to eq(7)
      expect(service.requests.size).to eq(4)
    end

    it 'repeats a submission with the same key, given or its own' do
      [{}, { idempotency_key: 'mine' }].each do |key|
        service = service(:drop, unavailable, [201, task])
        client_of(service).submit(name: 'order', **key)
        bodies = service.requests.map(&:body)
        expect(bodies.size).to eq(3)
        expect(bodies.uniq.size).to eq(1)
      end
    end

    it 'asks again for an answer that broke off' do
      cut = ->(socket, _) { socket.write("HTTP/1.1 201 Created\r\ncontent-length: 90\r\n\r\n{\"task_id\": 7, \"state\"").then { :end } }
      service = service(cut, [201, task])
      expect(client_of(service).submit(name: 'order').task_id).to eq(7)
      expect(service.requests.map(&:body).uniq.size).to eq(1)
      expect(client_of(service(cut, { 'tasks' => [task] })).list.to_a.size).to eq(1)
      expect { client_of(service(cut)).submit(name: 'order', idempotency_key: false) }
        .to raise_error(TaskerCore::Unreachable, /the answer broke off/)
    end

    it 'measures an answer as it was sent, packed or not' do
      body = Zlib.gzip(JSON.generate(task))
      packed = [200, body, { 'content-encoding' => 'gzip' }]
      expect(client_of(service(packed)).task(7).task_id).to eq(7)
      expect { client_of(service([200, body[0..-20], packed.last.merge('content-length' => body.bytesize)]), timeout: 0.2).task(7) }
        .to raise_error(TaskerCore::Unreachable)
    end

    it 'sends what is not safe to repeat once' do
      [->(client) { client.submit(name: 'order', idempotency_key: false) }, ->(client) { client.cancel(7) },
       ->(client) { client.submit_batch([{ name: 'a' }, { name: 'b', idempotency_key: false }]) },
       ->(client) { client.retry(7) }, ->(client) { client.resolve_step(7, 8) }].each do |call|
        [:drop, unavailable].each do |answer|
          service = service(answer)
          expect(error_of { call.call(client_of(service)) }).to be_transient
          expect(service.requests.size).to eq(1)
        end
      end
    end

    it 'gives up after so many, and at once where another try would be the same' do
      service = service(:drop)
      expect { client_of(service, retries: 2).task(7) }.to raise_error(TaskerCore::Unreachable)
      expect(service.requests.size).to eq(3)

      refusing = service(problem(500, 'TSK-9001'))
      expect { client_of(refusing).task(7) }.to raise_error(TaskerCore::ServiceFailure)
      expect(refusing.requests.size).to eq(1)
    end

    it 'waits as long as it is asked to, and not at all if that is too long' do
      service = service(unavailable('1'), task)
      expect(timed { client_of(service).task(7) }).to be >= 1

      overloaded = service([*problem(429, 'TSK-4001'), { 'retry-after' => '3600' }])
      error = nil
      expect(timed { error = error_of { client_of(overloaded, timeout: 20).task(7) } }).to be < 10
      expect(error).to be_a(TaskerCore::Unavailable).and have_attributes(retry_after: 3600)
      expect(overloaded.requests.size).to eq(1)
    end

    def timed
      started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      yield
      Process.clock_gettime(Process::CLOCK_MONOTONIC) - started
    end
  end

  describe 'its time' do
    let(:silence) { Thread::Queue.new }

    after { silence.close }

    it 'ends a call that is never answered' do
      service = service(->(*) { silence.pop })
      expect { client_of(service, timeout: 0.1).task(7) }
        .to raise_error(TaskerCore::Unreachable, /#{service.url} does not answer: no answer came in time/)
    end

    it 'ends one that is answered in drops' do
      drops = lambda do |socket, _|
        socket.write("HTTP/1.1 200 OK\r\nx: ")
        # Slow, but never silent for as long as the limit.
        loop { sleep(0.01) && socket.write('.') }
      end
      expect { client_of(service(drops), timeout: 0.2).task(7) }.to raise_error(TaskerCore::Unreachable, /in time/)
    end

    it 'ends one earlier where one call asks for it' do
      service = service(->(*) { silence.pop })
      expect { client_of(service, timeout: 600).task(7, timeout: 0.1) }.to raise_error(TaskerCore::Unreachable)
    end

    it 'leaves the time limit of the caller to the caller' do
      service = service(->(*) { silence.pop })
      expect { Timeout.timeout(0.1) { client_of(service).task(7) } }.to raise_error(Timeout::Error)
    end
  end

  describe 'its connections' do
    it 'keeps one open between calls' do
      service = service(task)
      client = client_of(service)
      3.times { client.task(7) }
      expect(service.connections).to eq(1)
      client.close
      client.task(7)
      expect(service.connections).to eq(2)
    end

    it 'is shared by threads, each with an answer of its own' do
      service = service(lambda do |socket, request|
        body = JSON.generate(task.merge('task_id' => request.path[/\d+$/].to_i))
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: #{body.bytesize}\r\n\r\n#{body}")
      end)
      client = client_of(service)
      wrong = Array.new(8) do |thread|
        Thread.new { (1..25).reject { |number| client.task((thread * 100) + number).task_id == (thread * 100) + number } }
      end
      expect(wrong.flat_map(&:value)).to eq([])
      expect(service.connections).to be <= 8
    end

    it 'uses none again on which an answer may still come' do
      silence = Thread::Queue.new
      late = lambda do |socket, _|
        silence.pop
        body = JSON.generate(task('error'))
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: #{body.bytesize}\r\n\r\n#{body}")
      end
      service = service(late, task('complete'))
      client = client_of(service)
      caller = Thread.new { client.task(7) }
      service.request
      caller.kill.join
      silence << 1
      expect(client.task(7).state).to eq('complete')
      expect(service.connections).to eq(2)
    end

    def write_task(socket)
      body = JSON.generate(task)
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: #{body.bytesize}\r\n\r\n#{body}")
    end

    it 'makes one anew when the service has closed it' do
      service = service(->(socket, _) { write_task(socket).then { :end } })
      # The end of a connection may cross a request on its way: that one is tried again.
      client = client_of(service, retries: 1)
      3.times { client.task(7) }
      expect(service.requests.size).to eq(3)
    end

    it 'leaves those of the parent alone in a forked child' do
      service = service(task)
      client = client_of(service)
      client.task(7)
      child = fork { exit!(client.task(7).task_id == 7 ? 0 : 1) }
      expect(Process.wait2(child).last).to be_success
      client.task(7)
      expect(service.requests.map(&:connection)).to eq([1, 2, 1])
    end
  end

  describe '#wait' do
    def counts(complete)
      { 'total' => 2, 'complete' => complete }
    end

    it 'tells each change once, and gives the task at its end' do
      tasks = [0, 0, 1, 1, 1].map { |complete| task(step_counts: counts(complete)) }
      service = service(*tasks, task('complete', step_counts: counts(2)))
      seen = []
      ended = client_of(service).wait(7, timeout: SpecSupport::PATIENCE) { |task| seen << [task.state, task.step_counts.done] }
      expect(ended).to be_complete
      expect(seen).to eq([['in_progress', 0], ['in_progress', 1], ['complete', 2]])
    end

    it 'outlives a service that is away for a while' do
      service = service(task, :drop, unavailable, [502, 'a proxy'], task('error'))
      expect(client_of(service, retries: 0).wait(7, timeout: SpecSupport::PATIENCE)).to be_error
    end

    it 'gives up in time, and tells what it saw last' do
      error = error_of { client_of(service(task)).wait(TaskerCore::Client::Task.new(task), timeout: 0.1) }
      expect(error).to be_a(TaskerCore::WaitTimeout).and have_attributes(task_id: 7, code: 'wait_timeout')
      expect(error.last.state).to eq('in_progress')
      expect(error.message).to include('task 7', '0.1 s', 'in_progress')

      away = error_of { client_of(service(:drop), retries: 0).wait(7, timeout: 0.1) }
      expect(away).to be_a(TaskerCore::WaitTimeout).and have_attributes(last: nil)
      expect(away.message).to include('does not answer')
    end

    it 'looks until its time is up, and then once more' do
      started = nil
      now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
      service = service(lambda do |socket, _|
        body = JSON.generate(task(now.call - started > 0.8 ? 'complete' : 'in_progress'))
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: #{body.bytesize}\r\n\r\n#{body}")
      end)
      started = now.call
      expect(client_of(service).wait(7, timeout: 0.9)).to be_complete
      started = now.call
      expect { client_of(service(task)).wait(7, timeout: 0.9) }.to raise_error(TaskerCore::WaitTimeout, /after 0\.9 s/)
      expect(now.call - started).to be >= 0.9
    end

    it 'ends with what will not pass, and with what the block raises' do
      expect { client_of(service(problem(404, 'TSK-1004'))).wait(7, timeout: 5) }.to raise_error(TaskerCore::NotFound)
      away = TaskerCore::Unreachable.new('elsewhere', 'down')
      expect { client_of(service(task)).wait(7, timeout: 5) { raise away } }.to raise_error(away)
    end
  end

  describe 'the client of the module' do
    around do |example|
      before = TaskerCore.instance_variable_get(:@client)
      example.run
    ensure
      TaskerCore.client = before
    end

    it 'is the one that was given' do
      service = service(task('complete'))
      TaskerCore.client = client_of(service)
      TaskerCore.submit(name: 'order', context: { a: 1 })
      TaskerCore.wait(7, timeout: 5)
      TaskerCore.cancel(7, reason: 'r')
      TaskerCore.retry(7)
      expect(service.requests.map { |request| "#{request.method} #{request.path}" })
        .to eq(['POST /v1/tasks', 'GET /v1/tasks/7', 'POST /v1/tasks/7/cancel', 'POST /v1/tasks/7/retry'])
    end

    it 'is otherwise one of the service that TASKER_URL names' do
      before = ENV.fetch('TASKER_URL', nil)
      ENV['TASKER_URL'] = 'http://tasker.internal:81'
      TaskerCore.client = nil
      expect(TaskerCore.client.url).to eq('http://tasker.internal:81')
      ENV.delete('TASKER_URL')
      TaskerCore.client = nil
      expect(TaskerCore.client.url).to eq('http://127.0.0.1:8080')
      ENV['TASKER_URL'] = ''
      expect { described_class.new }.to raise_error(TaskerCore::ConfigurationError, /\ATASKER_URL: "" is not an address/)
    ensure
      ENV['TASKER_URL'] = before
    end
  end
end
