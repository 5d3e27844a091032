# frozen_string_literal: true

require_relative '../runtime/fakes'
require 'tasker_core/around'

RSpec.describe 'TaskerCore.around_handler' do
  include_context 'with a runtime'

  let(:around) { TaskerCore::Around.new }

  def run(execution)
    TaskerCore::Runner.new(registry: registry, logger: logger, around: around).call(execution)
    take(execution.answers)
  end

  it 'wraps the lookup, the run and the answer, the first block outermost' do
    order = []
    around.add(lambda { |call, execution|
      order << "a #{execution.handler_class}"
      call.call
      order << 'a answered'
    })
    around.add(->(call, _) { call.call.tap { order << 'b' } })
    registry.resolver do |name|
      order << "lookup #{name}"
      ->(_context) { order << 'run' }
    end
    execution = Fakes::Execution.new('Probe').on_answer { order << 'answer' }
    expect(run(execution)).to eq([:succeed, ['a Probe', 'lookup Probe', 'run', 'answer', 'b', 'a answered']])
  end

  it 'reports what a block raises as a failure of the handler' do
    around.add(->(_call, _) { raise KeyError, 'no tenant' })
    expect(handle { 1 }).to match([:fail, include('kind' => 'retryable', 'message' => 'no tenant', 'error_class' => 'KeyError')])
  end

  it 'changes nothing about a step that has been answered, and says so' do
    around.add(lambda { |call, _|
      call.call
      raise 'too late'
    })
    expect(handle { 1 }).to eq([:succeed, 1])
    expect(lines.last).to include('message' => 'attempt failed: too late', 'stale' => true)
  end

  it 'lets no block swallow the failure of a handler' do
    around.add(->(call, _) { call.call rescue nil }) # rubocop:disable Style/RescueModifier
    expect(handle { raise 'broken' }).to match([:fail, include('message' => 'broken')])
    around.add(->(call, _) { catch(:out) { call.call } })
    expect(handle { throw :out }).to match([:fail, include('message' => /ended without the handler/)])
  end

  it 'fails a step whose handler a block did not call' do
    around.add(->(_call, _) {})
    expect(handle { 1 }).to match([:fail, include('message' => /ended without the handler/)])
  end

  it 'runs no handler twice' do
    runs = 0
    around.add(->(call, _) { 2.times { call.call } })
    expect(handle { runs += 1 }).to eq([:succeed, 1])
    expect(runs).to eq(1)
    expect(lines.last['message']).to match(/called the handler twice/)
  end

  it 'needs a block' do
    expect { TaskerCore.around_handler }.to raise_error(ArgumentError, /takes a block/)
  end
end
