# frozen_string_literal: true

require_relative 'setting'

RSpec.describe TaskerCore::Worker, :end_to_end do
  let(:gate) { Thread::Queue.new }
  let(:begun) { Thread::Queue.new }

  after { gate.close }

  it 'runs a workflow of old and new handlers to its end' do
    old = Class.new(Tasker::StepHandler::Base) do
      def process(task, sequence, step)
        start = sequence.find_step_by_name('start').results
        { step: step.name, sum: start['value'] + task.context['add'] }
      end
    end
    stub_const('EndToEnd::Old', old)
    stub_const('EndToEnd::Start', Class.new(TaskerCore::StepHandler) { def call(context) = { value: context.input('value') } })
    join = ->(context) { context.results.transform_values { |results| results['sum'] || results['doubled'] } }
    double = ->(context) { Struct.new(:doubled).new(context.result('start')['value'] * context.config['times']) }
    register('diamond', 'start' => ['EndToEnd::Start'],
                        'left' => ['EndToEnd::Old', { 'depends_on_step' => 'start' }],
                        'right' => ['double', { 'depends_on_step' => 'start', 'handler_config' => { 'times' => 2 } }],
                        'join' => ['join', { 'depends_on_steps' => %w[left right] }])
    worker(handlers: { 'double' => double, 'join' => join })

    task = wait(submit('diamond', 'value' => 20, 'add' => 1))
    expect(task['state']).to eq('complete')
    expect(results(task)).to include('left' => { 'step' => 'left', 'sum' => 21 }, 'right' => { 'doubled' => 40 },
                                     'join' => { 'left' => 21, 'right' => 40 })
  end

  it 'runs blocking handlers side by side' do
    names = %w[one two three four]
    register('wide', names.to_h { |name| [name, ['meet']] })
    # Nobody leaves before all are there.
    meet = lambda do |context|
      begun << context.step_name
      gate.pop
    end
    worker(handlers: { 'meet' => meet }, concurrency: 4)
    task_id = submit('wide')
    expect(Array.new(4) { take(begun) }).to match_array(names)
    4.times { gate << 'go' }
    expect(wait(task_id)['state']).to eq('complete')
  end

  it 'ends the attempt of a handler that hangs, once, and runs the next ones' do
    limited = { 'timeout_seconds' => 1, 'default_retry_limit' => 1 }
    register('hanging', 'hang' => ['hang', limited])
    register('quick', 'quick' => ['quick'])
    hang = lambda do |_context|
      begun << 1
      gate.pop
      { 'too' => 'late' }
    end
    worker = worker(handlers: { 'hang' => hang, 'quick' => ->(_) { 1 } }, concurrency: 1)
    hanging = submit('hanging')
    take(begun)
    # The only thread is held; this one runs when it is replaced.
    expect(wait(submit('quick'))['state']).to eq('complete')
    expect(worker.stuck).to eq(1)
    gate << 'come back'

    task = wait(hanging)
    expect(task['state']).to eq('error')
    step = stack.step(hanging, 'hang')
    expect(step['failures'].map { |failure| failure['kind'] }).to eq(['timeout'])
    expect(step['results']).to include('error' => 'the handler did not finish within 1 s')
    expect(step['results']).not_to include('too')
  end

  it 'passes on what handlers raise: a pause, a code, an end' do
    register('failing', 'busy' => ['busy'], 'declined' => ['declined'], 'exits' => ['exits', { 'default_retry_limit' => 1 }])
    attempts = Thread::Queue.new
    busy = lambda do |context|
      attempts << context.attempt
      raise TaskerCore::RetryableError.new('busy', retry_after: 0.01, context: { 'queue' => 3 }) if context.attempt == 1

      { 'attempt' => context.attempt }
    end
    declined = ->(_) { raise TaskerCore::PermanentError.new('no cover', error_code: 'declined') }
    worker(handlers: { 'busy' => busy, 'declined' => declined, 'exits' => ->(_) { exit 3 } })

    task = wait(submit('failing'))
    expect(states(task)).to eq('busy' => 'complete', 'declined' => 'error', 'exits' => 'error')
    expect(results(task)['busy']).to include('attempt' => 2)
    expect(results(task)['declined']).to include('error' => 'no cover', 'error_code' => 'declined', 'error_class' => 'TaskerCore::PermanentError')
    expect(results(task)['exits']['error']).to match(/tried to end the process \(exit status 3\)/)
    expect(stack.step(task['task_id'], 'busy')['failures'].first)
      .to include('kind' => 'retryable', 'error' => include('message' => 'busy', 'context' => { 'queue' => 3 }))
  end

  it 'fails a step whose results cannot be stored, for good and with the place, and no other' do
    cyclic = {}
    cyclic[:self] = cyclic
    bad = {
      'cycle' => [-> { cyclic }, /results\.self/], 'nan' => [-> { { a: [Float::NAN] } }, /results\.a\[0\].*NaN/],
      'bytes' => [-> { { text: "\xFF" } }, /results\.text.*UTF-8/], 'large' => [-> { 'x' * 11_000_000 }, /results.*10 MiB/],
      'lazy' => [-> { { rows: (1..).lazy } }, /results\.rows.*Lazy/], 'object' => [-> { { at: Time.now } }, /results\.at.*Time/],
      'deep' => [-> { 200.times.inject(1) { |inner, _| [inner] } }, /nested deeper/],
      'large_for_the_engine' => [-> { 'x' * 6_000_000 }, /handler large_for_the_engine returned .* engine\.result_max_bytes/],
      'deep_for_the_engine' => [-> { 70.times.inject(1) { |inner, _| [inner] } }, /handler deep_for_the_engine .* engine\.json_max_depth/],
      'twice' => [-> { { a: 1, 'a' => 2 } }, /results\.a: two keys/]
    }
    register('bad', bad.to_h { |name, _| [name, [name]] }.merge('good' => ['good']))
    handlers = bad.transform_values { |(body, _)| ->(_context) { body.call } }
    worker(handlers: handlers.merge('good' => ->(_) { 'fine' }))

    task = wait(submit('bad'))
    expect(results(task)['good']).to eq('fine')
    bad.each do |name, (_, message)|
      expect(results(task)[name]).to include('error_class' => 'TaskerCore::EncodingError', 'error' => message)
      expect(stack.step(task['task_id'], name)['attempts']).to eq(1)
    end
  end

  it 'gives steps back that it has no handler for, and the engine explains why they wait' do
    register('parked', 'known' => ['known'], 'unknown' => ['EndToEnd::Nowhere'])
    worker(handlers: { 'known' => ->(_) { 1 } })
    task_id = submit('parked')
    explanation = eventually('it is explained') do
      text = JSON.generate(stack.request(Net::HTTP::Get, "/v1/tasks/#{task_id}/explain"))
      text if text.match?(/no handler/)
    end
    expect(explanation).to include('EndToEnd::Nowhere')
    step = eventually('it is back') { stack.step(task_id, 'unknown').then { |found| found if found['attempts'].zero? } }
    expect(step['state']).to eq('pending')
    expect(@log.string).to include('this process has no handler EndToEnd::Nowhere')
    stack.cancel(task_id)
  end

  it 'tells a handler that its task was cancelled, and stores its progress' do
    register('cancelled', 'long' => ['long'])
    long = lambda do |context|
      begun << context.step_name
      eventually('it is told') { !context.heartbeat({ 'looked' => true }) }
      gate << 'told'
      nil
    end
    worker(handlers: { 'long' => long })
    task_id = submit('cancelled')
    take(begun)
    stack.cancel(task_id)
    expect(take(gate)).to eq('told')
    expect(wait(task_id)['state']).to eq('cancelled')
  end

  it 'drains: what runs is finished, what comes waits for others' do
    register('draining', 'slow' => ['slow'])
    slow = lambda do |_context|
      begun << 1
      gate.pop
    end
    worker = worker(handlers: { 'slow' => slow })
    task_id = submit('draining')
    take(begun)
    worker.stop
    expect(worker.join(0.05)).to be(false)
    gate << 'finished'
    expect(worker.join(SpecSupport::PATIENCE)).to be(true)
    expect(results(wait(task_id))).to eq('slow' => 'finished')
  end
end
