# frozen_string_literal: true

require_relative 'fakes'

RSpec.describe TaskerCore::Context do
  include_context 'with a runtime'

  def context(**facts)
    @execution = Fakes::Execution.new('Shop::Charge', **facts)
    described_class.new(@execution, logger)
  end

  it 'says what the step is and what it works on' do
    subject = context(inputs: { 'total' => 5 }, config: { 'currency' => 'USD' }, attempt: 2, previous_results: { 'error' => 'x' })
    expect(subject).to have_attributes(
      task_id: 3, step_id: 7, step_name: 'charge', task_name: 'order', task_version: '1.0.0', namespace: 'shop',
      attempt: 2, retry_limit: 3, timeout_seconds: 30.0, inputs: { 'total' => 5 }, context: { 'total' => 5 },
      config: { 'currency' => 'USD' }, previous_results: { 'error' => 'x' }, idempotency_token: 'tasker-3-7'
    )
    expect(subject.inspect).to eq('#<TaskerCore::Context task 3 step 7 charge attempt 2>')
  end

  it 'gives the same object each time' do
    subject = context(inputs: { 'a' => [] })
    subject.inputs['a'] << 1
    expect(subject.inputs).to eq('a' => [1])
  end

  it 'gives results of parents, nil ones too, and refuses other names for good' do
    subject = context(parents: { 'validate' => { 'ok' => true }, 'notify' => nil })
    expect(subject.result(:validate)).to eq('ok' => true)
    expect(subject.result('notify')).to be_nil
    expect(subject.results.keys).to eq(%w[validate notify])
    expect { subject.result('validat') }.to raise_error(TaskerCore::PermanentError) { |error|
      expect(error.message).to eq('step charge does not depend on validat; it depends on validate, notify')
      expect(error.error_code).to eq('not_a_parent')
    }
  end

  it 'refuses for good to go on without an input that must be there' do
    subject = context(inputs: { 'a' => nil })
    expect(subject.input(:a)).to be_nil
    expect { subject.input(:b) }.to raise_error(TaskerCore::PermanentError, 'the step has no input b; it has a')
  end

  it 'knows the last attempt' do
    expect(context(attempt: 2)).not_to be_last_attempt
    expect(context(attempt: 3)).to be_last_attempt
    expect(context(attempt: 1, retryable: false)).to be_last_attempt
  end

  it 'takes progress and says whether to go on' do
    subject = context
    expect(subject.heartbeat(done: 1)).to be(true)
    @execution.cancel!
    expect(subject.heartbeat(done: 2)).to be(false)
    expect(subject).to be_cancelled
    expect(@execution.said).to eq([{ done: 1 }, { done: 2 }])
  end

  it 'is cancelled once the attempt has been answered' do
    subject = context
    expect(subject).not_to be_cancelled
    @execution.succeed(1)
    expect(subject).to be_cancelled
    expect(subject.heartbeat('still')).to be(false)
  end

  describe '#logger' do
    let(:trace) { '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
    let(:subject) { context(correlation_id: 'c-1', traceparent: trace) }

    it 'writes lines that carry the step and its trace' do
      subject.logger.info('charged', amount_cents: 500)
      subject.logger.add(Logger::WARN) { 'lazily' }
      expect(lines).to match([
        include('level' => 'INFO', 'message' => 'charged', 'amount_cents' => 500, 'span' => {
                  'name' => 'step', 'task_id' => 3, 'step_id' => 7, 'step' => 'charge', 'attempt' => 1, 'handler' => 'Shop::Charge',
                  'correlation_id' => 'c-1', 'trace_id' => '0af7651916cd43dd8448eb211c80319c', 'parent_span_id' => 'b7ad6b7169203331'
                }),
        include('level' => 'WARN', 'message' => 'lazily', 'span' => include('step_id' => 7))
      ])
    end

    it 'writes the same for people' do
      io = StringIO.new
      subject = described_class.new(Fakes::Execution.new('A'), TaskerCore::Logging.logger(io: io, format: 'human'))
      subject.logger.warn('two words', why: 'so it is')
      expect(io.string).to match(/\A\d{4}-\S+Z  WARN step\{task_id=3 step_id=7 step=charge attempt=1 handler=A\}: ruby: two words why="so it is"\n\z/)
    end

    it 'says the same through a logger of the host' do
      io = StringIO.new
      host = Logger.new(io, formatter: ->(severity, _, _, message) { "#{severity} #{message}\n" })
      described_class.new(Fakes::Execution.new('A'), host).logger.error('boom', code: 4)
      expect(io.string).to eq("ERROR [task_id=3 step_id=7 step=charge attempt=1 handler=A] boom code=4\n")
    end

    it 'heeds the level, and builds nothing below it' do
      logger.level = Logger::WARN
      subject.logger.info { raise 'not asked for' }
      expect(subject.logger).to be_warn
      expect(subject.logger).not_to be_info
      expect(log.string).to be_empty
    end

    it 'writes one line of JSON whatever it is given' do
      ["two\nlines", "\xFF", :symbol, nil, 3.5, RuntimeError.new('boom'), [1]].each do |message|
        subject.logger.info(message, nan: Float::NAN, object: Object.new)
      end
      expect(lines.size).to eq(7)
    end
  end
end
