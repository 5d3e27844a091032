# frozen_string_literal: true

require_relative '../support/native'

RSpec.describe TaskerCore::Native::Execution do
  include NativeSupport

  let(:failure) { { 'kind' => 'retryable', 'message' => 'm', 'error_class' => 'E' } }

  it 'knows what came with the claim' do
    event = {
      'task_id' => 7, 'step_id' => 9, 'attempt' => 2, 'step_name' => 'charge', 'handler_class' => 'Pay::Charge',
      'namespace' => 'pay', 'task_name' => 'order', 'task_version' => '1.2.3', 'retry_limit' => 5, 'retryable' => false,
      'timeout_seconds' => 1.5, 'correlation_id' => 'c', 'traceparent' => "00-#{'a' * 32}-#{'b' * 16}-01", 'context' => { 'a' => 1 },
      'inputs' => { 'b' => 2 }, 'config' => { 'url' => 'u' }, 'previous_results' => { 'c' => 3 },
      'parents' => { 'one' => { 'd' => 4 }, 'none' => nil }
    }
    execution(event) do |execution, _|
      told = event.keys - %w[parents]
      expect(told.to_h { |name| [name, execution.public_send(name)] }).to eq(event.slice(*told))
      expect(execution.parent_names).to match_array(%w[one none])
      expect(execution.parent_results('one')).to eq('d' => 4)
      expect(execution.parent_results('none')).to be_nil
      expect(execution.parent_results('unknown')).to be_nil
      expect(execution.idempotency_token).to eq('tasker-7-9')
      expect(execution).not_to be_cancelled
    end
  end

  # The objects are small, and without that thousands of documents would wait with them.
  it 'counts as memory what came with the claim, so that it is collected in time' do
    ended = run_ruby(<<~'RUBY')
      loopback = Native::Loopback.start(16)
      worker = loopback.worker
      loopback.put({ 'context' => { 'text' => 'b' * 100_000 } }, 3000)
      collected = GC.count
      taken = 0
      # Ruby looks at the sum when a handler next asks for memory.
      taken += worker.take(16).each { |execution| execution.succeed('r' * 100) }.size while taken < 3000
      puts GC.count - collected
    RUBY
    expect([ended.errors, ended.status.exitstatus]).to eq(['', 0])
    # 300 MB; Ruby collects after 16 to 32 of them.
    expect(Integer(ended.output)).to be_between(5, 50)
  end

  it 'has no config where the template has none' do
    execution { |execution, _| expect(execution.config).to be_nil }
  end

  it 'counts the first answer and no other' do
    execution do |execution, loopback|
      expect(execution.succeed('first')).to be(true)
      expect(execution.succeed('second')).to be(false)
      expect(execution.fail(failure)).to be(false)
      expect(execution.no_handler).to be(false)
      expect(outcome(loopback)).to include('outcome' => 'success', 'detail' => 'first')
    end
  end

  it 'counts one answer of many threads' do
    execution do |execution, _|
      answers = Array.new(8) { |i| Thread.new { execution.succeed(i) } }.map(&:value)
      expect(answers.count(true)).to eq(1)
    end
  end

  it 'refuses an answer after the timeout' do
    execution do |execution, loopback|
      expect(loopback.time_out(execution.step_id)).to be(true)
      expect(execution).to be_cancelled
      expect(execution.succeed(1)).to be(false)
      expect(outcome(loopback)['outcome']).to eq('timeout')
    end
  end

  it 'does not hand out what has timed out while it waited' do
    loopback do |worker, loopback|
      loopback.put({}, 3)
      eventually('the second is out') { loopback.time_out(2) }
      expect(loopback.wait(1, 30)).to be(true)
      expect(worker.take(8).map(&:step_id)).to eq([1, 3])
    end
  end

  it 'says that there is no handler' do
    execution('handler_class' => 'Nobody') do |execution, loopback|
      expect(execution.no_handler).to be(true)
      expect(outcome(loopback)).to include('outcome' => 'no_handler', 'detail' => 'Nobody')
    end
  end

  it 'is handed back uncounted when it is collected without an answer' do
    loopback do |worker, loopback|
      loopback.put({}, 50)
      # In a thread that ends, so that no stack holds them.
      taken = 0
      Thread.new { taken += worker.take(16).size until taken >= 16 }.join
      eventually('the first are collected') do
        GC.start
        loopback.wait(1, 0.01)
      end
      expect(loopback.outcomes.first).to include('outcome' => 'handed_back', 'attempt' => 1)
    end
  end

  describe '#fail' do
    it 'reports everything a failure has' do
      execution do |execution, loopback|
        told = failure.merge('error_code' => 'c', 'backtrace' => "a\nb", 'retry_after_seconds' => 1.5,
                             'context' => { why: :not }, 'results' => { 'mine' => [1] })
        expect(execution.fail(told)).to be(true)
        expect(outcome(loopback)).to include(
          'outcome' => 'retryable',
          'detail' => { 'kind' => 'retryable', 'message' => 'm', 'error_class' => 'E', 'error_code' => 'c',
                        'backtrace' => "a\nb", 'retry_after_ms' => 1500, 'context' => { 'why' => 'not' },
                        'results' => { 'mine' => [1] } }
        )
      end
    end

    it 'tells results of nil from no results' do
      details = [failure, failure.merge('results' => nil)].map do |told|
        execution do |execution, loopback|
          execution.fail(told)
          outcome(loopback)['detail']
        end
      end
      expect(details.map { |detail| detail.key?('results') }).to eq([false, true])
    end

    %w[retryable permanent panic].each do |kind|
      it "takes the kind #{kind}" do
        execution do |execution, loopback|
          execution.fail(failure.merge('kind' => kind))
          expect(outcome(loopback)['outcome']).to eq(kind)
        end
      end
    end

    it 'reports texts in any encoding: an error must not be lost for its words' do
      execution do |execution, loopback|
        latin = "caf\xe9".dup.force_encoding('ISO-8859-1')
        expect(execution.fail(failure.merge('message' => latin, 'backtrace' => "a\xffb", 'error_class' => "\xfe".b))).to be(true)
        expect(outcome(loopback)['detail']).to include('message' => 'café', 'backtrace' => "a\u{FFFD}b", 'error_class' => "\u{FFFD}")
      end
    end

    { 30 => 30_000, 0 => 0, -5 => 0, 0.0004 => 1, Rational(1, 2) => 500 }.each do |seconds, milliseconds|
      it "takes a pause of #{seconds} s for #{milliseconds} ms" do
        execution do |execution, loopback|
          execution.fail(failure.merge('retry_after_seconds' => seconds))
          expect(outcome(loopback)['detail']['retry_after_ms']).to eq(milliseconds)
        end
      end
    end

    {
      'no Hash' => [[], /\Aerror: expected a Hash/],
      'an unknown key' => [{ 'mesage' => 'x' }, /\Aerror: unknown key "mesage"; keys are kind, message/],
      'a Symbol for a key' => [{ kind: 'panic' }, /\Aerror: unknown key :kind/],
      'no kind' => [{ 'message' => 'm', 'error_class' => 'E' }, /\Aerror\.kind: is missing/],
      'another kind' => [{ 'kind' => 'lost', 'message' => 'm', 'error_class' => 'E' }, /\Aerror\.kind: "lost" is none of/],
      'no message' => [{ 'kind' => 'panic', 'error_class' => 'E' }, /\Aerror\.message: is missing/],
      'a message that is no text' => [{ 'kind' => 'panic', 'message' => 4, 'error_class' => 'E' }, /\Aerror\.message: expected a String/],
      'no class' => [{ 'kind' => 'panic', 'message' => 'm' }, /\Aerror\.error_class: is missing/],
      'a pause that is no number' =>
        [{ 'kind' => 'panic', 'message' => 'm', 'error_class' => 'E', 'retry_after_seconds' => 'soon' },
         /\Aerror\.retry_after_seconds: "soon" is no finite number/],
      'a pause without end' =>
        [{ 'kind' => 'panic', 'message' => 'm', 'error_class' => 'E', 'retry_after_seconds' => Float::INFINITY },
         /\Aerror\.retry_after_seconds: Infinity is no finite number/]
    }.each do |what, (told, message)|
      it "refuses #{what}, and may be answered again" do
        execution do |execution, _|
          expect { execution.fail(told) }.to raise_error(TaskerCore::EncodingError, message)
          expect(execution.fail(failure)).to be(true)
        end
      end
    end
  end

  it 'cannot be made, copied or written away' do
    expect { described_class.new }.to raise_error(TypeError)
    execution do |execution, _|
      expect { execution.dup }.to raise_error(TypeError)
      expect { Marshal.dump(execution) }.to raise_error(TypeError)
    end
  end
end
