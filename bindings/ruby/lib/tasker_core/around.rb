# frozen_string_literal: true

require_relative 'errors'

module TaskerCore
  # What is wrapped around every run of a handler: its lookup, its call, and the answer.
  #
  # @api private
  class Around
    def initialize
      @write = Mutex.new
      @wrappers = [].freeze
    end

    # @return [self]
    def add(wrapper)
      @write.synchronize { @wrappers = [*@wrappers, wrapper].freeze }
      self
    end

    # @return [self]
    def remove(wrapper)
      @write.synchronize { @wrappers = @wrappers.reject { |one| one.equal?(wrapper) }.freeze }
      self
    end

    # Runs the block inside all wrappers, the first that was added outermost. INVARIANT: it
    # returns only if the block has; a wrapper cannot make a failure disappear, for then
    # nobody would answer the step.
    def run(execution, &handler)
      wrappers = @wrappers
      return yield if wrappers.empty?

      once = Once.new(handler)
      wrappers.reverse.inject(once) { |inner, wrapper| -> { wrapper.call(inner, execution) } }.call
      once.check
    end

    # The innermost part of the chain.
    class Once
      def initialize(handler)
        @handler = handler
        @calls = 0
      end

      def call
        # The step would be run and answered twice.
        raise Error.new('an around_handler block called the handler twice', code: 'around_handler') if (@calls += 1) > 1

        @handler.call
        @done = true
        nil
      rescue Exception => e # rubocop:disable Lint/RescueException
        @error ||= e
        raise
      end

      def check
        raise @error if @error
        return if @done

        raise Error.new('an around_handler block ended without the handler: it must call its first argument, once, ' \
                        'and let it return', code: 'around_handler')
      end
    end
    private_constant :Once
  end

  class << self
    # @api private
    attr_reader :around

    # Wraps every run of a handler in this process. The block gets something to call, once,
    # and the execution; what it raises is the handler's failure. The first block is the
    # outermost.
    #
    #   TaskerCore.around_handler do |call, execution|
    #     Tenant.switch(execution.inputs['tenant']) { call.() }
    #   end
    #
    # When the call returns, the step has been answered: a failure after it is logged and
    # changes nothing.
    #
    # @yieldparam call [#call]
    # @yieldparam execution [Native::Execution]
    # @return [Proc] the block
    def around_handler(&block)
      raise ArgumentError, 'around_handler takes a block that gets what to call and the execution' unless block

      around.add(block)
      block
    end
  end
  @around = Around.new
end
