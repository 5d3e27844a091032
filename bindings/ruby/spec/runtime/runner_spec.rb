# frozen_string_literal: true

require_relative 'fakes'

RSpec.describe TaskerCore::Runner do
  include_context 'with a runtime'

  it 'stores what a handler returns' do
    expect(handle(inputs: { 'a' => 2 }) { |context| { double: context.input('a') * 2 } }).to eq([:succeed, { double: 4 }])
  end

  it 'stores nil, text and numbers as they are' do
    [nil, 'text', 3, 2.5, false, [1, nil]].each do |value|
      expect(handle { value }).to eq([:succeed, value])
    end
  end

  describe 'failures' do
    it 'lets another attempt follow any error' do
      outcome, error = handle { raise KeyError, 'no such key' }
      expect(outcome).to eq(:fail)
      expect(error).to include('kind' => 'retryable', 'message' => 'no such key', 'error_class' => 'KeyError')
      expect(error['backtrace'].lines.first).to include('runner_spec.rb')
    end

    it 'passes on when to come again, and the context of the failure' do
      _, error = handle { raise TaskerCore::RetryableError.new('busy', retry_after: 12.5, context: { queue: 3 }) }
      expect(error).to include('kind' => 'retryable', 'retry_after_seconds' => 12.5, 'context' => { queue: 3 })
    end

    it 'leaves out a time to come again that is none' do
      ['soon', Float::NAN, Float::INFINITY, Object.new].each do |value|
        _, error = handle { raise TaskerCore::RetryableError.new('busy', retry_after: value) }
        expect(error).not_to have_key('retry_after_seconds')
      end
    end

    it 'ends the step for good where the handler says so' do
      _, error = handle { raise TaskerCore::PermanentError.new('declined', error_code: :card, context: { bank: 'x' }) }
      expect(error).to include('kind' => 'permanent', 'error_code' => 'card', 'context' => { bank: 'x' })
    end

    it 'reports a failure whose context is no JSON, without the context and saying so' do
      _, error = handle { raise TaskerCore::PermanentError.new('declined', context: { at: Time.now }) }
      expect(error).to include('kind' => 'permanent', 'message' => 'declined')
      expect(error['context']['left_out']).to include('error.context.at', 'Time')
    end

    it 'reports an error whose message cannot be read' do
      broken = Class.new(StandardError) { def message = raise('not even this') }
      _, error = handle { raise broken }
      expect(error['message']).to match(/message cannot be read/)
    end

    it 'reports an error whose message is no text' do
      _, error = handle { raise "caf\xE9".b }
      expect(error['message']).to be_valid_encoding
    end
  end

  describe 'what is not an error' do
    {
      'exit' => [-> { exit(3) }, /tried to end the process \(exit status 3\)/],
      'abort' => [-> { Kernel.abort }, /tried to end the process \(exit status 1\)/],
      'an Interrupt' => [-> { raise Interrupt }, /raised a signal/],
      'a SignalException' => [-> { raise SignalException, 'TERM' }, /raised a signal: SIGTERM/],
      'an exception of its own' => [-> { raise Class.new(Exception), 'bare' }, /bare/], # rubocop:disable Lint/RaiseException
      'a missing method of an abstract class' => [-> { raise NotImplementedError, 'later' }, /later/],
      'no memory' => [-> { raise NoMemoryError }, /NoMemoryError/],
      'endless recursion' => [-> { deeper = ->(n) { deeper.call(n + 1) + 1 } and deeper.call(0) }, /stack level too deep/]
    }.each do |name, (body, message)|
      it "is reported as a panic: #{name}" do
        _, error = handle { body.call }
        expect(error).to include('kind' => 'panic', 'message' => message)
        expect(error['backtrace'].lines.size).to be <= 81
      end
    end

    it 'is an ordinary failure to throw without a catch' do
      _, error = handle { throw :nowhere }
      expect(error).to include('kind' => 'retryable', 'error_class' => 'UncaughtThrowError')
    end

    it 'is an ordinary failure to return or break out of a block' do
      registry.register('Probe', proc { break 1 })
      _, error = Thread.new { run(Fakes::Execution.new('Probe')) }.value
      expect(error['error_class']).to eq('LocalJumpError')
    end

    it 'answers the step when the handler ends its thread' do
      [-> { Thread.exit }, -> { Thread.current.kill }].each do |ending|
        registry.register('Probe', ->(_context) { ending.call })
        execution = Fakes::Execution.new('Probe')
        runner = described_class.new(registry: registry, logger: logger)
        Thread.new { runner.call(execution) }.join
        expect(take(execution.answers)).to match([:fail, include('kind' => 'panic', 'message' => /ended its thread/)])
      end
    end
  end

  describe 'results that cannot be stored' do
    cyclic = [1]
    cyclic << cyclic
    {
      'a cycle' => [-> { { 'list' => cyclic } }, 'results.list[1]: contains itself'],
      'not a number' => [-> { { price: Float::NAN } }, 'results.price: NaN is no JSON number'],
      'text that is none' => [-> { { name: "\xFF" } }, 'results.name: the String is not valid UTF-8'],
      'a lazy enumerator' => [-> { { rows: [1].lazy } }, 'results.rows: Enumerator::Lazy is no JSON value'],
      'a time' => [-> { { 'a' => [{ at: Time.now }] } }, 'results.a[0].at: Time is no JSON value'],
      'an object without methods' => [-> { { rows: [BasicObject.new] } }, 'results.rows[0]: BasicObject is no JSON value'],
      'a record that cannot be read' =>
        [-> { { row: Struct.new(:a) { def to_h = raise('no') }.new(1) } }, /results\.row: #<Class:0x\h+> is no JSON value/],
      'twenty thousand levels' => [-> { 20_000.times.inject({}) { |inner, _| { 'a' => inner } } }, 'nested deeper than'],
      'more than the core stores' => [-> { 'x' * 1_100_000 }, 'results: too large']
    }.each do |name, (body, problem)|
      it "fail that step for good and name the place: #{name}" do
        _, error = handle { body.call }
        expect(error).to include('kind' => 'permanent', 'error_class' => 'TaskerCore::EncodingError')
        expect(error['message']).to include('handler Probe', 'Another attempt would return the same').and match(Regexp.union(problem))
      end
    end
  end

  describe 'typed results' do
    line = Struct.new(:sku, :count)
    order = Struct.new(:id, :lines, keyword_init: true)

    it 'become objects at any depth' do
      value = order.new(id: 1, lines: [line.new('a', 2)])
      expect(handle { value }).to eq([:succeed, { id: 1, lines: [{ sku: 'a', count: 2 }] }])
      expect(handle { { orders: [value] } }.last).to eq({ orders: [{ id: 1, lines: [{ sku: 'a', count: 2 }] }] })
    end

    it 'name the place of what cannot be stored in them' do
      _, error = handle { order.new(id: 1, lines: [line.new('a', Float::INFINITY)]) }
      expect(error['message']).to include('results.lines[0].count: Infinity')
    end

    it 'do not hang on cycles' do
      value = order.new(id: 1)
      value.lines = [value, value]
      _, error = handle { value }
      expect(error).to include('kind' => 'permanent')
    end
  end

  describe 'handlers that are not there, or are none' do
    it 'gives the step back uncounted when the process has no handler, and says so once' do
      execution = Fakes::Execution.new('Nowhere::ToBeFound')
      runner = described_class.new(registry: registry, logger: logger)
      2.times { runner.call(execution) }
      expect(take(execution.answers)).to eq([:no_handler])
      expect(lines.map { |line| line['message'] }).to contain_exactly(/no handler Nowhere::ToBeFound.*require the file/)
    end

    it 'fails the step for good when the handler can never run it' do
      stub_const('WrongArity', Class.new { def call(one, two); end })
      expect(run(Fakes::Execution.new('WrongArity')))
        .to match([:fail, include('kind' => 'permanent', 'message' => /WrongArity.*one argument, the context; it takes 2/)])
    end

    it 'fails the attempt with the error of a constructor' do
      stub_const('Fragile', Class.new { def initialize = raise('no connection')
                                        def call(context); end })
      expect(run(Fakes::Execution.new('Fragile')))
        .to match([:fail, include('kind' => 'retryable', 'message' => 'no connection', 'backtrace' => /initialize/)])
    end
  end

  it 'gives every attempt an instance of its own' do
    counting = Class.new(TaskerCore::StepHandler) do
      def call(_context) = (@calls = @calls.to_i + 1)
    end
    stub_const('Counting', counting)
    2.times { expect(run(Fakes::Execution.new('Counting'))).to eq([:succeed, 1]) }
  end

  it 'does not begin what was cancelled while it waited' do
    began = false
    registry.register('Probe', ->(_) { began = true })
    execution = Fakes::Execution.new('Probe').tap(&:cancel!)
    described_class.new(registry: registry, logger: logger).call(execution)
    expect(began).to be(false)
  end

  it 'answers nothing in a child that a handler forked off' do
    registry.register('Probe', lambda do |_context|
      pid = fork { exit!(0) }
      Process.wait(pid)
      'parent'
    end)
    expect(run(Fakes::Execution.new('Probe'))).to eq([:succeed, 'parent'])

    reader, writer = IO.pipe
    execution = Fakes::Execution.new('Probe')
    registry.register('Probe', ->(_context) { fork || :child })
    runner = described_class.new(registry: registry, logger: logger)
    parent = Process.pid
    runner.call(execution)
    if Process.pid != parent
      writer.write(execution.answers.size.to_s)
      exit!(0)
    end
    writer.close
    expect(reader.read).to eq('0')
    expect(take(execution.answers).first).to eq(:succeed)
  end

  it 'does not lose a step to a logger that fails' do
    failing = Logger.new(StringIO.new, formatter: ->(*) { raise 'disk full' })
    registry.register('Probe', ->(_) { raise 'boom' })
    execution = Fakes::Execution.new('Probe')
    described_class.new(registry: registry, logger: failing).call(execution)
    expect(take(execution.answers).first).to eq(:fail)
  end

  it 'hands classes in the style of the Rails engine to its runner' do
    engine = Class.new do
      def self.run(execution, handler) = execution.succeed(handler.name)
    end
    stub_const('OldStyle', Class.new { def handle(task, sequence, step); end })
    execution = Fakes::Execution.new('OldStyle')
    described_class.new(registry: registry, logger: logger, engine: engine).call(execution)
    expect(take(execution.answers)).to eq([:succeed, 'OldStyle'])
  end
end
