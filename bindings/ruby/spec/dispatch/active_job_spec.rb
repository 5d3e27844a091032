# frozen_string_literal: true

require_relative 'setting'
require 'active_job'

RSpec.describe 'dispatch: :active_job', :dispatched do
  let(:seen) { Thread::Queue.new }

  before do
    ActiveJob::Base.logger = Logger.new(nil)
    TaskerCore.registry.register('Seen', lambda do |context|
      seen << context.step_name
      { 'attempt' => context.attempt }
    end)
    TaskerCore.adopter = TaskerCore::Adopter.new(set: stack.settings)
  end

  after do
    TaskerCore.adopter.stop
    TaskerCore.adopter = nil
  end

  it 'runs a workflow on the threads of the async adapter' do
    ActiveJob::Base.queue_adapter = :async
    register('async', 'one' => ['Seen'], 'two' => ['Seen', { 'depends_on_step' => 'one' }])
    worker(dispatch: :active_job)
    task = wait(submit('async'))
    expect(results(task)).to eq('one' => { 'attempt' => 1 }, 'two' => { 'attempt' => 1 })
    expect(Array.new(2) { take(seen) }).to eq(%w[one two])
    expect([TaskerCore.adopter.adopted, TaskerCore.adopter.stale]).to eq([2, 0])
  end

  it 'enqueues a job for each step, in the queue of its choice, that can be run later' do
    ActiveJob::Base.queue_adapter = adapter = ActiveJob::QueueAdapters::TestAdapter.new
    register('later', 'one' => ['Seen'])
    worker(dispatch: :active_job, queue: ->(reference) { "steps_#{reference['step_name']}" })
    task_id = submit('later')
    job = eventually('a job is enqueued') { adapter.enqueued_jobs.first }
    expect(job).to include('job_class' => 'TaskerCore::Dispatch::ActiveJobJob', 'queue_name' => 'steps_one')
    serialized = JSON.parse(JSON.generate(job.slice('job_class', 'job_id', 'queue_name', 'arguments', 'executions', 'locale')))
    2.times { ActiveJob::Base.execute(serialized) }
    expect(results(wait(task_id))['one']).to eq('attempt' => 1)
    expect([TaskerCore.adopter.adopted, TaskerCore.adopter.stale, seen.size]).to eq([1, 1, 1])
  end

  it 'keeps steps that a callback of the host stops, and says so' do
    ActiveJob::Base.queue_adapter = :async
    stops = true
    job = TaskerCore::Dispatch::ActiveJobJob
    job.before_enqueue { throw :abort if stops }
    register('stopped', 'one' => ['Seen'])
    worker(dispatch: :active_job)
    task_id = submit('stopped')
    eventually('it is said') { @log.string.include?('jobs were stopped on their way into active_job') }
    stops = false
    expect(results(wait(task_id))['one']).to eq('attempt' => 1)
  ensure
    job.reset_callbacks(:enqueue)
  end

  it 'runs steps through Sidekiq as the adapter' do
    register('adapted', 'one' => ['Jobs::Tell'], 'two' => ['Jobs::Busy', { 'depends_on_step' => 'one' }])
    start_redis
    process = sidekiq('-q', 'steps', file: 'active_jobs.rb')
    dispatcher('--require', File.join(Dispatched::HANDLERS, 'active_jobs.rb'), '--queue', 'steps', way: 'active_job')
    task = wait(submit('adapted'))
    expect(results(task)).to include('one' => include('pid' => process.pid, 'attempt' => 1), 'two' => { 'pid' => process.pid, 'attempt' => 2 })
    expect(redis.zcard('retry') + redis.zcard('dead')).to eq(0)
  end

  it 'loses no outcome where each job has a process that ends with it, as in Resque' do
    register('forked', 'one' => ['Jobs::Tell'], 'two' => ['Jobs::Tell', { 'depends_on_step' => 'one' }])
    start_redis
    parent = Stack::Service.new(RbConfig.ruby, '-I', File.join(EndToEnd::GEM, 'lib'), File.join(Dispatched::HANDLERS, 'forking.rb'), 'work',
                                environment: dispatch_environment({}))
    dispatcher('--require', File.join(Dispatched::HANDLERS, 'forking.rb'), way: 'active_job')
    task = wait(submit('forked'))
    pids = results(task).values.map { |one| one['pid'] }
    expect(pids.uniq.size).to eq(2)
    expect(pids).not_to include(parent.pid)
    expect(failures(task['task_id'], 'two')).to eq([])
  ensure
    parent&.stop
  end
end
