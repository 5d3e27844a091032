# frozen_string_literal: true

require_relative 'setting'

RSpec.describe 'TaskerCore::Native::Adopter', :dispatched do
  let(:native) { TaskerCore::Native::Adopter.start(stack.native_options) }
  let(:references) { Thread::Queue.new }

  after { native.stop }

  # A worker of this process whose jobs we are.
  def dispatching
    allow(TaskerCore::Dispatch).to receive(:queue).and_return(Struct.new(:references) do
      def push(some)
        some.each { |reference| references << reference }
      end
    end.new(references))
    worker(dispatch: :sidekiq)
  end

  def reference_of(name)
    register(name, 'one' => ['Known'])
    TaskerCore.registry.register('Known', ->(_) { 1 })
    task_id = submit(name)
    dispatching
    [take(references), task_id]
  end

  it 'makes an execution of a reference, once' do
    reference, task_id = reference_of('once')
    execution = native.adopt(reference)
    expect([execution.task_id, execution.step_name, execution.attempt]).to eq([task_id, 'one', 1])
    expect(native.adopt(reference)).to be_nil
    execution.succeed({ 'by' => 'us' })
    native.settle(execution)
    # In the results queue by now; orchestration takes it from there.
    expect(results(wait(task_id))['one']).to eq('by' => 'us')
    expect(native.adopt(reference)).to be_nil
  end

  it 'gives the worker that dispatched its room back at once, and that counts nothing as lost' do
    reference, = reference_of('room')
    worker = @workers.first
    expect(worker.steps_in_hand).to eq(1)
    execution = native.adopt(reference)
    # Long before the next renewal.
    eventually('there is room', within: 2) { worker.steps_in_hand.zero? }
    metrics = Net::HTTP.get(URI("http://#{worker.address}/metrics"))
    expect(metrics[/^tasker_leases_lost_total\{namespace="#{namespace}"\} (\d+)/, 1].to_i).to eq(0)
    execution.succeed(1)
    native.settle(execution)
  end

  it 'waits for a database that is away' do
    first, = reference_of('cut')
    native.adopt(first).succeed(0)
    task_id = submit('cut')
    second = take(references)
    stack.sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')
    execution = native.adopt(second)
    execution.succeed(4)
    expect(results(wait(task_id))['one']).to eq(4)
  end

  it 'hands back what is dropped without an answer' do
    reference, task_id = reference_of('dropped')
    # Another one comes by and is dispatched again, in the same attempt.
    Thread.new { native.adopt(reference) }.join
    again = eventually('it is dispatched again') do
      GC.start
      references.pop(true) unless references.empty?
    end
    expect(again).to include('attempt' => 1)
    execution = native.adopt(again)
    execution.succeed(2)
    expect(results(wait(task_id))['one']).to eq(2)
  end

  it 'looks again where a row is locked, and can be interrupted meanwhile' do
    reference, task_id = reference_of('locked')
    lock = PG.connect(stack.url)
    lock.exec('BEGIN')
    lock.exec_params("SELECT 1 FROM pgmq.q_steps_#{namespace} WHERE msg_id = $1 FOR UPDATE", [reference['message_id']])
    waiting = Thread.new { native.adopt(reference) }
    waiting.report_on_exception = false
    eventually('it waits') { waiting.status == 'sleep' }
    waiting.raise(Interrupt)
    expect { waiting.join(SpecSupport::PATIENCE) }.to raise_error(Interrupt)
    lock.exec('ROLLBACK')
    execution = native.adopt(reference)
    execution.succeed(3)
    expect(results(wait(task_id))['one']).to eq(3)
  ensure
    lock&.close
  end

  describe 'refuses, naming what is wrong' do
    let(:good) do
      { 'version' => 1, 'worker_id' => 'w', 'namespace' => 'nowhere', 'task_id' => 1, 'step_id' => 1, 'step_name' => 'a',
        'handler_class' => 'A', 'attempt' => 1, 'message_id' => 1, 'lease_token' => 1, 'correlation_id' => nil }
    end

    it 'a reference of another version' do
      expect { native.adopt(good.merge('version' => 2)) }.to raise_error(TaskerCore::ConfigurationError) { |error|
        expect(error.message).to match(/version is 2, and this version of the gem reads 1: install the same version/)
        expect(error.code).to eq('invalid_reference')
      }
      expect { native.adopt({}) }.to raise_error(TaskerCore::ConfigurationError, /version is none/)
    end

    it 'a reference that lacks something, or has it of the wrong kind' do
      expect { native.adopt(good.except('lease_token')) }.to raise_error(TaskerCore::ConfigurationError, /lease_token/)
      expect { native.adopt(good.merge('attempt' => 'first')) }.to raise_error(TaskerCore::ConfigurationError, /"first"/)
      expect { native.adopt(good.merge('namespace' => 'no such!')) }.to raise_error(TaskerCore::ConfigurationError, /namespace/)
    end

    it 'a namespace that this database does not have' do
      expect { native.adopt(good) }.to raise_error(TaskerCore::DatabaseError, /q_steps_nowhere/)
    end
  end
end
