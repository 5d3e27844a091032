# frozen_string_literal: true

require_relative 'support/helper'
require 'tasker_core/runner'

RSpec.describe 'Events of an execution', :tasker do
  common = %i[task_id step_id step_name started_at completed_at attempt_number retry_limit event_type timestamp]
  transition = %i[from_state to_state transitioned_at]

  it 'of a success: each once, in order, with the keys of the engine' do
    klass = handler { def process(*) = { ok: true } }
    events = events_of { run(klass, parents: { 'first' => {} }, context: { 'a' => 1 }) }
    expect(events.map { |identifier, payload| [identifier, payload.keys] }).to match(
      [
        ['step.execution_requested', match_array(common + transition + %i[step_inputs step_dependencies])],
        ['step.before_handle', match_array(common)],
        ['step.completed', match_array(common + transition + %i[execution_duration step_results])]
      ]
    )
    requested, _, completed = events.map(&:last)
    expect(requested).to include(step_inputs: { 'a' => 1 }, step_dependencies: ['first'], attempt_number: 0, started_at: nil,
                                 from_state: 'pending', to_state: 'in_progress', transitioned_at: be_a(Time))
    expect(completed).to include(step_results: { 'ok' => true }, attempt_number: 1, event_type: 'completed',
                                 from_state: 'in_progress', to_state: 'complete', transitioned_at: be_a(Time),
                                 completed_at: match(/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\z/))
  end

  it 'of a failure: the complete results, after they are recorded' do
    klass = handler { def process(*) = raise(Tasker::PermanentError, 'no') }
    events = events_of { run(klass, attempt: 2, rows: [FakeExecution.row(71, 'charge')]) }
    expect(events.map(&:first)).to eq(%w[step.execution_requested step.before_handle step.failed])
    failed = events.last.last
    expect(failed.keys).to match_array(common + transition + %i[error_message error_class exception_class backtrace step_results])
    expect(failed).to include(error_message: 'no', error_class: 'Tasker::PermanentError', attempt_number: 2,
                              from_state: 'in_progress', to_state: 'error', transitioned_at: be_a(Time),
                              step_results: include('error' => 'no'))
  end

  it 'of a handler that defines only handle, or whose constructor raises' do
    stub_const('Minimal', Class.new { def handle(_task, _sequence, step) = step.results = { a: 1 } })
    expect(events_of { run(Minimal) }.map(&:first)).to eq(%w[step.execution_requested step.completed])
    broken = handler { def initialize(*) = raise('broken') }
    expect(events_of { run(broken) }.map(&:first)).to eq(%w[step.execution_requested step.failed])
  end

  it 'take up what the handler says of its own step' do
    klass = handler do
      def process(_task, _sequence, step)
        publish_step_started(step)
        publish_step_completed(step, operation_count: 42)
        nil
      end
    end
    events = events_of { run(klass) }
    expect(events.map(&:first)).to eq(%w[step.execution_requested step.before_handle step.completed])
    expect(events.last.last).to include(operation_count: 42)
  end

  it 'of the host are published where they are registered, and else logged and nothing more' do
    klass = handler do
      def self.custom_event_configuration = [{ name: 'order.charged', description: 'money came' }]

      def process(task, *)
        publish_custom_event('order.charged', task_id: task.task_id)
        publish_event('nobody.knows', {})
        'done'
      end
    end
    execution = nil
    events = events_of { execution = run(klass) }
    custom = events.find { |identifier, _| identifier == 'order.charged' }.last
    expect(custom).to include(task_id: 7, event_type: 'custom', timestamp: be_a(Time))
    expect(execution.results).to eq('done')
    expect(log).to include('nobody.knows').and include('not registered')
  end

  it 'reach subscribers, whose failure and slowness cost no step and no other subscriber' do
    seen = []
    publisher = Tasker::Events::Publisher.instance
    publisher.subscribe('step.completed') { raise 'first fails' }
    publisher.subscribe('step.completed') { |event| seen << [event.id, event[:step_name], event.to_h[:attempt_number]] }
    publisher.subscribe('step.completed') { |event| event[:no_such_key] }
    klass = handler { def process(*) = 1 }
    slow_after = publisher.slow_after_seconds
    publisher.slow_after_seconds = 0
    expect(run(klass).succeeded).to eq([1])
    expect(seen).to eq([['step.completed', 'charge', 1]])
    expect(publisher.statistics).to include(delivered: 1, failed: 2, slow: 3)
    expect(log).to include('first fails').and include('step_events_spec.rb')
  ensure
    publisher.slow_after_seconds = slow_after
  end

  it 'cost no step and no other subscriber where one raises beside StandardError or would end the process' do
    publisher = Tasker::Events::Publisher.instance
    seen = []
    %w[step.execution_requested step.before_handle step.completed].each do |identifier|
      publisher.subscribe(identifier) { raise Exception, 'odd' } # rubocop:disable Lint/RaiseException
      publisher.subscribe(identifier) { exit }
      publisher.subscribe(identifier) { |event| seen << event.id }
    end
    expect(run(handler { def process(*) = 1 }).succeeded).to eq([1])
    expect(seen).to eq(%w[step.execution_requested step.before_handle step.completed])
    expect(publisher.statistics).to include(failed: 6, delivered: 3)
    expect(log).to include('odd (Exception)').and include('(SystemExit)')
  end

  it 'let through who takes the thread back' do
    Tasker::Events::Publisher.instance.subscribe('step.before_handle') { raise SignalException, 'TERM' }
    expect { run(handler { def process(*) = 1 }) }.to raise_error(SignalException)
    expect(log).to match(/subscriber .* failed on step\.before_handle: its thread was ended or taken back/)
  end

  it 'call what the handler has redefined' do
    lines = []
    klass = handler do
      define_method(:log_structured) { |level, message, context = {}| lines << [level, message, context[:entity_id]] }
      def correlation_id = 'fixed'
      def process(*) = { id: correlation_id }
    end
    expect(run(klass).results).to eq('id' => 'fixed')
    expect(lines).to eq([[:info, 'Step started', 71], [:info, 'Step before_handle', 71], [:info, 'Step completed', 71]])
  end

  it 'survive a redefinition that raises' do
    klass = handler do
      def log_structured(*) = raise('log is broken')
      def process(*) = 1
    end
    expect(run(klass).succeeded).to eq([1])
  end

  describe 'of what the engine\'s API does not run' do
    def perform(**facts, &block)
      registry = TaskerCore::Registry.new
      registry.register('New', &block)
      execution = FakeExecution.new(handler_class: 'New', **facts)
      runner = TaskerCore::Runner.new(registry: registry, logger: Logger.new(@log), around: TaskerCore::Around.new)
      # As a pool has it: the end of its thread is no end of the step.
      Thread.new { runner.call(execution) }.tap { |thread| thread.report_on_exception = false }.join
      execution
    end

    it 'are the same for handlers of the new style' do
      events = events_of { perform(context: { 'a' => 1 }) { |_context| { 'ok' => true } } }
      expect(events.map(&:first)).to eq(%w[step.execution_requested step.before_handle step.completed])
      expect(events.first.last).to include(step_inputs: { 'a' => 1 }, attempt_number: 0)
      expect(events.last.last).to include(step_results: { 'ok' => true }, attempt_number: 1, event_type: 'completed')
    end

    it 'reach who subscribes while the handler runs' do
      heard = []
      expect(Tasker::Events.quiet?).to be(true)
      perform do |_context|
        Tasker::Events::Publisher.instance.subscribe('step.completed') { |event| heard << event.id }
        'subscribed'
      end
      expect(heard).to eq(['step.completed'])
    end

    it 'tell of results as they are stored' do
      point = Struct.new(:x, keyword_init: true)
      events = events_of { Tasker::Compat::StepEvents.new(FakeExecution.new).completed(points: [point.new(x: :left)]) }
      expect(events.last.last).to include(step_results: { 'points' => [{ 'x' => 'left' }] })
    end

    it 'tell of their failures' do
      events = events_of { perform(previous_results: { 'kept' => 1 }) { |_context| raise TaskerCore::PermanentError, 'no' } }
      expect(events.map(&:first)).to eq(%w[step.execution_requested step.before_handle step.failed])
      expect(events.last.last).to include(error_message: 'no', error_class: 'TaskerCore::PermanentError',
                                          step_results: include('kept' => 1, 'error' => 'no'))
    end

    it 'tell of an attempt that ends its thread or would end the process' do
      stub_const('Leaves', Class.new(Tasker::StepHandler::Base) { def process(*) = exit })
      [-> { perform { |_context| Thread.exit } }, -> { perform { |_context| exit } }, lambda {
        registry = TaskerCore::Registry.new
        TaskerCore::Runner.new(registry: registry, logger: Logger.new(@log), around: TaskerCore::Around.new)
                          .call(FakeExecution.new(handler_class: 'Leaves'))
      }].each do |attempt|
        events = events_of(&attempt)
        expect(events.map(&:first)).to eq(%w[step.execution_requested step.before_handle step.failed])
      end
    end

    it 'are left out where the outcome no longer counts' do
      expect(events_of { perform(counts: false) { |_context| 1 } }.map(&:first)).to eq(%w[step.execution_requested step.before_handle])
    end

    it 'cost nothing where nobody has subscribed' do
      expect(Tasker::Compat::Records).not_to receive(:new)
      expect(perform { |_context| 1 }.succeeded).to eq([1])
    end
  end
end
