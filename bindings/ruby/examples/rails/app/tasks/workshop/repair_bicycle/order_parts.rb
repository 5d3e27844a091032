# frozen_string_literal: true

module Workshop
  class RepairBicycle
    # The dealer's line is busy at first, so that a run shows a second attempt.
    class OrderParts < Tasker::StepHandler::Base
      def process(task, _sequence, step)
        raise Tasker::RetryableError.new('the line is busy', retry_after: 0) if step.attempts.zero?

        Rails.logger.info("ordering parts for #{task.context['faults'].to_sentence}")
        { order: "P-#{task.task_id}" }
      end
    end
  end
end
