# frozen_string_literal: true

require_relative '../concerns/event_publisher'

module Tasker
  # Base classes of step handlers.
  module StepHandler
    # Publishes the life cycle around {Base#handle}.
    module AutomaticEventPublishing
      # @return [Object] what `process` returned
      def handle(task, sequence, step)
        publish_step_started(step)
        publish_step_before_handle(step)
        begin
          output = super
          publish_step_completed(step)
          output
        rescue StandardError => e
          publish_step_failed(step, error: e)
          raise
        end
      end
    end

    # A handler in the Rails engine's style:
    #
    #   class Charge < Tasker::StepHandler::Base
    #     def process(task, sequence, step)
    #       cart = sequence.find_step_by_name('validate_cart').results
    #       { charged: Gateway.charge(task.context['customer_id'], cart['total']) }
    #     end
    #   end
    #
    # Each execution gets an instance of its own. What `process` returns becomes the
    # step's results, unless it assigned `step.results` itself. What it raises fails the
    # attempt: {PermanentError} for good, anything else until no attempt is left.
    class Base
      prepend AutomaticEventPublishing
      include Concerns::EventPublisher

      # @param config [Object, nil] the template's `handler_config`
      def initialize(config: nil)
        @config = config
      end

      # The framework's: calls {#process}, then {#process_results}.
      #
      # @param task [Task]
      # @param sequence [Types::StepSequence]
      # @param step [WorkflowStep]
      # @return [Object] what `process` returned
      def handle(task, sequence, step)
        initial_results = step.results
        output = process(task, sequence, step)
        process_results(step, output, initial_results)
        output
      end

      # The work. Override it.
      #
      # @return [Object] the results, by ActiveSupport's rules for JSON
      def process(_task, _sequence, _step)
        raise NotImplementedError, "#{self.class.name} has no process(task, sequence, step)"
      end

      # Stores what `process` returned. Override it to store something else.
      #
      # @param step [WorkflowStep]
      # @param process_output [Object] as `process` returned it, not yet JSON
      # @param initial_results [Object] the results before `process`
      # @return [void]
      def process_results(step, process_output, initial_results)
        # The handler assigned them itself. A change inside the same Hash is not seen:
        # it changed the initial ones too.
        return if step.results != initial_results

        step.results = process_output
      end

      protected

      # @return [Object, nil] what the handler was made with
      attr_reader :config
    end
  end
end
