# frozen_string_literal: true

module Workshop
  class RepairBicycle
    # Writes the ticket. A step may run twice (its worker may be killed after the commit),
    # so the task's id decides whether there is one.
    class TakeIn < Tasker::StepHandler::Base
      def process(task, _sequence, _step)
        ticket = Ticket.find_or_create_by!(number: task.task_id) do |new_ticket|
          new_ticket.customer = task.context['customer']
          new_ticket.faults = task.context['faults'].join(', ')
        end
        log_structured(:info, 'taken in', ticket: ticket.id, phone: task.context['phone'])
        { ticket_id: ticket.id, taken_in_at: Time.current }
      end
    end
  end
end
