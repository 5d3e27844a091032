# frozen_string_literal: true

require 'tasker_core'

# A library reminds its readers. Three handlers as they would be written for the Rails
# engine, and one of the new style; a worker runs both side by side.
module Library
  LOANS = {
    7 => { reader: 'Ada', title: 'Notes on the Engine', due: '2024-03-01' },
    8 => { reader: 'Kurt', title: 'On Undecidable Sentences', due: '2024-03-20' }
  }.freeze

  class LookUpLoan < Tasker::StepHandler::Base
    def process(task, _sequence, _step)
      loan = LOANS[task.context['loan_id']]
      raise Tasker::PermanentError.new('there is no such loan', error_code: 'NO_LOAN') unless loan

      loan
    end
  end

  class WorkOutFee < Tasker::StepHandler::Base
    def process(task, sequence, _step)
      loan = sequence.find_step_by_name('look_up_loan').results.deep_symbolize_keys
      days = (Date.parse(task.context['today']) - Date.parse(loan[:due])).to_i
      raise Tasker::PermanentError.new('the book is not late', error_code: 'NOT_LATE') unless days.positive?

      { days: days, fee: [days * BigDecimal(config['fee_per_day']), BigDecimal(config['most'])].min }
    end

    # What process returns is stored as it is, unless a handler says otherwise.
    def process_results(step, output, _initial_results)
      step.results = output.merge(fee: format('%.2f', output[:fee]))
    end
  end

  class ChooseLanguage < Tasker::StepHandler::Base
    def process(_task, _sequence, step)
      # The register is away at first, so that a run shows a second attempt.
      raise Tasker::RetryableError, 'the register does not answer' if step.attempts.zero?

      { language: 'en' }
    end
  end

  # The new style: one argument knows everything, and records may be returned.
  class WriteReminder < TaskerCore::StepHandler
    Letter = Struct.new(:to, :text, :key, keyword_init: true)

    def call(context)
      loan = context.result('look_up_loan')
      fee = context.result('work_out_fee')
      context.logger.info('writing a reminder', days: fee['days'])
      Letter.new(to: loan['reader'], key: context.idempotency_token,
                 text: "#{loan['title']} is #{fee['days']} days late. The fee is #{fee['fee']}.")
    end
  end
end
