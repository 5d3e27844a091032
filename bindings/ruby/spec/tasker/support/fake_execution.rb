# frozen_string_literal: true

require 'json'
require_relative 'fake_rows'

# One claimed step without the extension: the methods of the native class, and what was
# reported. Values must be plain JSON, as the native side demands.
class FakeExecution
  DEFAULTS = {
    task_id: 7, step_id: 71, attempt: 1, step_name: 'charge', handler_class: 'Charge', namespace: 'default',
    task_name: 'order', task_version: '0.1.0', retry_limit: 3, retryable: true, timeout_seconds: 30.0,
    correlation_id: nil, traceparent: nil, context: {}, inputs: nil, config: nil, previous_results: {},
    parents: {}, rows: nil, task_row: {}, counts: true
  }.freeze

  attr_reader :succeeded, :failed, :steps_reads

  def initialize(**facts)
    unknown = facts.keys - DEFAULTS.keys
    raise ArgumentError, "no fact of an execution: #{unknown.join(', ')}" if unknown.any?

    @facts = DEFAULTS.merge(facts)
    @steps_reads = 0
  end

  %i[
    task_id step_id attempt step_name handler_class namespace task_name task_version retry_limit retryable
    timeout_seconds correlation_id traceparent
  ].each { |name| define_method(name) { @facts[name] } }

  %i[context config previous_results].each { |name| define_method(name) { fresh(@facts[name]) } }

  def inputs
    fresh(@facts[:inputs] || @facts[:context])
  end

  def parent_names
    @facts[:parents].keys
  end

  def parent_results(name)
    fresh(@facts[:parents][name])
  end

  def steps
    @steps_reads += 1
    fresh(@facts[:rows] || raise('this execution has no rows'))
  end

  def task
    row = {
      'task_id' => task_id, 'named_task_id' => 3, 'namespace' => namespace, 'name' => task_name, 'version' => task_version,
      'state' => 'in_progress', 'complete' => false, 'requested_at' => FakeRows::TIME, 'initiator' => 'web', 'source_system' => 'shop',
      'reason' => 'spec', 'bypass_steps' => [], 'tags' => ['a'], 'context' => @saved_context || @facts[:context],
      'identity_hash' => 'abc', 'created_at' => FakeRows::TIME, 'updated_at' => FakeRows::TIME,
      'run_started_at' => FakeRows::TIME, 'only_sink' => nil
    }
    fresh(row.merge(@facts[:task_row].transform_keys(&:to_s)))
  end

  def save_context(context)
    raise TaskerCore::RecordError.new('this attempt is not the running one any more', code: 'stale') unless @facts[:counts]

    @saved_context = strict(context, 'context')
    nil
  end

  def save_inputs(inputs)
    @saved_inputs = strict(inputs, 'inputs')
    nil
  end

  attr_reader :saved_context, :saved_inputs

  # In place of the row in the database.
  def database
    @database ||= FakeRows.new(task: task, steps: @facts[:rows] || [])
  end
  alias rows database

  def idempotency_token
    "tasker-#{task_id}-#{step_id}"
  end

  def begin
    true
  end

  def cancelled?
    false
  end

  # As the native side with its settings: here more than 1 MB is too much.
  def check_results(value)
    strict(value, 'results')
    raise TaskerCore::EncodingError.new('results: too large', code: 'json_too_large') if value.to_json.bytesize > 1_000_000
  end

  def succeed(value)
    check_results(value)
    answer { @succeeded = [strict(value, 'results')] }
  end

  def fail(error)
    answer { @failed = strict(error, 'error') }
  end

  def no_handler
    answer { @no_handler = true }
  end

  def results
    @succeeded ? @succeeded.first : @failed && @failed['results']
  end

  def answered?
    !(@succeeded.nil? && @failed.nil? && @no_handler.nil?)
  end

  # A row as `steps` gives it.
  def self.row(id, name, state: 'pending', results: {}, parents: [], **more)
    {
      'step_id' => id, 'name' => name, 'state' => state, 'attempts' => state == 'pending' ? 0 : 1, 'retry_limit' => 3,
      'retryable' => true, 'skippable' => false, 'backoff_request_seconds' => nil, 'named_step_id' => id + 100, 'results' => results, 'inputs' => {}, 'created_at' => '2024-01-02T03:04:05.000000Z',
      'updated_at' => '2024-01-02T03:04:06.500000Z', 'processed_at' => state == 'complete' ? '2024-01-02T03:04:06.500000Z' : nil,
      'last_attempted_at' => nil, 'parent_ids' => parents
    }.merge(more.transform_keys(&:to_s))
  end

  private

  def fresh(value)
    value.nil? ? nil : JSON.parse(JSON.generate([value])).first
  end

  def answer
    raise 'answered twice' if answered?

    yield
    @facts[:counts]
  end

  def strict(value, path)
    case value
    when nil, true, false, Integer then value
    when Float then value.finite? ? value : raise(TaskerCore::EncodingError, "#{path}: not finite")
    when String
      known = [Encoding::UTF_8, Encoding::US_ASCII].include?(value.encoding)
      raise TaskerCore::EncodingError, "#{path}: not UTF-8" unless known && value.valid_encoding?

      value
    when Array then value.each_with_index.map { |item, index| strict(item, "#{path}[#{index}]") }
    when Hash
      value.to_h do |key, item|
        raise TaskerCore::EncodingError, "#{path}: key #{key.inspect}" unless key.is_a?(String)

        [key, strict(item, "#{path}.#{key}")]
      end
    else raise TaskerCore::EncodingError, "#{path}: #{value.class}"
    end
  end
end
