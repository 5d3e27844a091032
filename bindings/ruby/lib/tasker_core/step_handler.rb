# frozen_string_literal: true

module TaskerCore
  # Base of handlers for new code: one method, one argument.
  #
  #   class ChargeCard < TaskerCore::StepHandler
  #     def call(context)
  #       order = context.result('validate_order')
  #       charge = Gateway.charge(order['total'], key: context.idempotency_token)
  #       { charge_id: charge.id }
  #     rescue Gateway::Busy => e
  #       raise TaskerCore::RetryableError.new('the gateway is busy', retry_after: e.seconds)
  #     rescue Gateway::Declined => e
  #       raise TaskerCore::PermanentError.new('the card was declined', error_code: e.code)
  #     end
  #   end
  #
  # A template names the class as `handler_class`. Each attempt gets an instance of its
  # own, made without arguments, so instance variables are safe. A class without this
  # base, or any object with `call(context)`, can be registered with {TaskerCore.handler}.
  #
  # What `call` returns becomes the step's results: JSON data (Hash, Array, String,
  # Symbol, Integer, finite Float, true, false, nil), with a Struct or Data at any depth
  # becoming an object. Anything else fails the step for good, and the error names the
  # place in the results. An exception is a failed attempt: {PermanentError} says that
  # no other attempt can succeed, every other exception may be followed by one.
  #
  # A step may run more than once: its worker can die after the work is done and before
  # that is recorded. Hand {Context#idempotency_token} on to systems that remove
  # duplicates.
  #
  # @abstract Define `call(context)`.
  class StepHandler
    # @!method call(context)
    #   Does the work of one attempt.
    #   @param context [Context]
    #   @return [Object] the results of the step

    # All named handlers of new style that are loaded.
    #
    # @api private
    # @return [Array<Class>]
    def self.loaded
      subclasses.flat_map { |handler| [handler, *handler.loaded] }.select(&:name)
    end
  end
end
