# frozen_string_literal: true

module Workshop
  class RepairBicycle
    # Closes the ticket with what the other steps have found.
    class HandOver < Tasker::StepHandler::Base
      def process(_task, sequence, _step)
        ticket = Ticket.find(result(sequence, 'take_in')['ticket_id'])
        ticket.update!(price: result(sequence, 'estimate')['price'], order: result(sequence, 'order_parts')['order'],
                       closed_at: Time.current)
        ticket
      rescue ActiveRecord::RecordNotFound => e
        raise Tasker::PermanentError.new(e.message, error_code: 'NO_TICKET')
      end

      # process may return anything; what is stored is decided here.
      def process_results(step, ticket, _initial_results)
        step.results = ticket.slice(:number, :customer, :price, :order).merge(closed: ticket.closed_at.present?)
      end

      private

      def result(sequence, name)
        sequence.find_step_by_name(name).results
      end
    end
  end
end
