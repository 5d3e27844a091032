# frozen_string_literal: true

require 'open3'
require 'rbconfig'

# For specs of the extension alone: none of the library but its errors.
module NativeSupport
  LIB = File.expand_path('../../lib', __dir__)
  $LOAD_PATH.unshift(LIB) unless $LOAD_PATH.include?(LIB)
  require 'tasker_core/version'
  require 'tasker_core/errors'
  require 'tasker_core/tasker_core'

  Native = TaskerCore::Native

  # A worker without a database; the block gets it and what feeds it.
  def loopback(concurrency = 16)
    loopback = Native::Loopback.start(concurrency)
    loopback.keep
    yield loopback.worker, loopback
  ensure
    loopback&.worker&.stop
  end

  # An execution of an event.
  def execution(event = {})
    loopback do |worker, loopback|
      loopback.put(event, 1)
      yield worker.take(1).first, loopback
    end
  end

  # The only outcome there is, once it is there.
  def outcome(loopback)
    raise 'no outcome' unless loopback.wait(1, 30)

    loopback.outcomes.first
  end

  # A Ruby process of its own: what it says, what it complains of, how it ended.
  Ended = Struct.new(:output, :errors, :status)

  PRELUDE = <<~RUBY
    $stdout.sync = true
    require 'timeout'
    require 'tasker_core/version'
    require 'tasker_core/errors'
    require 'tasker_core/tasker_core'
    Native = TaskerCore::Native
    def eventually
      deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 30
      until yield
        abort 'too late' if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
        Thread.pass
      end
    end
    # Whether a thread stands still inside the extension.
    def waits?(thread)
      thread.status == 'sleep'
    end
  RUBY

  # Runs a script to its end; a process that hangs is killed, which the status shows.
  def run_ruby(script, environment = {})
    output, errors, status = Open3.capture3(
      environment, 'timeout', '-k', '1', '60', RbConfig.ruby, '-I', LIB, '-e', PRELUDE + script
    )
    Ended.new(output, errors, status)
  end
end
