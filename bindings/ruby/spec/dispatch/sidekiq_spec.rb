# frozen_string_literal: true

require_relative 'setting'

RSpec.describe 'dispatch: :sidekiq', :dispatched do
  let(:begun) { File.join(directory, 'begun') }
  let(:held) { { 'handler_config' => { 'begun' => begun, 'wait_for' => gate } } }

  def begins
    eventually('the handler begins') { File.exist?(begun) }
  end

  # Message of the only step there is.
  def message
    stack.sql("SELECT vt, read_ct FROM pgmq.q_steps_#{namespace}").first
  end

  def attempts(task_id, step)
    stack.step(task_id, step).values_at('attempts', 'in_process')
  end

  it 'runs every step in processes of Sidekiq, which queues what Rust has decided' do
    register('all', 'first' => ['Jobs::Tell'], 'old' => ['Jobs::Old', { 'depends_on_step' => 'first' }],
                    'busy' => ['Jobs::Busy', { 'depends_on_step' => 'first' }],
                    'last' => ['Jobs::Tell', { 'depends_on_steps' => %w[old busy] }])
    start_redis
    process = sidekiq
    worker = dispatcher
    task = wait(submit('all', 'order' => 7))
    expect(task['state']).to eq('complete')
    pid = process.pid
    expect(results(task)).to eq(
      'first' => { 'pid' => pid, 'attempt' => 1, 'results' => [], 'inputs' => { 'order' => 7 }, 'wrapped' => 1 },
      'old' => { 'pid' => pid, 'step' => 'old', 'context' => { 'order' => 7 }, 'first' => pid },
      'busy' => { 'pid' => pid, 'attempt' => 2 },
      'last' => { 'pid' => pid, 'attempt' => 1, 'results' => %w[busy old], 'inputs' => { 'order' => 7 }, 'wrapped' => 1 }
    )
    expect(worker.output).to include('sidekiq, queue default')
    expect(redis.zcard('retry') + redis.zcard('dead') + waiting_jobs.size).to eq(0)
  end

  it 'puts a small reference into the job, and neither context nor results' do
    register('small', 'one' => ['Jobs::Tell'])
    start_redis
    dispatcher
    task_id = submit('small', 'secret' => 'x' * 10_000)
    waits_in_redis(1)
    job = waiting_jobs.first
    expect(job).to include('class' => 'TaskerCore::Dispatch::SidekiqJob', 'retry' => false, 'queue' => 'default')
    expect(job['args']).to match([include('version' => 1, 'namespace' => namespace, 'task_id' => task_id, 'step_name' => 'one',
                                          'handler_class' => 'Jobs::Tell', 'attempt' => 1)])
    expect(JSON.generate(job).bytesize).to be < 700
    stack.cancel(task_id)
  end

  it 'keeps the lease of a step whose job waits' do
    register('waits', 'one' => ['Jobs::Tell'])
    start_redis
    dispatcher
    task_id = submit('waits')
    waits_in_redis(1)
    claimed = message
    2.times do
      before = message['vt']
      eventually('the lease is renewed') { message['vt'] > before }
    end
    expect(message['read_ct']).to eq(claimed['read_ct'])
    sidekiq
    expect(results(wait(task_id))['one']).to include('attempt' => 1)
    expect(failures(task_id, 'one')).to eq([])
  end

  it 'keeps the lease of a step whose handler runs, and stores its progress and end' do
    register('runs', 'one' => ['Jobs::Tell', held])
    start_redis
    sidekiq
    worker = dispatcher
    task_id = submit('runs')
    begins
    # The worker that dispatched it is not needed any more.
    worker.signal('KILL')
    worker.wait
    2.times do
      before = message['vt']
      eventually('the lease is renewed') { message['vt'] > before }
    end
    File.write(gate, '')
    expect(results(wait(task_id))['one']).to include('attempt' => 1)
    expect(failures(task_id, 'one')).to eq([])
  end

  it 'runs the step again when a process is killed in the middle of its handler' do
    register('killed', 'one' => ['Jobs::Tell', held])
    start_redis
    dispatcher
    first = sidekiq
    task_id = submit('killed')
    begins
    first.signal('KILL')
    first.wait
    second = sidekiq
    expect(results(wait(task_id))['one']).to include('pid' => second.pid, 'attempt' => 2)
    expect(failures(task_id, 'one')).to eq(['lost'])
  end

  it 'hands a step on again when the dispatching worker is killed, without an attempt, and the old job finds nothing to do' do
    register('orphaned', 'one' => ['Jobs::Tell', { 'default_retryable' => false }])
    start_redis
    first = dispatcher
    task_id = submit('orphaned')
    waits_in_redis(1)
    first.signal('KILL')
    first.wait
    dispatcher
    waits_in_redis(2)
    sidekiq
    expect(results(wait(task_id))['one']).to include('attempt' => 1, 'wrapped' => 1)
    eventually('both jobs are done') { waiting_jobs.empty? }
    expect(failures(task_id, 'one')).to eq([])
  end

  it 'enqueues a job again that may be lost, without an attempt' do
    register('flushed', 'one' => ['Jobs::Tell'])
    start_redis
    worker = dispatcher('--set', 'worker.dispatch_wait_seconds=1')
    task_id = submit('flushed')
    waits_in_redis(1)
    redis.flushall
    waits_in_redis(1)
    expect(worker.output).to include('jobs have not begun within 1 s and may be lost')
    sidekiq
    expect(results(wait(task_id))['one']).to include('attempt' => 1)
    expect(failures(task_id, 'one')).to eq([])
  end

  it 'keeps a step whose job a client middleware stops, says so, and enqueues those beside it' do
    register('halted', 'one' => ['Jobs::Tell'], 'two' => ['Jobs::Tell'])
    start_redis
    require 'sidekiq'
    Sidekiq.redis = { url: redis_url }
    stops = true
    limit = Class.new do
      define_method(:call) { |_job, item, *_, &enqueue| enqueue.call unless stops && item['args'].first['step_name'] == 'one' }
    end
    Sidekiq.configure_client { |config| config.client_middleware { |chain| chain.add(limit) } }
    worker(handlers: { 'Jobs::Tell' => ->(_) {} }, dispatch: :sidekiq)
    task_id = submit('halted')
    eventually('it is said') { @log.string.include?('jobs were stopped on their way into sidekiq, queue default') }
    waits_in_redis(1)
    expect(waiting_jobs.map { |job| job['args'].first['step_name'] }.uniq).to eq(['two'])
    stops = false
    eventually('it is enqueued') { waiting_jobs.any? { |job| job['args'].first['step_name'] == 'one' } }
    sidekiq
    expect(results(wait(task_id)).transform_values { |one| one['attempt'] }).to eq('one' => 1, 'two' => 1)
  ensure
    Sidekiq.configure_client { |config| config.client_middleware { |chain| chain.remove(limit) } } if limit
  end

  it 'runs a step once however many of its jobs there are, be they as late as they like' do
    register('slow', 'one' => ['Jobs::Tell'])
    start_redis
    dispatcher('--set', 'worker.dispatch_wait_seconds=1')
    task_id = submit('slow')
    waits_in_redis(3)
    sidekiq
    expect(results(wait(task_id))['one']).to include('attempt' => 1, 'wrapped' => 1)
    eventually('all jobs are done') { waiting_jobs.empty? }
    expect(failures(task_id, 'one')).to eq([])
  end

  it 'keeps steps while Redis is away, says so, and loses no attempt' do
    register('away', 'one' => ['Jobs::Tell'])
    worker = dispatcher
    task_id = submit('away')
    worker.wait_for(/steps cannot be enqueued in sidekiq, queue default; they stay in hand/)
    start_redis
    waits_in_redis(1)
    sidekiq
    expect(results(wait(task_id))['one']).to include('attempt' => 1)
    expect(failures(task_id, 'one')).to eq([])
  end

  it 'gives the step back uncounted when Sidekiq takes its thread away, and it runs elsewhere' do
    register('shut', 'one' => ['Jobs::Tell', held])
    start_redis
    dispatcher
    first = sidekiq('-t', '1')
    task_id = submit('shut')
    begins
    first.signal('TERM')
    expect(first.wait).to have_attributes(exitstatus: 0)
    expect(first.output).to include('the host takes its thread back before the handler has finished')
    second = sidekiq
    expect(results(wait(task_id))['one']).to include('pid' => second.pid, 'attempt' => 1)
    expect(failures(task_id, 'one')).to eq([])
    eventually('the job that was pushed back is done') { waiting_jobs.empty? }
  end

  it 'lets a handler finish that does so in the time that Sidekiq gives' do
    register('finishes', 'one' => ['Jobs::Tell', held])
    start_redis
    dispatcher
    process = sidekiq('-t', '25')
    task_id = submit('finishes')
    begins
    process.signal('TERM')
    process.wait_for(/Pausing to allow/)
    File.write(gate, '')
    expect(process.wait).to have_attributes(exitstatus: 0)
    expect(results(wait(task_id))['one']).to include('pid' => process.pid, 'attempt' => 1)
  end

  it 'drains: what waits in Redis goes back uncounted, for other workers' do
    register('drained', 'one' => ['Jobs::Tell'])
    start_redis
    worker = dispatcher(environment: { 'TASKER__WORKER__DRAIN_TIMEOUT_MS' => '500' })
    task_id = submit('drained')
    waits_in_redis(1)
    worker.signal('TERM')
    expect(worker.wait).to have_attributes(exitstatus: 0)
    eventually('it is back') { attempts(task_id, 'one') == [0, false] }
    worker(handlers: { 'Jobs::Tell' => ->(_) { 'elsewhere' } })
    expect(results(wait(task_id))['one']).to eq('elsewhere')
  end

  it 'fills Redis up to its limit, and has room again as soon as jobs begin' do
    register('many', 'one' => ['Jobs::Tell'])
    start_redis
    dispatcher('--set', 'worker.dispatch_limit=3')
    tasks = Array.new(60) { submit('many') }
    waits_in_redis(3)
    expect(waiting_jobs.size).to eq(3)
    in_process = stack.sql('SELECT count(*) FROM tasker_workflow_steps WHERE in_process AND task_id = ANY ($1::bigint[])', "{#{tasks.join(',')}}")
    expect(in_process).to eq([{ 'count' => '3' }])
    started = Stack.now
    sidekiq
    tasks.each { |task_id| wait(task_id) }
    # Twenty rounds; a renewal alone would notice each of them a second and a half later.
    expect(Stack.now - started).to be < 15
    expect(stack.sql('SELECT max(attempts) FROM tasker_workflow_steps WHERE task_id = ANY ($1::bigint[])', "{#{tasks.join(',')}}"))
      .to eq([{ 'max' => '1' }])
  end

  it 'counts the time limit from the start of the handler' do
    register('limited', 'one' => ['Jobs::Tell', held.merge('timeout_seconds' => 1, 'default_retry_limit' => 1)])
    start_redis
    dispatcher
    task_id = submit('limited')
    waits_in_redis(1)
    before = message['vt']
    # Longer than the limit.
    eventually('the lease is renewed') { message['vt'] > before }
    sidekiq
    begins
    expect(wait(task_id)['state']).to eq('error')
    expect(failures(task_id, 'one')).to eq(['timeout'])
    eventually('the handler is told') { File.exist?("#{begun}.told") }
  end

  it 'runs nothing of a task that was cancelled, and tells a handler that runs' do
    register('cancelled', 'one' => ['Jobs::Tell', held])
    start_redis
    dispatcher
    waiting = submit('cancelled')
    waits_in_redis(1)
    stack.cancel(waiting)
    sidekiq
    eventually('the job is done') { waiting_jobs.empty? }
    running = submit('cancelled')
    begins
    stack.cancel(running)
    eventually('the handler is told') { File.exist?("#{begun}.told") }
    expect(stack.step(waiting, 'one')).to include('results' => {}, 'failures' => [], 'state' => 'cancelled')
  end

  it 'runs a chain through jobs in direct mode too' do
    names = %w[one two three]
    register('direct', names.each_with_index.to_h { |name, i| [name, ['Jobs::Tell', i.zero? ? {} : { 'depends_on_step' => names[i - 1] }]] })
    start_redis
    direct = { 'TASKER__ENGINE__MODE' => 'direct' }
    process = sidekiq(environment: direct)
    dispatcher(environment: direct)
    task = wait(submit('direct'))
    expect(results(task).values.map { |one| one['pid'] }).to eq([process.pid] * 3)
  end

  it 'chooses the queue by the reference' do
    register('routed', 'one' => ['Jobs::Tell'], 'two' => ['Jobs::Tell'])
    start_redis
    require 'sidekiq'
    Sidekiq.redis = { url: redis_url }
    worker(handlers: { 'Jobs::Tell' => ->(_) {} }, dispatch: :sidekiq, queue: ->(reference) { "steps_#{reference['step_name']}" })
    task_id = submit('routed')
    waits_in_redis(1, 'steps_one')
    waits_in_redis(1, 'steps_two')
    sidekiq('-q', 'steps_one', '-q', 'steps_two')
    expect(wait(task_id)['state']).to eq('complete')
  end
end
