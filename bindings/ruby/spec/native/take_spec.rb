# frozen_string_literal: true

require_relative '../support/native'
require 'timeout'

# Waiting in the extension: other threads go on, and whoever interrupts is heard at once.
RSpec.describe 'Native::Worker#take' do
  include NativeSupport

  # A thread that stands still inside the block.
  def waiting(&block)
    thread = Thread.new(&block)
    thread.report_on_exception = false
    eventually('the thread waits') { thread.status == 'sleep' }
    thread
  end

  def ended(thread)
    expect(thread.join(30)).to be(thread)
    thread
  end

  it 'takes what is there, at most as many as asked for' do
    loopback do |worker, loopback|
      loopback.put({}, 10)
      eventually('all are out') { loopback.time_out(10) }
      expect(worker.take(4).map(&:step_id)).to eq([1, 2, 3, 4])
      expect(worker.take(100).map(&:step_id)).to eq([5, 6, 7, 8, 9])
    end
  end

  it 'waits for the first without keeping other threads from running' do
    loopback do |worker, loopback|
      taker = waiting { worker.take(4) }
      counted = 0
      100_000.times { counted += 1 }
      loopback.put({}, 1)
      expect(ended(taker).value.size).to eq(1)
      expect(counted).to eq(100_000)
    end
  end

  it 'lets out no more steps at once than its concurrency' do
    loopback(4) do |worker, loopback|
      loopback.put({}, 10)
      first = worker.take(10)
      first += worker.take(10) until first.size == 4
      taker = waiting { worker.take(10) }
      expect(first.first.succeed(1)).to be(true)
      expect(ended(taker).value.size).to eq(1)
    end
  end

  it 'gives each step to one of several takers' do
    loopback(64) do |worker, loopback|
      takers = Array.new(4) do
        Thread.new do
          seen = []
          while (batch = worker.take(3))
            batch.each { |execution| seen << execution.step_id if execution.succeed(nil) }
          end
          seen
        end
      end
      loopback.put({}, 500)
      expect(loopback.wait(500, 30)).to be(true)
      worker.stop
      expect(takers.flat_map(&:value).sort).to eq((1..500).to_a)
    end
  end

  it 'ends with nil when the worker has stopped and nothing is left' do
    loopback do |worker, loopback|
      taker = waiting { worker.take(1) }
      worker.stop
      expect(ended(taker).value).to be_nil
      expect(worker.join(30)).to be(true)
      expect([worker.take(1), worker.take(1)]).to eq([nil, nil])
      expect { loopback.put({}, 1) }.not_to raise_error
    end
  end

  it 'ends at once when its thread is killed' do
    loopback do |worker, _|
      ensured = false
      taker = waiting do
        worker.take(1)
      ensure
        ensured = true
      end
      taker.kill
      ended(taker)
      expect(ensured).to be(true)
    end
  end

  it 'raises at once what another thread raises in it, and can be called again' do
    loopback do |worker, loopback|
      interrupted = nil
      taker = waiting do
        worker.take(1)
      rescue IOError => e
        interrupted = e
        worker.take(1)
      end
      taker.raise(IOError, 'now')
      eventually('it waits again') { interrupted && taker.status == 'sleep' }
      loopback.put({}, 1)
      expect(ended(taker).value.size).to eq(1)
    end
  end

  it 'ends when a timeout around it is over' do
    loopback do |worker, _|
      expect { Timeout.timeout(0.05) { worker.take(1) } }.to raise_error(Timeout::Error)
    end
  end

  it 'waits on through an interrupt that is put off, and is interrupted afterwards' do
    loopback do |worker, loopback|
      taken = nil
      taker = waiting do
        Thread.handle_interrupt(IOError => :never) { taken = worker.take(1) }
      end
      taker.raise(IOError, 'later')
      loopback.put({}, 1)
      expect { ended(taker).value }.to raise_error(IOError, 'later')
      expect(taken.size).to eq(1)
    end
  end

  it 'loses no step to an interrupt, whenever that comes' do
    loopback(8) do |worker, loopback|
      answered = Thread::Queue.new
      begun = Thread::Queue.new
      rounds = 3000
      loopback.put({}, rounds)
      make = lambda do
        Thread.new do
          Thread.current.report_on_exception = false
          begun << true
          loop { worker.take(2).each { |execution| answered << execution.step_id if execution.succeed(1) } }
        end
      end
      random = Random.new(7)
      disturber = Thread.new do
        until loopback.wait(rounds, 0)
          taker = make.call
          begun.pop
          random.rand(20).times { Thread.pass }
          taker.raise(IOError)
          expect { taker.join }.to raise_error(IOError)
          # What was taken and not answered is handed back when it is collected.
          GC.start
        end
      end
      expect(loopback.wait(rounds, 60)).to be(true)
      ended(disturber)
      kinds = loopback.outcomes.group_by { |one| one['outcome'] }.transform_values(&:size)
      expect(kinds.values.sum).to eq(rounds)
      # An interrupt may come between an answer and its note here.
      expect(kinds.fetch('success', 0)).to be_between(answered.size, rounds)
      expect(kinds.keys - %w[success handed_back]).to be_empty
    end
  end

  describe '#join' do
    it 'says whether the worker has ended, waiting no longer than told' do
      loopback do |worker, _|
        expect(worker.join(0)).to be(false)
        expect(worker.join(0.01)).to be(false)
        worker.stop
        expect(worker.join(nil)).to be(true)
        expect(worker.join(0)).to be(true)
      end
    end

    it 'can be interrupted' do
      loopback do |worker, _|
        joiner = waiting { worker.join(nil) }
        joiner.raise(IOError, 'now')
        expect { ended(joiner).value }.to raise_error(IOError)
      end
    end

    it 'refuses a time that is none' do
      loopback do |worker, _|
        expect { worker.join(-1) }.to raise_error(ArgumentError)
        expect { worker.join('x') }.to raise_error(TypeError)
      end
    end
  end

  describe 'in a process that ends' do
    it 'does not keep the process from exiting' do
      ended = run_ruby(<<~'RUBY')
        loopback = Native::Loopback.start(4)
        worker = loopback.worker
        takers = Array.new(3) { Thread.new { worker.take(1) } }
        eventually { takers.all? { |taker| waits?(taker) } }
        at_exit { puts "at_exit: #{takers.map { |taker| waits?(taker) }.uniq}" }
        puts 'ending'
        exit 3
      RUBY
      expect([ended.output, ended.errors, ended.status.exitstatus]).to eq(["ending\nat_exit: [true]\n", '', 3])
    end

    it 'exits with work in hand, in the queue and in threads' do
      ended = run_ruby(<<~'RUBY')
        loopback = Native::Loopback.start(64)
        worker = loopback.worker
        loopback.put({ 'context' => { 'a' => 'b' * 1000 } }, 1000)
        $held = worker.take(10)
        Thread.new { loop { worker.take(1).each { |e| e.succeed(e.context) } } }
        puts 'ending'
      RUBY
      expect([ended.output, ended.errors, ended.status.exitstatus]).to eq(["ending\n", '', 0])
    end

    it 'ends by SIGTERM at once, as any Ruby program' do
      ended = run_ruby(<<~'RUBY')
        worker = Native::Loopback.start(4).worker
        main = Thread.current
        Thread.new do
          eventually { waits?(main) }
          Process.kill('TERM', Process.pid)
        end
        begin
          worker.take(1)
        rescue SignalException => e
          puts e.message
          raise
        end
      RUBY
      expect([ended.output, ended.status.termsig]).to eq(["SIGTERM\n", 15])
    end

    it 'runs trap handlers while it waits' do
      ended = run_ruby(<<~'RUBY')
        loopback = Native::Loopback.start(4)
        worker = loopback.worker
        trap('USR1') { puts 'trapped'; Thread.new { loopback.put({}, 1) } }
        main = Thread.current
        Thread.new { eventually { waits?(main) }; Process.kill('USR1', Process.pid) }
        puts worker.take(1).size
      RUBY
      expect([ended.output, ended.errors]).to eq(["trapped\n1\n", ''])
    end

    it 'is interrupted by Interrupt' do
      ended = run_ruby(<<~'RUBY')
        worker = Native::Loopback.start(4).worker
        main = Thread.current
        Thread.new { eventually { waits?(main) }; Process.kill('INT', Process.pid) }
        begin
          worker.take(1)
        rescue Interrupt
          puts 'interrupted'
        end
      RUBY
      expect([ended.output, ended.errors]).to eq(["interrupted\n", ''])
    end
  end
end
