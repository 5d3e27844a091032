# frozen_string_literal: true

require_relative '../end_to_end/setting'

RSpec.describe TaskerCore::Client, :end_to_end do
  let(:client) { described_class.new(url: stack.api.to_s) }

  def name
    "#{namespace}/order"
  end

  def order(steps = { 'price' => ['price'], 'pay' => ['pay', { 'depends_on_step' => 'price' }] })
    register('order', steps)
  end

  # A template whose context must have a number.
  def strict_order
    schema = { 'type' => 'object', 'required' => ['order_id'], 'properties' => { 'order_id' => { 'type' => 'integer' } } }
    stack.register(JSON.generate(JSON.parse(template('order', 'price' => ['price'])).merge('schema' => schema)))
  end

  def error_of
    yield
    nil
  rescue StandardError => e
    e
  end

  it 'submits a task and follows it to its end' do
    order
    gate = Thread::Queue.new
    worker(handlers: { 'price' => ->(context) { { total: context.input('amount') * 2 } },
                       'pay' => ->(context) { { paid: context.result('price')['total'], gate: gate.pop } } })
    task = client.submit(name: name, context: { amount: 3 }, tags: ['ruby'], initiator: 'spec', priority: 2)
    expect(task).to have_attributes(namespace: namespace, name: 'order', version: '1.0.0', state: 'in_progress', tags: ['ruby'],
                                    initiator: 'spec', priority: 2, duplicate?: false)

    seen = []
    ended = client.wait(task, timeout: Stack::PATIENCE) do |progress|
      seen << progress.step_counts.done
      gate << 'open' if progress.step_counts.done == 1
    end
    expect(ended).to be_complete
    expect(seen).to include(1).and end_with(2)
    expect(seen).to eq(seen.sort)
    expect(client.task(task, include: :steps).step('pay').results).to eq('paid' => 6, 'gate' => 'open')
    expect(client.step(task, client.steps(task).first).transitions.map(&:to_state)).to include('complete')
  ensure
    gate.close
  end

  it 'makes one task of one key' do
    order
    key = "key-#{namespace}"
    first = client.submit(name: name, context: { a: 1 }, idempotency_key: key)
    again = client.submit(name: name, context: { 'a' => 1 }, idempotency_key: key)
    expect([again.task_id, first.duplicate?, again.duplicate?]).to eq([first.task_id, false, true])

    error = error_of { client.submit(name: name, context: { a: 2 }, idempotency_key: key) }
    expect(error).to be_a(TaskerCore::Conflict).and have_attributes(code: 'TSK-2001', status: 409)
    expect(error.fields.map(&:field)).to eq(['/idempotency_key'])
    expect(error.message).to include(first.task_id.to_s)
  end

  it 'names every field that is refused' do
    strict_order
    refused = error_of { client.submit(name: name, context: { order_id: 1 }, priority: 500, tags: [''], idempotency_key: 'a b') }
    expect(refused).to be_a(TaskerCore::InvalidRequest).and have_attributes(code: 'TSK-1001', status: 422)
    expect(refused.fields.map(&:field)).to contain_exactly('/priority', '/tags/0', '/idempotency_key')
    expect(refused.fields.map(&:remedy)).to all(be_a(String))

    context = error_of { client.submit(name: name, context: { order_id: 'seven' }) }
    expect(context).to have_attributes(code: 'TSK-1003')
    expect(context.fields.map(&:field)).to eq(['/context/order_id'])

    type = error_of { client.submit(name: name, context: {}, priority: 'high') }
    expect(type.fields.map(&:field)).to eq(['/priority'])

    nobody = error_of { client.submit(name: 'order', namespace: namespace, version: '9.9.9', context: {}) }
    expect(nobody).to have_attributes(code: 'TSK-1002')
    expect(nobody.message).to include('registered are 1.0.0')
  end

  it 'takes a request of the engine as it is' do
    stack.register(JSON.generate(JSON.parse(template('order', 'price' => ['price'])).merge('version' => '0.1.0')))
    request = Tasker::Types::TaskRequest.new(name: 'order', namespace: namespace, context: { at: Time.utc(2026, 1, 2) }, reason: 'why')
    task = client.submit(request)
    expect(task).to have_attributes(version: '0.1.0', reason: 'why', initiator: 'unknown', context: { 'at' => '2026-01-02T00:00:00.000Z' })
  end

  it 'cancels, once' do
    order
    task = client.submit(name: name)
    cancelled = client.cancel(task, reason: 'changed my mind', operator: 'me')
    expect(cancelled).to be_cancelled.and be_final
    expect(client.task(task, include: :transitions).transitions.last.metadata).to include('reason' => 'changed my mind')
    expect { client.cancel(task) }.to raise_error(TaskerCore::Conflict, /TSK-2002/)
    expect { client.retry(task) }.to raise_error(TaskerCore::Conflict)
    expect(client.wait(task, timeout: 5)).to be_cancelled
  end

  it 'retries a failed task, and resolves a step in the place of its handler' do
    order
    broken = true
    worker(handlers: { 'price' => ->(_) { broken ? raise(TaskerCore::PermanentError, 'no price') : { total: 1 } },
                       'pay' => ->(_) { raise TaskerCore::PermanentError, 'declined' } })
    task = client.submit(name: name)
    expect(client.wait(task, timeout: Stack::PATIENCE)).to be_error
    price = client.task(task, include: :steps).step('price')
    expect(client.step(task, price).failures.map { |failure| [failure.attempt, failure.kind] }).to eq([[1, 'permanent']])
    expect(client.explain(task).steps.map(&:name)).to include('price', 'pay')

    broken = false
    expect(client.retry(task, reason: 'repaired')).not_to be_final
    expect(client.wait(task, timeout: Stack::PATIENCE)).to be_error

    pay = client.task(task, include: :steps).step('pay')
    resolved = client.resolve_step(task, pay, results: { by: :hand }, reason: 'paid in cash')
    expect(resolved).to be_resolved_manually
    expect(resolved.results).to include('by' => 'hand')
    expect(client.wait(task, timeout: Stack::PATIENCE)).to be_complete
  end

  it 'lists, page by page' do
    order
    ids = Array.new(3) { client.submit(name: name, tags: ['listed']).task_id }
    client.submit(name: name)
    page = client.list(namespace: namespace, tag: 'listed', limit: 2)
    expect([page.map(&:task_id), page.next_cursor.nil?]).to eq([ids.reverse.first(2), false])
    expect(client.each_task(namespace: namespace, tag: 'listed', limit: 2).map(&:task_id)).to eq(ids.reverse)
    expect(client.list(name: name, tag: 'listed').map(&:task_id)).to eq(ids.reverse)
    expect(client.list(namespace: namespace, from: Time.now + 60).to_a).to eq([])
    expect { client.list(limit: 1000) }.to raise_error(TaskerCore::InvalidRequest) { |error| expect(error.fields.map(&:field)).to eq(['limit']) }
  end

  it 'submits a batch, each request judged by itself' do
    order
    batch = client.submit_batch([{ name: name }, { name: "#{namespace}/none" }, { name: name, priority: 101 }])
    expect([batch.created, batch.refused, batch.map(&:status)]).to eq([1, 2, [201, 422, 422]])
    expect(batch.items[1].error).to have_attributes(code: 'TSK-1002')
    expect(client.graph(batch.first.task_id).edges.size).to eq(1)
    expect(client.graph_text(batch.first.task_id)).to start_with('flowchart')
  end

  it 'says what does not exist' do
    expect { client.task(2**62) }.to raise_error(TaskerCore::NotFound, /there is no task #{2**62}/)
    expect { client.wait(2**62, timeout: 5) }.to raise_error(TaskerCore::NotFound)
    expect { client.retry_step(2**62, 1) }.to raise_error(TaskerCore::NotFound)
  end

  it 'carries the trace context to the handlers' do
    order('price' => ['price'])
    worker(handlers: { 'price' => ->(context) { { trace: context.traceparent, correlation: context.correlation_id } } })
    trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    task = client.submit(name: name, traceparent: trace, correlation_id: 'order-7')
    client.wait(task, timeout: Stack::PATIENCE)
    results = client.task(task, include: :steps).step('price').results
    expect(results['trace']).to include('4bf92f3577b34da6a3ce929d0e0e4736')
    expect(results['correlation']).to eq('order-7')
  end
end
