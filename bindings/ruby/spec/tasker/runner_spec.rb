# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe Tasker::Compat::Runner, :tasker do
  describe 'results of a success' do
    it 'are what process returned, as JSON' do
      klass = handler { def process(task, _sequence, _step) = { total: BigDecimal('1.50'), by: task.context['who'].to_sym } }
      expect(run(klass, context: { 'who' => 'ada' }).results).to eq('total' => '1.5', 'by' => 'ada')
    end

    it 'are what the handler assigned, whatever it returns' do
      klass = handler do
        def process(_task, _sequence, step)
          step.results = { kept: true }
          :ignored
        end
      end
      expect(run(klass).results).to eq('kept' => true)
    end

    it 'are what process returned if it changed the initial results in place only' do
      klass = handler do
        def process(_task, _sequence, step)
          step.results['seen'] = false
          { returned: 1 }
        end
      end
      expect(run(klass, previous_results: { 'old' => 1 }).results).to eq('returned' => 1)
    end

    it 'may be nil' do
      klass = handler { def process(*) = nil }
      execution = run(klass)
      expect(execution.succeeded).to eq([nil])
    end

    it 'come from process_results, which gets the live object in the same instance' do
      klass = handler do
        def process(_task, _sequence, _step)
          @begun = :yes
          Struct.new(:id).new(5)
        end

        def process_results(step, process_output, initial_results)
          step.results = { id: process_output.id, begun: @begun, initial: initial_results }
        end
      end
      expect(run(klass, previous_results: { 'error' => 'x' }).results)
        .to eq('id' => 5, 'begun' => 'yes', 'initial' => { 'error' => 'x' })
    end

    it 'read back as they will be stored, and do not share with what was assigned' do
      klass = handler do
        def process(_task, _sequence, step)
          data = { price: BigDecimal('2') }
          step.results = data
          data[:late] = true
          step.results['again'] = step.results['price']
          step.results['symbol'] = step.results[:price]
        end
      end
      expect(run(klass).results).to eq('price' => '2.0', 'again' => '2.0', 'symbol' => nil)
    end
  end

  it 'gives each execution an instance of its own' do
    klass = handler { def process(*) = { runs: (@runs = @runs.to_i + 1) } }
    expect([run(klass).results, run(klass).results]).to eq([{ 'runs' => 1 }, { 'runs' => 1 }])
  end

  it 'hands the configuration to the constructor, and none if there is none' do
    klass = handler { def process(*) = { config: config.inspect } }
    bare = handler('Bare') do
      def initialize; super(); end # rubocop:disable Style/SingleLineMethods
      def process(*) = { config: config }
    end
    expect(run(klass, config: { 'limit' => 3 }).results).to eq('config' => '{"limit"=>3}')
    expect(run(bare).results).to eq('config' => nil)
  end

  it 'runs a class without a base, which defines only handle' do
    stub_const('Minimal', Class.new do
      def handle(task, sequence, step)
        step.results = { task: task.task_id, parents: sequence.find_step_by_name('first').results }
      end
    end)
    execution = run(Minimal, parents: { 'first' => { 'a' => 1 } })
    expect(execution.results).to eq('task' => 7, 'parents' => { 'a' => 1 })
  end

  describe 'a failure' do
    let(:failing) do
      handler do
        def process(_task, _sequence, step)
          step.results = { partial: 1 }
          raise Tasker::RetryableError.new('busy', retry_after: 60, context: { order: 7 })
        end
      end
    end

    it 'keeps what was there and adds message, class and backtrace' do
      execution = run(failing, previous_results: { 'gone' => true })
      expect(execution.failed['results']).to include('partial' => 1, 'error' => 'busy', 'error_class' => 'Tasker::RetryableError')
      expect(execution.failed['results']['backtrace']).to match(/runner_spec\.rb:\d+.*\n/)
      expect(execution.failed['results'].keys).to contain_exactly('partial', 'error', 'error_class', 'backtrace')
    end

    it 'may be tried again, without a pause of its own unless an API handler asked for one' do
      expect(run(failing).failed).to include('kind' => 'retryable', 'message' => 'busy', 'context' => { 'order' => 7 })
      expect(run(failing).failed).not_to have_key('retry_after_seconds')
    end

    it 'is permanent where the handler has refused another attempt' do
      klass = handler do
        def process(_task, _sequence, step)
          step.update!(retryable: false, retry_limit: step.retry_limit)
          raise "declined, #{step.retryable}"
        end
      end
      expect(run(klass).failed).to include('kind' => 'permanent', 'message' => 'declined, false', 'error_class' => 'RuntimeError')
    end

    it 'is permanent for a PermanentError, with its code' do
      klass = handler { def process(*) = raise(Tasker::PermanentError.new('no', error_code: 'DECLINED', context: { a: :b })) }
      expect(run(klass).failed).to include('kind' => 'permanent', 'error_code' => 'DECLINED', 'context' => { 'a' => 'b' })
    end

    it 'is permanent for results that cannot be stored, and names the place' do
      klass = handler { def process(*) = { list: [1, (cycle = []; cycle << cycle)] } } # rubocop:disable Style/Semicolon
      failed = run(klass, previous_results: { 'before' => 1 }).failed
      expect(failed).to include('kind' => 'permanent', 'error_class' => 'TaskerCore::EncodingError')
      expect(failed['message']).to start_with('results.list[1][0]: Array contains itself')
      expect(failed['results']).to include('before' => 1, 'error' => failed['message'])
    end

    it 'survives results that were changed in place to what cannot be stored' do
      klass = handler do
        def process(*) = nil
        def process_results(step, *) = step.results['bad'] = "\xFF"
      end
      failed = run(klass, previous_results: { 'before' => 1 }).failed
      expect(failed['message']).to start_with('handler Charge returned').and include('results.bad: a String that is not valid UTF-8')
      expect(failed['results'].keys).to contain_exactly('before', 'error', 'error_class', 'backtrace')
    end

    it 'keeps its message, class and kind whatever else of it cannot be encoded' do
      fragile = Class.new { def as_json(*) = raise('as_json boom') }
      in_context = handler { define_method(:process) { |*| raise Tasker::PermanentError.new('no', context: { a: fragile.new }) } }
      kept = handler('Kept') do
        define_method(:process) do |_task, _sequence, step|
          step.results = { 'a' => 1 }
          step.results['b'] = fragile.new
          raise Tasker::PermanentError, 'no'
        end
      end
      permanent = { 'kind' => 'permanent', 'message' => 'no', 'error_class' => 'Tasker::PermanentError' }
      expect(run(in_context).failed).to include(permanent).and include('context' => { 'left_out' => 'as_json boom' })
      expect(run(kept, previous_results: { 'before' => 1 }).failed).to include(permanent).and include('results' => include('before' => 1))
    end

    it 'leaves out a pause that is none' do
      [Float::INFINITY, Float::NAN, Complex(1, 2), 10**400, -1, 'soon'].each do |pause|
        klass = handler do
          define_method(:process) do |_task, _sequence, step|
            step.backoff_request_seconds = pause
            raise Tasker::RetryableError, 'busy'
          end
        end
        expect(run(klass).failed).to include('kind' => 'retryable', 'message' => 'busy').and(satisfy { |told| !told.key?('retry_after_seconds') })
      end
    end

    it 'is told of results that the core refuses, and no success before' do
      klass = handler { def process(*) = { text: 'x' * 1_100_000 } }
      execution = nil
      events = events_of { execution = run(klass) }
      expect(execution.failed['message']).to match(/handler Charge returned .* results: too large\. Another attempt/)
      expect(events.map(&:first)).to eq(%w[step.execution_requested step.before_handle step.failed])
    end

    it 'comes of a constructor that raises, of the wrong arity, of a missing method' do
      raising = handler { def initialize(config: nil) = raise("broken #{config}") }
      arity = handler('Arity') { def process(_task) = nil }
      none = handler('Nothing')
      expect(run(raising).failed).to include('kind' => 'retryable', 'message' => 'broken ')
      expect(run(arity).failed).to include('error_class' => 'ArgumentError')
      expect(run(none).failed).to include('kind' => 'panic', 'error_class' => 'NotImplementedError',
                                          'message' => 'Nothing has no process(task, sequence, step)')
    end

    it 'comes of a recursion without an end and of a throw without a catch' do
      deep = handler { def process(task, sequence, step) = process(task, sequence, step) }
      thrown = handler('Thrown') { def process(*) = throw(:out) }
      expect(run(deep).failed).to include('kind' => 'panic', 'error_class' => 'SystemStackError')
      expect(run(thrown).failed).to include('kind' => 'retryable', 'error_class' => 'UncaughtThrowError')
    end

    it 'leaves the end of the process to the caller' do
      klass = handler { def process(*) = exit(3) }
      execution = FakeExecution.new
      expect { described_class.run(execution, klass) }.to raise_error(SystemExit)
      expect(execution).not_to be_answered
    end

    it 'can be reported whatever its message is' do
      odd = stub_const('Odd', Class.new(StandardError) { def message = "a\xFF\0#{'b' * 100_000}" })
      klass = handler { define_method(:process) { |*| raise odd } }
      message = run(klass).failed['message']
      expect(message).to start_with("a\u{FFFD}\u{FFFD}b").and end_with(' (cut)')
    end
  end

  it 'does not lose an error whose message cannot be read' do
    mute = stub_const('Mute', Class.new(StandardError) { def message = raise('no message') })
    klass = handler { define_method(:process) { |*| raise mute } }
    expect(run(klass).failed).to include('error_class' => 'Mute', 'message' => /whose message cannot be read \(RuntimeError\)/)
  end

  it 'ends without an event if the outcome came too late' do
    klass = handler { def process(*) = 1 }
    execution = FakeExecution.new(counts: false)
    events = events_of { expect(described_class.run(execution, klass)).to be(false) }
    expect(events.map(&:first)).to eq(%w[step.execution_requested step.before_handle])
  end

  it 'lends the task its correlation id, and gives the thread its own back' do
    klass = handler { def process(*) = { id: correlation_id } }
    key = Tasker::Concerns::StructuredLogging::CORRELATION_ID_KEY
    Thread.current[key] = 'mine'
    expect(run(klass, correlation_id: 'req-1').results).to eq('id' => 'req-1')
    expect(run(klass).results['id']).to match(/\Atsk_[a-z0-9]+_[a-z0-9]{6}\z/)
    expect(Thread.current[key]).to eq('mine')
  end
end
