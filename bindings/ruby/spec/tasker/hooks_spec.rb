# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe Tasker::Compat::Hooks, :tasker do
  let(:calls) { [] }
  let(:rows) do
    [
      FakeExecution.row(70, 'fetch', state: 'complete', results: { 'n' => 1 }),
      FakeExecution.row(71, 'charge', state: 'in_progress', parents: [70])
    ]
  end

  before { handler { def process(_task, _sequence, step) = { inputs: step.inputs } } }

  # A registered workflow of the step charge, with what the block defines.
  def workflow(&body)
    klass = stub_const('Order', Class.new)
    klass.class_eval do
      include Tasker::TaskHandler
      register_handler('order')
      define_step_templates { |templates| templates.define(name: 'charge', handler_class: Charge) }
    end
    klass.class_eval(&body)
    klass
  end

  def run_charge(**facts)
    run(Charge, rows: rows, parents: { 'fetch' => { 'n' => 1 } }, **facts)
  end

  # Counts of calls and failures that the block makes.
  def counted
    before = described_class.statistics
    yield
    described_class.statistics.to_h { |what, number| [what, number - before[what]] }
  end

  it 'cost nothing where they are not overridden' do
    workflow { def schema = {} }
    execution = FakeExecution.new
    expect(execution).not_to receive(:task)
    expect(counted { Tasker::Compat::Runner.run(execution, Charge) }).to eq(called: 0, failed: 0)
    expect(execution.steps_reads).to eq(0)
  end

  describe 'before the handler' do
    it 'sets inputs that the handler sees, and stores those of the step that runs if it saves them' do
      workflow do
        def establish_step_dependencies_and_defaults(task, steps)
          steps.each { |step| step.update!(inputs: { of: step.name, who: task.context['who'] }) }
        end
      end
      execution = run_charge(context: { 'who' => 'ada' })
      expect(execution.results).to eq('inputs' => { 'of' => 'charge', 'who' => 'ada' })
      expect(execution.saved_inputs).to eq('of' => 'charge', 'who' => 'ada')
    end

    it 'fails the step for good that would run without what the hook asks for' do
      workflow do
        def establish_step_dependencies_and_defaults(_task, steps) = steps.last.add_provides_edge!(steps.first)
      end
      execution = nil
      expect(counted { execution = run_charge }).to eq(called: 1, failed: 1)
      expect(execution.failed).to include('kind' => 'permanent', 'error_class' => 'Tasker::UnsupportedError',
                                                 'message' => include('declare depends_on_steps'))
    end

    it 'stores nothing that is only assigned' do
      workflow do
        def establish_step_dependencies_and_defaults(_task, steps) = steps.each { |step| step.inputs = { seen: true } }
      end
      execution = run_charge
      expect(execution.results).to eq('inputs' => { 'seen' => true })
      expect(execution.saved_inputs).to be_nil
    end

    it 'leaves other steps alone for the handler as ever' do
      workflow { def establish_step_dependencies_and_defaults(_task, _steps) = nil }
      handler { def process(_task, sequence, _step) = sequence.find_step_by_name('fetch').update!(results: { mine: 1 }) }
      expect(run_charge.failed['message']).to match(/only change its own step/)
    end
  end

  describe 'after the last step' do
    def annotated(calls)
      workflow do
        define_method(:update_annotations) do |task, sequence, steps|
          calls << { task: task, sequence: sequence.map(&:name), steps: steps.map { |one| [one.name, one.status, one.results] } }
        end
      end
    end

    it 'annotates with the steps that succeeded, before the outcome is told' do
      annotated(calls)
      execution = FakeExecution.new(rows: rows, parents: { 'fetch' => {} }, task_row: { only_sink: 'charge' })
      told = nil
      allow(execution).to receive(:succeed).and_wrap_original { |original, value| (told = calls.size) && original.call(value) }
      Tasker::Compat::Runner.run(execution, Charge)
      expect(told).to eq(1)
      expect(calls.first[:steps]).to eq([['fetch', 'complete', {}], ['charge', 'complete', { 'inputs' => {} }]])
      expect(calls.first[:sequence]).to eq(%w[fetch charge])
    end

    it 'leaves out what succeeded before the task was taken up again' do
      annotated(calls)
      run_charge(task_row: { only_sink: 'charge', run_started_at: '2024-01-03T00:00:00.000000Z' })
      expect(calls.first[:steps].map(&:first)).to eq(['charge'])
    end

    it 'is not called after another step, after a failure, or where several steps come last' do
      annotated(calls)
      run_charge(task_row: { only_sink: 'ship' })
      run_charge(task_row: { only_sink: nil })
      handler { def process(*) = raise('no') }
      run_charge(task_row: { only_sink: 'charge' })
      expect(calls).to be_empty
    end

    it 'is not called for results that cannot be stored' do
      annotated(calls)
      stub_const('Charge', Class.new(Tasker::StepHandler::Base) { def process(*) = { text: 'x' * 1_100_000 } })
      expect(run_charge(task_row: { only_sink: 'charge' }).failed).to include('kind' => 'permanent')
      expect(calls).to be_empty
    end

    it 'can change the results no more, and is told so' do
      said = []
      workflow do
        define_method(:update_annotations) do |_task, _sequence, steps|
          own = steps.last
          said << own.update(results: own.results.merge('note' => 'late'))
          own.results['inside'] = true
          own.save!
        end
      end
      execution = nil
      events = events_of { execution = run_charge(task_row: { only_sink: 'charge' }) }
      expect(said).to eq([false])
      expect(log).to match(/hook update_annotations .* the results of step charge are those that its handler has ended with/)
      expect(execution.results).to eq('inputs' => {})
      expect(events.last.last[:step_results]).to eq('inputs' => {})
    end

    it 'can make annotations and store a context' do
      workflow do
        def update_annotations(task, _sequence, steps)
          type = Tasker::AnnotationType.find_or_create_by!(name: 'dummy', description: 'of a dummy')
          steps.each { |step| Tasker::TaskAnnotation.create(task: task, annotation_type: type, annotation: { step: step.name }) }
          task.context['annotated'] = true
          task.save!
        end
      end
      execution = run_charge(context: { 'who' => 'ada' }, task_row: { only_sink: 'charge' })
      expect(execution.rows.notes.map { |note| note['annotation'] }).to eq([{ 'step' => 'fetch' }, { 'step' => 'charge' }])
      expect(execution.saved_context).to eq('who' => 'ada', 'annotated' => true)
    end
  end

  it 'that raise are logged and counted, and change nothing' do
    workflow do
      def establish_step_dependencies_and_defaults(*) = raise('no defaults')

      private

      def update_annotations(*) = exit(3)
    end
    execution = nil
    expect(counted { execution = run_charge(task_row: { only_sink: 'charge' }) }).to eq(called: 2, failed: 2)
    expect(execution.succeeded).to eq([{ 'inputs' => {} }])
    expect(log).to match(/hook establish_step_dependencies_and_defaults of default\.order@0\.1\.0 raised for task 7: no defaults \(RuntimeError\)/)
    expect(log).to match(/hook update_annotations .* exit \(SystemExit\)/)
  end

  describe Tasker::Compat::EndHooks do
    let(:task_row) { FakeExecution.new(task_row: { state: 'error', only_sink: 'charge' }).task }
    let(:database) { FakeRows.new(task: task_row, steps: rows) }
    let(:hooks) { described_class.new(Struct.new(:rows).new(database)) }

    def event(status, **more)
      Struct.new(:task_id, :namespace, :task_name, :task_version, :payload, keyword_init: true)
            .new(task_id: 7, namespace: 'default', task_name: 'order', task_version: '0.1.0', payload: { final_status: status }, **more)
    end

    def saw(calls)
      workflow do
        define_method(:update_annotations) do |task, sequence, steps|
          calls << [task.status, sequence.map(&:name), steps.map(&:name)]
          type = Tasker::AnnotationType.find_or_create_by!(name: 'end')
          task.task_annotations.create!(annotation_type: type, annotation: { failed: true })
          task.update!(context: { seen: true })
        end
      end
    end

    it 'annotates a task that has ended in error, without the fence of an attempt' do
      rows[1]['state'] = 'error'
      saw(calls)
      hooks.ended(event('error'))
      expect(calls).to eq([['error', %w[fetch charge], ['fetch']]])
      expect(database.contexts).to eq([{ 'seen' => true }])
      expect(database.notes.size).to eq(1)
    end

    it 'leaves a task alone whose last step has done it' do
      rows[1]['state'] = 'complete'
      saw(calls)
      hooks.ended(event('complete'))
      expect(calls).to be_empty
    end

    it 'annotates a complete task if its last step was resolved by hand, or several come last' do
      saw(calls)
      rows[1]['state'] = 'resolved_manually'
      hooks.ended(event('complete'))
      rows[1]['state'] = 'complete'
      task_row['only_sink'] = nil
      hooks.ended(event('complete'))
      expect(calls.size).to eq(2)
    end

    it 'passes over a task of another workflow, and one that is gone' do
      saw(calls)
      hooks.ended(event('error', task_version: '9.0.0'))
      described_class.new(Struct.new(:rows).new(FakeRows.new)).ended(event('error'))
      expect(calls).to be_empty
    end

    it 'raises what keeps it from the rows, so that the event comes again' do
      saw(calls)
      allow(database).to receive(:steps).and_raise(TaskerCore::DatabaseError, 'away')
      expect { hooks.ended(event('error')) }.to raise_error(TaskerCore::DatabaseError)
    end

    it 'names its feeds by workflows, whatever these are called' do
      names = [%w[shop order], %w[shop api/é], %w[shop api/ê], ['shop', 'x' * 120]].map { |one| described_class.feed_name(*one) }
      expect(names).to all(match(/\A[A-Za-z0-9_.:-]{1,100}\z/))
      expect(names.uniq.size).to eq(4)
    end

    it 'starts one feed for each workflow that has the hook' do
      saw(calls)
      stub_const('Plain', Class.new { include Tasker::TaskHandler }).register_handler('plain')
      feed = class_double('TaskerCore::EventFeed').as_stubbed_const
      expect(feed).to receive(:start).once.with(hash_including(name: /\Aupdate_annotations:default:order:\h{8}\z/,
                                                               events: ['workflow.task_finalization_completed'])) do |&block|
        block.call([event('error'), event('error', namespace: 'other')])
        Struct.new(:stop).new
      end
      described_class.start(Struct.new(:rows).new(database), set: {}).stop
      expect(calls.size).to eq(1)
    end
  end
end
