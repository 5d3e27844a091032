# frozen_string_literal: true

module TaskerCore
  # What this gem raises. Each error has a stable {#code}, for programs; the message is for
  # people and says what to do.
  class Error < StandardError
    # @return [String] a stable name for what went wrong
    attr_reader :code

    # @param message [String, nil]
    # @param code [String, nil] the class's own if nil
    def initialize(message = nil, code: nil)
      super(message)
      @code = code || self.class.default_code
    end

    # @return [String] the class's name in snake case, without "Error"
    def self.default_code
      name.to_s.split('::').last.to_s.delete_suffix('Error').gsub(/(?<=[a-z])(?=[A-Z])/, '_').downcase
    end
  end

  # A setting, an option or a template is refused; the message lists every problem.
  class ConfigurationError < Error; end

  # The database cannot be reached, or its schema is not what this version works on.
  class DatabaseError < Error; end

  # The worker cannot start for another reason, such as an address that is taken.
  class StartError < Error; end

  # A worker of the parent process was used in a forked child.
  class ForkError < Error; end

  # A value cannot be written as JSON; the message names the path to it.
  class EncodingError < Error; end

  # Something that a handler wants stored besides its results is refused, such as a context
  # beyond the limits, or an attempt that is over wants to store it. Nothing was stored.
  # `code` is refused, not_found, not_driven or stale.
  class RecordError < Error; end

  # The process has no handler of a name.
  class UnknownHandler < Error; end

  # What was found under a handler's name can run no step, such as a method of the wrong
  # arity. Another attempt would find the same.
  class UnusableHandler < Error; end

  # A worker ended although nobody stopped it; the message says why.
  class WorkerFailed < Error; end

  # Raised by handlers: this attempt failed, another one may succeed.
  #
  #   raise TaskerCore::RetryableError.new("the gateway is busy", retry_after: 30)
  class RetryableError < Error
    # @return [Numeric, nil] seconds until the next attempt; nil for the step's own pause
    attr_reader :retry_after
    # @return [Hash] stored with the failure
    attr_reader :context

    # @param message [String, nil]
    # @param retry_after [Numeric, nil] seconds
    # @param context [Hash] JSON data
    # @param code [String, nil]
    def initialize(message = nil, retry_after: nil, context: {}, code: nil)
      super(message, code: code)
      @retry_after = retry_after
      @context = context
    end
  end

  # Raised by handlers: no attempt can succeed, so the step fails for good.
  #
  #   raise TaskerCore::PermanentError.new("the card was declined", error_code: "declined")
  class PermanentError < Error
    # @return [String, nil] stored with the failure
    attr_reader :error_code
    # @return [Hash] stored with the failure
    attr_reader :context

    # @param message [String, nil]
    # @param error_code [String, Symbol, nil]
    # @param context [Hash] JSON data
    # @param code [String, nil]
    def initialize(message = nil, error_code: nil, context: {}, code: nil)
      super(message, code: code)
      @error_code = error_code&.to_s
      @context = context
    end
  end

  # The native extension failed in a way it should not; please report it.
  class NativePanic < Error; end
end
