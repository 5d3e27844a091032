# frozen_string_literal: true

require 'runtime/fakes'
require 'tasker_core'

RSpec.describe TaskerCore::Dispatch::Courier do
  include_context 'with a runtime'

  # A queue of the host: keeps what it takes, and fails as long as it is told to.
  let(:queue) do
    Class.new do
      attr_reader :taken
      attr_accessor :problem, :stops

      def initialize
        @taken = Thread::Queue.new
        @stops = ->(_) { false }
      end

      def push(references)
        raise problem if problem

        stopped, through = references.partition(&stops)
        through.each { |reference| @taken << reference }
        stopped
      end

      def to_s
        'a queue'
      end
    end.new
  end
  let(:limit) { 100 }
  let(:wait) { 60 }
  let(:courier) { described_class.new(queue: queue, worker_id: 'me', limit: limit, wait: wait, logger: logger) }

  after { courier.close(SpecSupport::PATIENCE) }

  def execution(step_id)
    Fakes::Execution.new('Probe', step_id: step_id)
  end

  it 'enqueues references, with the worker that wants to know of their adoption' do
    courier.submit([execution(1), execution(2)])
    expect(Array.new(2) { take(queue.taken) }).to match([include('step_id' => 1, 'worker_id' => 'me'), include('step_id' => 2)])
  end

  it 'tries again until the queue takes them' do
    queue.problem = RuntimeError.new('away')
    submitting = Thread.new { courier.submit([execution(1)]) }
    eventually('it is said') { log.string.include?('they stay in hand, and it is tried again: away') }
    queue.problem = nil
    expect(take(queue.taken)).to include('step_id' => 1)
    submitting.join
  end

  it 'tries no more when nobody wants them run here' do
    queue.problem = RuntimeError.new('away')
    given_back = execution(1)
    submitting = Thread.new { courier.submit([given_back]) }
    eventually('it is said') { log.string.include?('away') }
    given_back.lose!
    expect(submitting.join(SpecSupport::PATIENCE)).to eq(submitting)
    expect(queue.taken).to be_empty
  end

  it 'holds up nothing for a job that the host stops' do
    queue.stops = ->(reference) { reference['step_id'] == 1 }
    courier.submit([execution(1), execution(2)])
    courier.submit([execution(3)])
    expect(Array.new(2) { take(queue.taken)['step_id'] }).to eq([2, 3])
    expect(log.string).to match(/jobs were stopped on their way into a queue.*their steps stay in hand/)
  end

  it 'answers nothing: the steps are those of whoever adopts them' do
    one = execution(1)
    courier.submit([one])
    take(queue.taken)
    expect(one.answers).to be_empty
  end

  context 'with little patience' do
    let(:wait) { 0.3 }

    it 'enqueues again what may be lost, and nothing that has begun' do
      begun = execution(1)
      courier.submit([begun, execution(2)])
      2.times { take(queue.taken) }
      begun.lose!
      expect(Array.new(3) { take(queue.taken) }).to all(include('step_id' => 2))
      expect(log.string).to include('jobs have not begun within 0.3 s and may be lost')
    end

    it 'tries again what the host stops, and does not call it lost' do
      queue.stops = ->(_) { true }
      courier.submit([execution(1)])
      eventually('it is said again') { log.string.scan('jobs were stopped on their way into a queue').size > 1 }
      expect(log.string).not_to include('may be lost')
      queue.stops = ->(_) { false }
      expect(take(queue.taken)).to include('step_id' => 1)
    end
  end

  context 'with room for few' do
    let(:limit) { 3 }

    it 'remembers no more than may be out' do
      100.times do |at|
        one = execution(at)
        courier.submit([one])
        one.lose!
      end
      expect(courier.instance_variable_get(:@out).size).to be <= limit
    end
  end
end
