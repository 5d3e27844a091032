# frozen_string_literal: true

require_relative 'fakes'

RSpec.describe TaskerCore::Worker do
  include_context 'with a runtime'

  # Templates are another part: here there are none, or those of a test.
  let(:templates) { Struct.new(:handler_classes, :to_native).new(%w[Here Elsewhere], [{ 'source' => 'a.yaml' }]) }
  let(:native) { Fakes::Native.new }
  let(:options) { {} }
  let(:worker) { described_class.new(registry: registry, logger: logger, native: native.to_proc, **options) }

  before do
    stub_const('TaskerCore::Templates', Class.new)
    TaskerCore::Templates.define_singleton_method(:collect) { |*| nil }
    allow(TaskerCore::Templates).to receive(:collect).and_return(templates)
    registry.register('Here') { |context| context.step_id }
  end

  after { worker.stop if worker.instance_variable_get(:@native) }

  it 'runs what it takes until it is stopped' do
    worker.start
    steps = Array.new(5) { |at| Fakes::Execution.new('Here', step_id: at) }
    native.offer(*steps)
    expect(steps.map { |step| take(step.answers) }).to eq((0..4).map { |at| [:succeed, at] })
    expect(worker.join(0.01)).to be(false)
    worker.stop
    expect(worker.join(5)).to be(true)
    expect(worker.stuck).to eq(0)
  end

  describe 'what the native side is told' do
    let(:options) do
      { config_dir: 'config', set: { 'worker.bind' => '127.0.0.1:0', 'engine.lease_ms' => 5000 }, namespaces: %i[shop bank],
        concurrency: 3, handlers: { 'Given' => ->(context) { context } } }
    end

    it 'is every option as text' do
      worker.start
      expect(native.options).to include(
        'config_dir' => 'config', 'templates' => [{ 'source' => 'a.yaml' }],
        'overrides' => [['worker.bind', '127.0.0.1:0'], ['engine.lease_ms', '5000'],
                        ['worker.namespaces', 'shop,bank'], ['worker.concurrency', '3']]
      )
    end

    it 'is which handlers are here: registered, given, loaded, or named by a template and found' do
      stub_const('LoadedHandler', Class.new(TaskerCore::StepHandler) { def call(context) = context })
      worker.start
      expect(native.options['handler_classes']).to include('Given', 'Here', 'LoadedHandler')
      expect(native.options['handler_classes']).not_to include('Elsewhere')
    end
  end

  describe 'options of the wrong type' do
    {
      { concurrency: 0 } => /concurrency: expected a whole number from 1, not 0/,
      { concurrency: '4' } => /concurrency: expected a whole number/,
      { set: 'a=b' } => /set: expected a Hash/,
      { namespaces: [1] } => /namespaces: expected text, not 1/,
      { templates: 'no/such/directory' } => %r{templates: there is no file or directory no/such/directory},
      { handlers: { 'A' => 3 } } => /handlers: handler A cannot be used/,
      { handlers: 5 } => /handlers: expected text, not 5/,
      { handlers: [Kernel] } => /handlers: expected text, not Kernel/,
      { set: [1] } => /set: expected a Hash/,
      { set: { 'worker.worker_id' => "a\xff" } } => /\Aset: the value of worker.worker_id is no text in UTF-8\z/,
      { namespaces: '' } => /namespaces: "" names none/,
      { namespaces: ['shop', ' , '] } => /namespaces: " , " names none/,
      { logger: 'x' } => /logger: expected a Logger .*, not String/,
      { logger: $stderr } => /logger: expected a Logger \(for an IO, Logger.new\(io\)\), not IO/,
      { events: 5 } => /events: expected a name, false for none or nil, not 5/,
      { events: true } => /events: expected a name, .*, not true/,
      { events: '' } => /events: expected a name, .*, not ""/,
      { registry: nil } => /registry: expected a Registry, not nil/
    }.each do |wrong, message|
      it "are refused by name: #{wrong.inspect}" do
        expect { described_class.new(registry: registry, logger: logger, **wrong) }
          .to raise_error(TaskerCore::ConfigurationError, message)
      end
    end
  end

  it 'says once that it has no handler, and what to do' do
    allow(TaskerCore::StepHandler).to receive(:loaded).and_return([])
    hide_const('Tasker::StepHandler::Base')
    lonely = described_class.new(registry: TaskerCore::Registry.new, logger: logger, native: native.to_proc).start
    said = -> { lines.map { |line| line['message'] }.grep(/no handler is registered or loaded .*--require/) }
    expect(said.call.size).to eq(1)
    described_class.new(registry: registry, logger: logger, native: Fakes::Native.new.to_proc).start.stop
    expect(said.call.size).to eq(1)
  ensure
    lonely.stop
  end

  it 'says which resolver failed when it cannot tell what is here' do
    registry.resolver { |name| raise "the registry is down for #{name}" }
    expect { worker.start }.to raise_error(
      TaskerCore::StartError, /\Aa resolver failed when it was asked for the handler Elsewhere, .*: the registry is down for Elsewhere \(RuntimeError, .*worker_spec.rb:/
    )
  end

  it 'drains and says why when steps cannot be taken any more' do
    worker.start
    native.break_with(TaskerCore::NativePanic.new('index out of bounds'))
    expect { worker.join }.to raise_error(TaskerCore::WorkerFailed, /cannot be taken any more: index out of bounds/)
    expect(native.stops).to eq(1)
  end

  it 'drains and says why when the thread that takes steps is killed' do
    worker.start
    eventually('it waits') { Thread.list.find { |thread| thread.name == 'tasker taker' && thread.status == 'sleep' } }.kill
    expect { worker.join }.to raise_error(TaskerCore::WorkerFailed, /the thread that takes steps was killed/)
  end

  it 'is started once, and before it is used' do
    expect { worker.join }.to raise_error(TaskerCore::StartError, /has not been started/)
    worker.start
    expect { worker.start }.to raise_error(TaskerCore::StartError, /started before/)
  end

  describe '#run' do
    %w[TERM INT].each do |signal|
      it "drains on SIG#{signal}, and gives the traps back" do
        before = trap(signal) { raise 'not this one' }
        step = Fakes::Execution.new('Here')
        step.on_answer { Process.kill(signal, Process.pid) }
        native.offer(step)
        Timeout.timeout(SpecSupport::PATIENCE) { worker.run }
        expect(native.stops).to eq(1)
        expect(lines.map { |line| line['message'] }).to include(/SIG#{signal}: draining/)
        expect { Process.kill(signal, Process.pid) && take(Thread::Queue.new) }.to raise_error('not this one')
      ensure
        trap(signal, before || 'DEFAULT')
      end
    end

    it 'ends at once at a second signal, with the status of the signal' do
      reader, writer = IO.pipe
      pid = fork do
        $stderr.reopen(IO::NULL)
        native.define_singleton_method(:stop) { @stops += 1 and writer.puts('stopping') }
        step = Fakes::Execution.new('Here').on_answer { Process.kill('TERM', Process.pid) }
        native.offer(step)
        worker.run
      end
      expect(Timeout.timeout(SpecSupport::PATIENCE) { reader.gets }).to eq("stopping\n")
      Process.kill('TERM', pid)
      _, status = Timeout.timeout(SpecSupport::PATIENCE) { Process.wait2(pid) }
      expect(status.termsig).to eq(Signal.list['TERM'])
    end

    it 'ends without a worker when the signal comes before there is one' do
      never = ->(_options) { Process.kill('TERM', Process.pid) && take(Thread::Queue.new) }
      early = described_class.new(registry: registry, logger: logger, native: never)
      Timeout.timeout(SpecSupport::PATIENCE) { early.run }
      expect(native.stops).to eq(0)
    end
  end
end
