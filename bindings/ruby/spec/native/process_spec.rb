# frozen_string_literal: true

require_relative '../support/native'
require_relative '../support/stack'

# Forks, exits and panics, in processes of their own.
RSpec.describe 'processes with a native worker' do
  include NativeSupport

  # Options of a worker on the shared database, as a Ruby literal.
  def options
    Stack.shared.native_options.inspect
  end

  it 'tells a forked child that the worker is its parent\'s, and lets it end' do
    ended = run_ruby(<<~'RUBY')
      loopback = Native::Loopback.start(4)
      loopback.keep
      worker = loopback.worker
      loopback.put({ 'context' => { 'a' => 1 } }, 3)
      execution, dropped = worker.take(2)
      child = fork do
        calls = {
          take: -> { worker.take(1) }, waiting: -> { worker.take_waiting(1) }, begin: -> { execution.begin },
          stop: -> { worker.stop }, join: -> { worker.join(0) },
          concurrency: -> { worker.concurrency }, address: -> { worker.address }, worker_id: -> { worker.worker_id },
          steps_in_hand: -> { worker.steps_in_hand }, succeed: -> { execution.succeed(1) },
          fail: -> { execution.fail({ 'kind' => 'panic', 'message' => 'm', 'error_class' => 'E' }) },
          no_handler: -> { execution.no_handler }, progress: -> { execution.progress(1) },
          cancelled: -> { execution.cancelled? }, steps: -> { execution.steps }, task: -> { execution.task },
          save: -> { execution.save_context({}) }, rows: -> { worker.rows }
        }
        calls.each do |name, call|
          call.call
          puts "#{name} went through"
        rescue TaskerCore::ForkError => e
          puts "#{name}: #{e.message}" unless e.message.include?('start a worker in the child') && e.code == 'fork'
        end
        raise 'context' unless execution.context == { 'a' => 1 }
        worker = loopback = execution = dropped = calls = nil
        GC.start
        puts 'child ends'
      end
      Process.wait(child)
      puts "child: #{$?.exitstatus.inspect}"
      raise 'answer' unless execution.succeed('from the parent')
      dropped.succeed(2)
      worker.take(1).first.succeed(3)
      loopback.wait(3, 30)
      puts loopback.outcomes.map { |one| one['detail'] }.inspect
    RUBY
    expect([ended.output, ended.errors]).to eq(["child ends\nchild: 0\n[\"from the parent\", 2, 3]\n", ''])
  end

  it 'refuses to start a worker in a child whose parent has started one' do
    ended = run_ruby(<<~RUBY)
      worker = Native::Worker.start(#{options})
      Process.wait(fork do
        begin
          Native::Worker.start(#{options})
          puts 'started'
        rescue TaskerCore::ForkError => e
          puts e.message.include?('on_worker_boot')
        end
      end)
      worker.stop
      puts worker.join(30)
    RUBY
    expect([ended.output, ended.errors]).to eq(["true\ntrue\n", ''])
  end

  it 'starts workers in children of a process that has none' do
    ended = run_ruby(<<~RUBY)
      children = Array.new(2) do
        fork do
          worker = Native::Worker.start(#{options})
          taker = Thread.new { worker.take(1) }
          eventually { waits?(taker) }
          worker.stop
          exit!(worker.join(30) && taker.value.nil? ? 0 : 1)
        end
      end
      puts children.map { |child| Process.wait2(child).last.exitstatus }.inspect
    RUBY
    expect([ended.output, ended.errors]).to eq(["[0, 0]\n", ''])
  end

  it 'exits without having stopped its worker' do
    ended = run_ruby(<<~RUBY)
      worker = Native::Worker.start(#{options})
      taker = Thread.new { worker.take(1) }
      eventually { waits?(taker) }
      at_exit { puts waits?(taker) }
      exit 4
    RUBY
    expect([ended.output, ended.errors, ended.status.exitstatus]).to eq(["true\n", '', 4])
  end

  it 'drains a worker that is collected' do
    ended = run_ruby(<<~RUBY)
      id = Thread.new { Native::Worker.start(#{options}).worker_id }.value
      puts id.size > 10
      require 'pg'
      connection = PG.connect(#{Stack.shared.url.inspect})
      eventually do
        GC.start
        connection.exec_params('SELECT FROM tasker.workers WHERE worker_id = $1', [id]).ntuples.zero?
      end
      puts 'gone'
    RUBY
    expect([ended.output, ended.errors]).to eq(["true\ngone\n", ''])
  end

  it 'ends by SIGTERM while its main thread is alone in take' do
    ended = run_ruby(<<~RUBY)
      worker = Native::Worker.start(#{options})
      main = Thread.current
      Thread.new { eventually { waits?(main) }; Process.kill('TERM', Process.pid) }
      worker.take(1)
    RUBY
    expect([ended.output, ended.status.termsig]).to eq(['', 15])
  end

  it 'leaves signals to Ruby' do
    ended = run_ruby(<<~RUBY)
      trap('TERM') { puts 'trapped'; $stop = Thread.new { $worker.stop } }
      $worker = Native::Worker.start(#{options})
      Thread.new { Process.kill('TERM', Process.pid) }
      puts $worker.take(1).inspect
      puts $worker.join(30)
    RUBY
    expect([ended.output, ended.errors]).to eq(["trapped\nnil\ntrue\n", ''])
  end

  # No memory is left for the stack of a thread, at which the runtime panics.
  it 'raises a panic as an exception and goes on' do
    ended = run_ruby(<<~'RUBY')
      used = Integer(File.read('/proc/self/status')[/VmSize:\s+(\d+)/, 1]) * 1024
      GC.start
      limit = Process.getrlimit(Process::RLIMIT_AS)
      Process.setrlimit(Process::RLIMIT_AS, used + 1024 * 1024, limit.last)
      begin
        Native::Worker.start({})
        puts 'started'
      rescue TaskerCore::NativePanic => e
        Process.setrlimit(Process::RLIMIT_AS, *limit)
        puts e.code, e.message
      end
      begin
        Native::Worker.start({})
      rescue TaskerCore::DatabaseError
        puts 'goes on'
      end
    RUBY
    expect(ended.output).to match(/\Anative_panic\nthe native extension panicked: .*thread.*\ngoes on\n\z/)
  end
end
