# frozen_string_literal: true

require 'json'
require 'tasker_core/worker'

# Doubles of the native side with its contract: they run without the extension.
module Fakes
  # One claimed step. The first answer counts; all of them are kept.
  class Execution
    attr_reader :answers, :said, :step_id

    def initialize(handler_class, **facts)
      @facts = { attempt: 1, inputs: {}, parents: {}, retry_limit: 3, retryable: true }.merge(facts)
      @handler_class = handler_class
      @step_id = @facts.fetch(:step_id, 7)
      @answers = Thread::Queue.new
      @said = []
      @cancelled = false
      @answered = false
      @lock = Mutex.new
      @on_answer = nil
    end

    attr_reader :handler_class

    def task_id = 3
    def step_name = 'charge'
    def task_name = 'order'
    def task_version = '1.0.0'
    def namespace = 'shop'
    def timeout_seconds = 30.0
    def attempt = @facts[:attempt]
    def retry_limit = @facts[:retry_limit]
    def retryable = @facts[:retryable]
    def correlation_id = @facts[:correlation_id]
    def traceparent = @facts[:traceparent]
    def idempotency_token = "tasker-3-#{step_id}"
    def context = copy(@facts[:inputs])
    def inputs = copy(@facts[:inputs])
    def config = copy(@facts[:config])
    def previous_results = copy(@facts[:previous_results])
    def parent_names = @facts[:parents].keys
    def parent_results(name) = copy(@facts[:parents][name])
    def begin = !@cancelled
    def cancelled? = @cancelled
    def answered? = @answered

    def progress(value)
      check(value, 'progress')
      @said << value
      nil
    end

    # As the native side with its settings: here more than 1 MB is too much.
    def succeed(value)
      check(value, 'results')
      refuse('results', 'too large') if JSON.generate(value).bytesize > 1_000_000
      answer([:succeed, value])
    end

    def fail(error)
      check(error['context'], 'error.context')
      answer([:fail, error])
    end

    def no_handler
      answer([:no_handler])
    end

    def hand_back
      answer([:hand_back])
    end

    def reference(worker_id)
      { 'version' => 1, 'worker_id' => worker_id, 'step_id' => step_id, 'namespace' => namespace }
    end

    # What the Rust side does at a timeout: the outcome first, then the word.
    def cancel!
      answer([:timeout])
      @cancelled = true
    end

    # As when somebody has adopted it: nothing is answered here.
    def lose!
      @cancelled = true
    end

    # Told once, with the first answer.
    def on_answer(&block)
      @on_answer = block
      self
    end

    private

    def copy(value)
      value.nil? ? nil : JSON.parse(JSON.generate(value))
    end

    def answer(outcome)
      first = @lock.synchronize { !@answered && (@answered = true) }
      @answers << outcome if first
      @on_answer&.call(self) if first
      first
    end

    def check(value, path, open = [])
      refuse(path, 'nested deeper than 128 levels') if open.size > 128
      case value
      when Hash
        nested(value, path, open) { value.each { |key, inner| check(inner, "#{path}.#{key}", open) } }
      when Array
        nested(value, path, open) { value.each_with_index { |inner, at| check(inner, "#{path}[#{at}]", open) } }
      when String then refuse(path, 'the String is not valid UTF-8') unless value.valid_encoding?
      when Float then refuse(path, "#{value} is no JSON number") unless value.finite?
      when Integer, Symbol, true, false, nil then nil
      else refuse(path, "#{::Kernel.instance_method(:class).bind_call(value)} is no JSON value")
      end
    end

    def nested(value, path, open)
      refuse(path, 'contains itself') if open.any? { |outer| outer.equal?(value) }
      open.push(value)
      yield
      open.pop
    end

    def refuse(path, problem)
      raise TaskerCore::EncodingError, "#{path}: #{problem}"
    end
  end

  # The worker of the native side: hands out what `offer` was given.
  class Native
    attr_reader :concurrency, :stops, :options

    def initialize(concurrency: 2)
      @concurrency = concurrency
      @queue = Thread::Queue.new
      @stops = 0
    end

    # As Native::Worker.start.
    def to_proc
      lambda do |options|
        @options = options
        self
      end
    end

    def offer(*executions)
      @queue << executions
      executions.first
    end

    def take(max)
      batch = @queue.pop
      raise batch if batch.is_a?(Exception)

      batch&.first(max)
    end

    # All of it goes to who waits for it.
    def take_waiting(_max)
      []
    end

    # Makes the next take raise.
    def break_with(error)
      @queue << error
    end

    def stop
      @stops += 1
      @queue.close
      nil
    end

    # Looks again and again: if every thread slept for ever, Ruby would take that for a
    # deadlock. The real one waits outside of Ruby.
    def join(seconds)
      deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + (seconds || SpecSupport::PATIENCE)
      until (ended = @queue.closed?) || Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
        sleep 0.005
      end
      ended
    end

    def address = '127.0.0.1:8081'
    def worker_id = 'fake'
    def steps_in_hand = 0
  end
end

RSpec.shared_context 'with a runtime' do
  let(:log) { StringIO.new }
  let(:logger) { TaskerCore::Logging.logger(io: log, format: 'json', level: 'debug') }
  let(:registry) { TaskerCore::Registry.new }

  # Runs one step to its answer, on this thread.
  def run(execution)
    TaskerCore::Runner.new(registry: registry, logger: logger).call(execution)
    take(execution.answers)
  end

  # Runs a block as the handler of one step.
  def handle(**facts, &block)
    registry.register('Probe', block)
    run(Fakes::Execution.new('Probe', **facts))
  end

  def lines
    log.string.lines.map { |line| JSON.parse(line) }
  end
end
