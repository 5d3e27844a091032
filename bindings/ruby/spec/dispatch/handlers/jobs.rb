# frozen_string_literal: true

# Handlers of the specs of dispatch, for processes of Sidekiq and of the program.
require 'sidekiq'
require 'tasker_core'

# Of how Sidekiq calls its client, which is none of these specs' business.
Redis.silence_deprecations = true

module Jobs
  # How often each handler's run was wrapped in this process.
  WRAPPED = Hash.new(0)

  # Tells where it runs and what it got; waits where it is told to, in its first run.
  class Tell < TaskerCore::StepHandler
    def call(context)
      marker = context.config&.fetch('begun', nil)
      first = marker.nil? || !File.exist?(marker)
      File.write(marker, Process.pid) if marker
      gate = context.config&.fetch('wait_for', nil)
      sleep 0.01 until gate.nil? || !first || File.exist?(gate) || context.cancelled?
      File.write("#{marker}.told", '') if marker && context.cancelled?
      { 'pid' => Process.pid, 'attempt' => context.attempt, 'results' => context.results.keys.sort, 'inputs' => context.inputs,
        'wrapped' => WRAPPED[context.step_id] }
    end
  end

  # Fails in its first attempt.
  class Busy < TaskerCore::StepHandler
    def call(context)
      raise TaskerCore::RetryableError.new('busy', retry_after: 0.01) if context.attempt == 1

      { 'pid' => Process.pid, 'attempt' => context.attempt }
    end
  end

  # In the engine's style.
  class Old < Tasker::StepHandler::Base
    def process(task, sequence, step)
      { 'pid' => Process.pid, 'step' => step.name, 'context' => task.context, 'first' => sequence.find_step_by_name('first').results['pid'] }
    end
  end
end

TaskerCore.around_handler do |call, execution|
  Jobs::WRAPPED[execution.step_id] += 1
  call.call
end
