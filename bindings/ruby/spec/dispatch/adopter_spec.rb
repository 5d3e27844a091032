# frozen_string_literal: true

require 'tmpdir'
require 'runtime/fakes'
require 'tasker_core'

RSpec.describe TaskerCore::Adopter do
  include_context 'with a runtime'

  # The native side: gives what was offered for any reference, once.
  let(:native) do
    Class.new do
      attr_reader :settled

      def initialize(*executions)
        @executions = executions
        @settled = []
      end

      def adopt(_reference)
        @executions.shift
      end

      def settle(execution)
        raise 'not answered' if execution.answers.empty?

        @settled << execution
      end

      def offer(execution)
        @executions << execution
        execution
      end
    end.new
  end
  let(:adopter) { described_class.new(registry: registry, logger: logger, native: ->(_) { native }) }
  let(:reference) { { 'namespace' => 'shop', 'step_id' => 7 } }

  def offered(&handler)
    registry.register('Probe', handler)
    native.offer(Fakes::Execution.new('Probe'))
  end

  it 'runs the handler and returns when its outcome is stored' do
    execution = offered { |context| { 'step' => context.step_id } }
    expect(adopter.perform(reference)).to be(true)
    expect(take(execution.answers)).to eq([:succeed, { 'step' => 7 }])
    expect(native.settled).to eq([execution])
    expect([adopter.adopted, adopter.stale]).to eq([1, 0])
  end

  it 'knows the workflows of the classes that are loaded, and says which it cannot know' do
    workflow = stub_const('Probes::Order', Class.new(Tasker::ConfiguredTask))
    broken = stub_const('Probes::Broken', Class.new(Tasker::ConfiguredTask))
    steps = [{ 'name' => 'probe', 'handler_class' => 'Probes::Probe' }]
    stub_const('Probes::Probe', Class.new(Tasker::StepHandler::Base))
    workflow.define_singleton_method(:config) do
      { 'name' => 'adopted_order', 'namespace_name' => 'probes', 'version' => '1.0.0',
        'task_handler_class' => 'Probes::Order', 'step_templates' => steps }
    end
    broken.define_singleton_method(:config) { { 'name' => 'x' } }
    adopter
    expect(Tasker::HandlerFactory.instance.handler_of('adopted_order', 'probes', '1.0.0')).to be_a(workflow)
    expect(lines.last).to include('level' => 'WARN', 'message' => /\Athe hooks and events of a workflow are not known here: .*Broken/)
  ensure
    Tasker::HandlerFactory.instance.clear
  end

  it 'knows the custom events of files it is given, else of those of the host' do
    Dir.mktmpdir do |folder|
      { 'given' => 'probe.given', 'host' => 'probe.host', 'broken' => 7 }.each do |name, event|
        steps = [{ 'name' => 'probe', 'handler_class' => 'Probes::Probe', 'custom_events' => [{ 'name' => event }] }]
        workflow = { 'name' => name, 'task_handler_class' => 'Probes::Order', 'step_templates' => name == 'broken' ? 7 : steps }
        File.write(File.join(folder, "#{name}.yaml"), JSON.generate(workflow))
      end
      allow(TaskerCore.host).to receive(:templates).and_return([File.join(folder, 'host.yaml')])
      events = Tasker::Events::CustomRegistry.instance
      adopter
      expect(%w[probe.host probe.given].map { |event| events.registered?(event) }).to eq([true, false])
      expect(lines).to be_empty
      described_class.new(registry: registry, logger: logger, native: ->(_) { native }, templates: folder)
      expect(events.registered?('probe.given')).to be(true)
      expect(lines.last).to include('level' => 'WARN', 'message' => /are not known here: .*broken\.yaml/)
    end
    expect { described_class.new(templates: '/none') }.to raise_error(TaskerCore::ConfigurationError, %r{no file or directory /none})
  end

  it 'does nothing for a step that has ended or is run elsewhere, and counts it' do
    registry.register('Probe', ->(_) { raise 'run' })
    expect(adopter.perform(reference)).to be(false)
    expect([adopter.adopted, adopter.stale]).to eq([0, 1])
    expect(lines).to match([include('level' => 'DEBUG', 'message' => 'the step of a job has ended or is run elsewhere', 'step_id' => 7)])
  end

  it 'raises nothing that a handler raises' do
    [-> { raise 'broken' }, -> { exit 3 }, -> { raise NoMemoryError }, -> { throw :nobody }].each do |body|
      execution = offered { |_| body.call }
      expect(adopter.perform(reference)).to be(true)
      expect(take(execution.answers).first).to eq(:fail)
    end
    expect(native.settled.size).to eq(4)
  end

  it 'gives the step back uncounted when the host takes its thread away, and lets that through' do
    begun = Thread::Queue.new
    execution = offered do |_|
      begun << true
      sleep
    end
    job = Thread.new { adopter.perform(reference) }
    job.report_on_exception = false
    take(begun)
    shutdown = Class.new(Interrupt)
    job.raise(shutdown, 'shut down')
    expect { job.join(SpecSupport::PATIENCE) }.to raise_error(shutdown)
    expect(take(execution.answers)).to eq([:hand_back])
    expect(execution.answers).to be_empty
    expect(native.settled).to eq([execution])
  end

  it 'runs what is wrapped around handlers once' do
    calls = []
    around = TaskerCore.around_handler do |call, execution|
      calls << execution.step_id
      call.call
    end
    offered { |_| calls << :handler }
    adopter.perform(reference)
    expect(calls).to eq([7, :handler])
  ensure
    TaskerCore.around.remove(around)
  end

  it 'is of no use in a child of its process' do
    adopter
    reader, writer = IO.pipe
    Process.wait(fork do
      adopter.perform(reference)
    rescue TaskerCore::ForkError => e
      writer.write(e.message)
    ensure
      exit!
    end)
    writer.close
    expect(reader.read).to eq('this adopter belongs to the parent process: open one in the child')
  end
end
