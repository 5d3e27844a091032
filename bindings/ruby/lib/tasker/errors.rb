# frozen_string_literal: true

module Tasker
  # Everything that the engine raises by itself.
  class Error < StandardError; end

  # A setting that cannot be.
  class ConfigurationError < Error; end

  # A step of the work that could not be done.
  class ProceduralError < Error; end

  # Another attempt may succeed.
  #
  #   raise Tasker::RetryableError.new('gateway busy', retry_after: 30, context: { order_id: 7 })
  #
  # As in the Rails engine, `retry_after` delays the next attempt only where an API
  # handler raises it; everywhere else the step's own backoff rules.
  class RetryableError < ProceduralError
    # @return [Numeric, nil] seconds until another attempt makes sense
    attr_reader :retry_after
    # @return [Hash] what helps to find the cause
    attr_reader :context

    def initialize(message = nil, retry_after: nil, context: {})
      super(message)
      @retry_after = retry_after
      @context = context
    end
  end

  # No further attempt can succeed: the step fails for good.
  class PermanentError < ProceduralError
    # @return [String, nil] for programs to tell errors apart
    attr_reader :error_code
    # @return [Hash] what helps to find the cause
    attr_reader :context

    def initialize(message = nil, error_code: nil, context: {})
      super(message)
      @error_code = error_code
      @context = context
    end
  end

  # Something of the Rails engine that a worker without a database of its own cannot
  # do. The message says what to use instead. Permanent: another attempt could not
  # do it either.
  class UnsupportedError < PermanentError
    def initialize(message = nil)
      super(message, error_code: 'UNSUPPORTED')
    end
  end

  # A workflow definition (YAML or code) with a mistake. Not an {Error}, as in the engine.
  class InvalidTaskHandlerConfig < StandardError; end

  # @api private
  module Nearest
    # The name most like a misspelt one, or nil if none is near.
    def self.of(name, known)
      require 'did_you_mean'
      DidYouMean::SpellChecker.new(dictionary: known.map(&:to_s)).correct(name.to_s).first
    end

    # `; did you mean x?`, or what there is.
    def self.hint(name, known)
      near = of(name, known)
      near ? "did you mean #{near}?" : "there are #{known.map(&:to_s).sort.join(', ')}"
    end
  end
end
