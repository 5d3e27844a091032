# frozen_string_literal: true

module Workshop
  class RepairBicycle
    # The price leaves as text, as ActiveSupport writes a BigDecimal.
    class Estimate < Tasker::StepHandler::Base
      def process(task, sequence, _step)
        taken_in = sequence.find_step_by_name('take_in').results.deep_symbolize_keys
        work = (task.context['faults'].size * config['minutes_per_fault']).minutes
        price = BigDecimal(config['price_per_hour']) * work / 1.hour
        { price: price.round(2), ready_at: Time.zone.parse(taken_in[:taken_in_at]) + work }
      end
    end
  end
end
