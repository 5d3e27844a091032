# frozen_string_literal: true

require_relative 'fakes'

RSpec.describe TaskerCore::Pool do
  include_context 'with a runtime'

  let(:size) { 2 }
  let(:reasons) { Thread::Queue.new }
  let(:gate) { Thread::Queue.new }
  let(:begun) { Thread::Queue.new }
  let(:pool) do
    runner = TaskerCore::Runner.new(registry: registry, logger: logger)
    described_class.new(size: size, runner: runner, logger: logger, on_exhausted: reasons.method(:push), grace: 0.05, tick: 0.01)
  end

  before do
    registry.register('Quick') { Thread.current.name }
    # Says that it has begun and waits, deaf to its cancellation.
    registry.register('Held') { |context| (begun << context.step_id) && gate.pop }
  end

  after do
    gate.close
    pool.close(5)
  end

  def submit(*names)
    steps = names.each_with_index.map { |name, at| Fakes::Execution.new(name, step_id: at + 1) }
    pool.submit(steps)
    steps
  end

  def outcome(execution)
    take(execution.answers)
  end

  it 'makes threads as they are needed, and no more than its size' do
    expect(pool.threads).to eq(0)
    expect(outcome(submit('Quick').first).first).to eq(:succeed)
    expect(pool.threads).to eq(1)
    steps = submit(*['Quick'] * 20)
    expect(steps.map { |step| outcome(step).first }.uniq).to eq([:succeed])
    expect(pool.threads).to be <= 2
  end

  it 'runs blocking handlers side by side, and the next ones when there is room' do
    steps = submit('Held', 'Held', 'Quick')
    expect([take(begun), take(begun)].sort).to eq([1, 2])
    expect(steps[2].answers).to be_empty
    gate << 'go'
    expect(outcome(steps[2]).first).to eq(:succeed)
  end

  describe 'with threads that wait' do
    let(:batches) { Thread::Queue.new }
    let(:four) do
      runner = TaskerCore::Runner.new(registry: registry, logger: logger)
      described_class.new(size: 4, runner: runner, on_exhausted: nil, more: -> { batches.empty? ? [] : batches.pop })
    end

    before do
      held = Array.new(4) { |at| Fakes::Execution.new('Held', step_id: at) }
      four.submit(held)
      4.times { take(begun) }
      4.times { gate << 'go' }
      held.each { |step| outcome(step) }
    end

    after { four.close(1) }

    def steps(name, count)
      Array.new(count) { |at| Fakes::Execution.new(name, step_id: 10 + at) }
    end

    it 'lets handlers that only compute follow each other, with no switch at each' do
      quick = steps('Quick', 40)
      four.submit(quick)
      names = quick.map { |step| outcome(step).last }
      expect(names.each_cons(2).count { |one, next_one| one != next_one }).to be <= 4
    end

    it 'lets the thread that computes fetch the next steps itself' do
      quick = steps('Quick', 40)
      quick.each_slice(8) { |batch| batches << batch }
      four.submit(batches.pop)
      names = quick.map { |step| outcome(step).last }
      expect(names.each_cons(2).count { |one, next_one| one != next_one }).to be <= 4
    end

    it 'runs fetched handlers side by side if they wait' do
      batches << steps('Held', 4)
      four.submit(steps('Quick', 1))
      expect(Array.new(4) { take(begun) }).to contain_exactly(10, 11, 12, 13)
    end

    it 'begins no handler while one is under way that has lost its turn' do
      times = Thread::Queue.new
      registry.register('Passes') do
        began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        Thread.pass while Process.clock_gettime(Process::CLOCK_MONOTONIC) < began + 0.01
        times << [began, Process.clock_gettime(Process::CLOCK_MONOTONIC)]
      end
      passing = steps('Passes', 20)
      four.submit(passing)
      passing.each { |step| outcome(step) }
      periods = Array.new(20) { times.pop }.sort
      expect(periods.each_cons(2).count { |(_, ended), (began, _)| began < ended }).to be <= 2
    end

    it 'lets a handler that computes for long have others beside it' do
      other = false
      registry.register('Long') { Thread.pass until other }
      registry.register('Other') { other = true }
      long, short = steps('Long', 1) + steps('Other', 1)
      four.submit([long, short])
      expect([outcome(long), outcome(short)].map(&:first)).to eq(%i[succeed succeed])
    end
  end

  it 'leaves a handler behind that does not heed its cancellation, and goes on' do
    held = submit('Held').first
    take(begun)
    held.cancel!
    eventually('it is left behind') { pool.stuck == 1 }
    quick = submit(*['Quick'] * 4)
    expect(quick.map { |step| outcome(step).first }.uniq).to eq([:succeed])
    expect(lines.map { |line| line['message'] }).to include(/it is left behind/)

    gate << 'back'
    eventually('its thread ends') { pool.stuck.zero? }
    expect(held.answers.pop).to eq([:timeout])
    expect(held.answers).to be_empty
  end

  it 'does not leave a handler behind that comes back in its grace' do
    registry.register('Heeding') do |context|
      begun << 1
      eventually('cancelled') { context.cancelled? }
    end
    step = submit('Heeding').first
    take(begun)
    step.cancel!
    expect(outcome(submit('Quick').first).first).to eq(:succeed)
    eventually('all threads rest') { Thread.list.count { |thread| thread.name.to_s.match?(/\Atasker \d/) && thread.status == 'sleep' } >= 1 }
    expect(pool.stuck).to eq(0)
  end

  it 'goes on when its logger fails' do
    broken = Logger.new(nil)
    broken.define_singleton_method(:error) { |*| raise Errno::EPIPE }
    deaf = described_class.new(size: 2, runner: TaskerCore::Runner.new(registry: registry, logger: logger), logger: broken,
                               on_exhausted: reasons.method(:push), grace: 0.05, tick: 0.01)
    held = Array.new(2) { |at| Fakes::Execution.new('Held', step_id: at) }
    deaf.submit(held)
    2.times { take(begun) }
    held.each(&:cancel!)
    eventually('they are left behind') { deaf.stuck == 2 }
    quick = Fakes::Execution.new('Quick')
    deaf.submit([quick])
    expect(outcome(quick).first).to eq(:succeed)
    expect(reasons).to be_empty
  ensure
    gate.close
    deaf.close(5)
  end

  it 'says so when more are stuck than may run at once' do
    2.times do |round|
      held = submit('Held', 'Held')
      2.times { take(begun) }
      expect(reasons).to be_empty
      held.each(&:cancel!)
      eventually('they are left behind') { pool.stuck == 2 } if round.zero?
    end
    expect(take(reasons)).to match(/[34] handlers do not come back.*the worker drains/)
    eventually('their backtraces are told') { log.string.include?('stuck in') }
    expect(lines.map { |line| line['message'] }).to include(/\Astuck in:\n.*pop/)
  end

  describe 'threads' do
    it 'are replaced when handlers end them, and every step is answered' do
      registry.register('Killer') { Thread.exit }
      registry.register('Suicide') { Thread.current.kill }
      steps = submit(*%w[Killer Suicide] * 10, 'Quick')
      kinds = steps.map { |step| outcome(step) }
      expect(kinds.last.first).to eq(:succeed)
      expect(kinds[0..-2].map { |_, error| error['kind'] }.uniq).to eq(['panic'])
    end

    it 'survive what others raise in them or end while they rest' do
      submit('Quick').each { |step| outcome(step) }
      threads = -> { Thread.list.select { |thread| thread.name.to_s.match?(/\Atasker \d/) } }
      eventually('the thread rests') { threads.call.all? { |thread| thread.status == 'sleep' } }
      threads.call.each { |thread| thread.raise(Interrupt) }
      expect(submit(*['Quick'] * 3).map { |step| outcome(step).first }.uniq).to eq([:succeed])
      threads.call.each(&:kill)
      expect(submit(*['Quick'] * 3).map { |step| outcome(step).first }.uniq).to eq([:succeed])
    end

    it 'hand no handler what was meant for another' do
      registry.register('Late') do
        thread = Thread.current
        # Arrives when this handler is over, while the interrupts of the thread wait.
        Thread.handle_interrupt(StandardError => :never) { Thread.new { thread.raise('too late') }.join }
        'done'
      end
      steps = submit(*%w[Late Quick] * 20)
      outcomes = steps.map { |step| outcome(step) }
      expect(outcomes.each_slice(2).map { |_, quick| quick.first }.uniq).to eq([:succeed])
      expect(outcomes.map(&:first).tally.values.sum).to eq(40)
    end

    it 'let a timeout of the handler through to it' do
      registry.register('Timed') { Timeout.timeout(0.02) { gate.pop } }
      expect(outcome(submit('Timed').first).last).to include('kind' => 'retryable', 'error_class' => 'Timeout::Error')
    end

    it 'are as they were after a handler has changed them, but for their locals' do
      registry.register('Rude') do
        thread = Thread.current
        thread.priority = -3
        thread.abort_on_exception = true
        thread[:mine] = 1
        thread.thread_variable_set(:mine, 2)
        1
      end
      registry.register('Look') do
        thread = Thread.current
        { priority: thread.priority, abort: thread.abort_on_exception, local: thread[:mine], variable: thread.thread_variable_get(:mine) }
      end
      # One thread, so that the one that looks is the one that was changed.
      one = described_class.new(size: 1, runner: TaskerCore::Runner.new(registry: registry, logger: logger), on_exhausted: nil)
      steps = %w[Rude Look].map { |name| Fakes::Execution.new(name) }
      one.submit(steps)
      expect(steps.map { |step| outcome(step).last }.last).to eq(priority: 0, abort: false, local: 1, variable: 2)
    ensure
      one.close(1)
    end

    it 'come back after a handler has ended every other thread of the pool and its watcher' do
      registry.register('Vandal') do
        Thread.list.each { |thread| thread.kill if thread != Thread.current && thread.name.to_s.start_with?('tasker') }
        'alone'
      end
      submit('Quick', 'Quick').each { |step| outcome(step) }
      expect(outcome(submit('Vandal').first)).to eq([:succeed, 'alone'])
      eventually('the watcher has gone') { Thread.list.none? { |thread| thread.name == 'tasker watcher' } }
      held = submit('Held').first
      take(begun)
      held.cancel!
      eventually('the watcher is there again') { pool.stuck == 1 }
      expect(outcome(submit('Quick').first).first).to eq(:succeed)
    end
  end

  it 'does not watch when there is nothing to watch' do
    submit('Quick').each { |step| outcome(step) }
    watcher = Thread.list.find { |thread| thread.name == 'tasker watcher' }
    # Asleep without a time to wake up at.
    eventually('the watcher rests') { watcher.status == 'sleep' && watcher.inspect.include?('sleep_forever') }
  end

  it 'says at its close how many handlers are still running' do
    submit('Held')
    take(begun)
    expect(pool.close(0.05)).to eq(1)
  end
end
