# frozen_string_literal: true

# Handlers of the specs of the program.
module Plain
  # Tells its process, and waits where it is told to.
  class Process < TaskerCore::StepHandler
    def call(context)
      said = { 'pid' => ::Process.pid, 'attempt' => context.attempt, 'rails' => defined?(::Rails) ? true : false }
      gate = context.config&.fetch('wait_for', nil)
      context.logger.info("begun #{context.attempt}")
      sleep 0.01 until gate.nil? || context.attempt > 1 || File.exist?(gate)
      said
    end
  end

  # Tries to end the process it runs in.
  class Exits < TaskerCore::StepHandler
    def call(_context)
      exit 7
    end
  end

  # Does not even end when its thread is killed.
  class Deaf < TaskerCore::StepHandler
    def call(context)
      context.logger.info('deaf')
      sleep
    ensure
      sleep
    end
  end
end

at_exit { warn 'the host ends' }
