# frozen_string_literal: true

lib = File.expand_path('../lib', __dir__)
$LOAD_PATH.unshift(lib) unless $LOAD_PATH.include?(lib)

require 'logger'
require 'stringio'
require 'timeout'

# What every spec may use. Specs of the runtime (spec/runtime) need no extension, those
# of the whole (spec/end_to_end) need it and a database.
module SpecSupport
  # Long enough for a loaded machine; a promise that is kept is kept far sooner.
  PATIENCE = 30

  # Polls until the block is true, and says what it waited for if it never is.
  def eventually(what, within: PATIENCE)
    deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + within
    until (value = yield)
      raise "#{what}: not within #{within} s" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline

      sleep 0.005
    end
    value
  end

  # Takes from a queue, with a bound.
  def take(queue, within: PATIENCE)
    Timeout.timeout(within) { queue.pop }
  end
end

RSpec.configure do |config|
  config.include SpecSupport
  config.disable_monkey_patching!
  config.expect_with(:rspec) { |expectations| expectations.syntax = :expect }
  config.mock_with(:rspec) { |mocks| mocks.verify_partial_doubles = true }
  config.filter_run_when_matching :focus
  config.shared_context_metadata_behavior = :apply_to_host_groups
end
