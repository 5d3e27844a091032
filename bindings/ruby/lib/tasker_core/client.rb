# frozen_string_literal: true

require 'net/http'
require 'time'

require_relative 'encoding'
require_relative 'errors'
require_relative 'client/errors'
require_relative 'client/request'
require_relative 'client/transport'
require_relative 'client/views'
require_relative 'client/watch'

module TaskerCore
  # A client of the orchestration service: submits tasks, reads them, acts on them.
  #
  #   client = TaskerCore::Client.new(url: 'http://tasker.internal:8080')
  #   task = client.submit(name: 'process_order', namespace: 'shop', context: { order_id: 7 })
  #   client.wait(task, timeout: 60) { |progress| puts progress.step_counts.done }
  #
  # Threads may share one; connections stay open between calls. A forked child may use
  # the client of its parent, on connections of its own.
  #
  # Answers are value objects ({Task}, {Step}, ...) with readers, and `to_h` for all that
  # the service said. Errors are {ClientError}s.
  #
  # Every call ends within `timeout`. What is safe to repeat is tried again until then:
  # reading, and submitting with an idempotency key, which a submission gets if it has
  # none. The verbs of an operator (cancel, retry, resolve) are sent once.
  class Client
    # Names the service, if `url` does not.
    URL_VARIABLE = 'TASKER_URL'
    # Where the service is unless somebody says otherwise.
    DEFAULT_URL = 'http://127.0.0.1:8080'
    # Seconds; longer than the service itself takes to give up.
    TIMEOUT = 30
    # What a task and a step are never without.
    TASK = %w[task_id state].freeze
    STEP = %w[step_id state].freeze
    private_constant :TASK, :STEP

    # @return [String] where the service is
    attr_reader :url

    # A time as the API takes it, to the microsecond.
    #
    # @api private
    def self.time(name, given)
      return if given.nil?

      time = given.is_a?(String) ? Time.iso8601(given) : given
      raise ArgumentError unless time.respond_to?(:to_time)

      time.to_time.getutc.iso8601(6)
    rescue ArgumentError
      raise ArgumentError, "#{name}: expected a time, or text like 2026-01-31T12:00:00Z, not #{given.inspect[0, 80]}", cause: nil
    end

    # @param url [String] http or https, a path before `/v1` included; a name and password
    #   in it are sent by HTTP's basic authentication
    # @param timeout [Numeric] seconds for a call with all its tries
    # @param retries [Integer] tries after the first, of what is safe to repeat
    # @param headers [Hash{String=>String}] sent with every call, for what stands before
    #   the service
    # @raise [ConfigurationError] if one of them cannot be used. Nothing is sent yet
    def initialize(url: ENV[URL_VARIABLE] || DEFAULT_URL, timeout: TIMEOUT, retries: 3, headers: {})
      @transport = Transport.new(url: url, timeout: timeout, retries: retries, headers: headers)
      @url = @transport.address
    end

    # Submits a task.
    #
    #   client.submit(name: 'shop/process_order', context: { order_id: 7 }, idempotency_key: 'order-7')
    #   client.submit(Tasker::Types::TaskRequest.new(name: 'process_order', context: { order_id: 7 }))
    #
    # The same key for the same template makes one task; {Task#duplicate?} says that it was
    # there before. Without a key one is generated, so that a lost answer can be asked for
    # again. `idempotency_key: false` sends none: then nothing is repeated, and the
    # service's `identity_strategy` decides which requests are the same.
    #
    # A `TaskRequest` of the engine names a version, 0.1.0, and a namespace, default, even
    # if its author did not.
    #
    # @param request [Tasker::Types::TaskRequest, Hash, nil] fields of the request
    # @param traceparent [String, nil] W3C trace context the task belongs to, such as the
    #   {Context#traceparent} of a handler
    # @param timeout [Numeric, nil] seconds, if less than the client's
    # @param fields [Hash] fields, above those of `request`: `name` (a template's, or
    #   `namespace/name`), `namespace`, `version` (the highest unless given), `context`,
    #   `idempotency_key`, `priority` (-100 to 100), `initiator`, `source_system`,
    #   `reason`, `tags`, `correlation_id`, `requested_at` (now unless given; it delays
    #   nothing), `bypass_steps` (stored with the task; none is bypassed). The context
    #   becomes JSON by ActiveSupport's rules
    # @return [Task]
    # @raise [InvalidRequest] naming every field the service refuses
    # @raise [Conflict] if the key belongs to a request with other content
    # @raise [EncodingError] if the context is no JSON, naming the place
    # @raise [ArgumentError] for an unknown field, or a `requested_at` that is no time
    def submit(request = nil, traceparent: nil, timeout: nil, **fields)
      request = Request.new(request, fields)
      task = @transport.json(Net::HTTP::Post, %w[v1 tasks], having: TASK, body: request.body, headers: trace(traceparent),
                                                            repeatable: request.repeatable?, within: timeout)
      # Only an earlier try of this very call can have had the key.
      task['duplicate'] = false if request.generated_key?
      Task.new(task)
    end

    # Submits up to 1,000 tasks. Each is judged by itself; see {BatchItem#error}.
    #
    # @param requests [Array<Hash, Tasker::Types::TaskRequest>]
    # @param traceparent [String, nil]
    # @param timeout [Numeric, nil]
    # @return [Batch]
    # @raise [ClientError] if the batch as a whole was refused
    def submit_batch(requests, traceparent: nil, timeout: nil)
      requests = requests.map { |request| Request.new(request, {}) }
      batch = @transport.json(Net::HTTP::Post, %w[v1 tasks batch], having: %w[items],
                                                                   body: { 'tasks' => requests.map(&:body) },
                                                                   headers: trace(traceparent), within: timeout,
                                                                   repeatable: requests.all?(&:repeatable?))
      Batch.new(batch)
    end

    # @param task [Integer, Task] or its id
    # @param include [Array<Symbol>, Symbol, nil] what to add: `:steps`, `:transitions`,
    #   `:annotations`
    # @param timeout [Numeric, nil] seconds, if less than the client's
    # @return [Task]
    # @raise [NotFound]
    def task(task, include: nil, timeout: nil)
      Task.new(read(of(task), TASK, include: include && Array(include).join(','), timeout: timeout))
    end
    alias get task

    # A page of tasks, newest first.
    #
    # @param namespace [String, nil]
    # @param name [String, nil] of a template, or `namespace/name`
    # @param version [String, nil]
    # @param state [String, Symbol, nil] one
    # @param tag [String, nil]
    # @param initiator [String, nil]
    # @param from [Time, Date, String, nil] requested at or after; text is a time in ISO 8601
    # @param to [Time, Date, String, nil] requested before
    # @param limit [Integer, nil] 1 to 200; 50 if nil
    # @param cursor [String, nil] {TaskPage#next_cursor} of the page before
    # @return [TaskPage]
    # @raise [ArgumentError] for a time that is none, or for several values
    def list(namespace: nil, name: nil, version: nil, state: nil, tag: nil, initiator: nil, from: nil, to: nil,
             limit: nil, cursor: nil)
      filters = { namespace: namespace, name: name, version: version, state: state, tag: tag, initiator: initiator,
                  from: Client.time(:from, from), to: Client.time(:to, to), limit: limit, cursor: cursor }
      filter, several = filters.find { |_, value| value.is_a?(Array) }
      raise ArgumentError, "#{filter}: expected one, not #{several.inspect}" if several

      TaskPage.new(read(%w[v1 tasks], %w[tasks], **filters))
    end

    # All tasks of the filters of {#list}, newest first, asked for page by page.
    #
    # @yieldparam task [Task]
    # @return [Enumerator, self]
    def each_task(**filters, &block)
      return enum_for(:each_task, **filters) unless block

      loop do
        page = list(**filters)
        page.each(&block)
        cursor = page.next_cursor or return self
        filters = filters.merge(cursor: cursor)
      end
    end

    # Steps of a task, in template order.
    #
    # @param task [Integer, Task]
    # @return [Array<Step>]
    # @raise [NotFound]
    def steps(task)
      read([*of(task), 'steps'], %w[steps]).fetch('steps').map { |step| Step.new(step) }
    end

    # A step with its inputs, failures and transitions.
    #
    # @param task [Integer, Task]
    # @param step [Integer, Step]
    # @return [Step]
    # @raise [NotFound]
    def step(task, step)
      Step.new(read(of_step(task, step), STEP))
    end

    # Why the steps of a task stand where they stand.
    #
    # @param task [Integer, Task]
    # @return [Explanation]
    # @raise [NotFound]
    def explain(task)
      Explanation.new(read([*of(task), 'explain'], %w[steps]))
    end

    # The graph of a task.
    #
    # @param task [Integer, Task]
    # @return [Graph]
    # @raise [NotFound]
    def graph(task)
      Graph.new(read([*of(task), 'graph'], %w[nodes edges]))
    end

    # The graph of a task as text to draw from.
    #
    # @param task [Integer, Task]
    # @param format [:mermaid, :dot]
    # @return [String]
    # @raise [NotFound]
    def graph_text(task, format: :mermaid)
      @transport.text(Net::HTTP::Get, [*of(task), 'graph'], query: { format: format }, headers: { 'accept' => '*/*' })
    end

    # Cancels a task: nothing of it starts any more, running handlers are told.
    #
    # @param task [Integer, Task]
    # @param reason [String, nil] for the audit trail
    # @param operator [String, nil] who acts, for the audit trail
    # @return [Task] as it stands afterwards
    # @raise [NotFound]
    # @raise [Conflict] if its state does not allow it
    def cancel(task, reason: nil, operator: nil)
      Task.new(act([*of(task), 'cancel'], TASK, reason: reason, operator: operator))
    end

    # Retries the failed steps of a task: their attempts start again.
    #
    # @param (see #cancel)
    # @return [Task] as it stands afterwards
    # @raise (see #cancel)
    def retry(task, reason: nil, operator: nil)
      Task.new(act([*of(task), 'retry'], TASK, reason: reason, operator: operator))
    end

    # Retries a failed step: its attempts start again.
    #
    # @param task [Integer, Task]
    # @param step [Integer, Step]
    # @param reason [String, nil] for the audit trail
    # @param operator [String, nil] who acts, for the audit trail
    # @return [Step] as it stands afterwards
    # @raise [NotFound]
    # @raise [Conflict] if its state does not allow it
    def retry_step(task, step, reason: nil, operator: nil)
      Step.new(act([*of_step(task, step), 'retry'], STEP, reason: reason, operator: operator))
    end

    # Cancels a step: it never runs, nor do the steps that wait for it.
    #
    # @param (see #retry_step)
    # @return (see #retry_step)
    # @raise (see #retry_step)
    def cancel_step(task, step, reason: nil, operator: nil)
      Step.new(act([*of_step(task, step), 'cancel'], STEP, reason: reason, operator: operator))
    end

    # Closes a step by hand, with the results its children read.
    #
    # @param task [Integer, Task]
    # @param step [Integer, Step]
    # @param results [Object] becomes JSON by ActiveSupport's rules
    # @param reason [String, nil] for the audit trail
    # @param operator [String, nil] who acts, for the audit trail
    # @return [Step] as it stands afterwards
    # @raise (see #retry_step)
    def resolve_step(task, step, results: {}, reason: nil, operator: nil)
      body = { 'results' => Encoding.plain(results, root: 'results') }
      Step.new(act([*of_step(task, step), 'resolve'], STEP, body, reason: reason, operator: operator))
    end

    # Waits until a task has ended: complete, failed, cancelled or resolved by hand. Looks
    # often while it moves, at least once a second, and once more at the end of the time. A
    # service that is away for a while ends no wait.
    #
    # @param task [Integer, Task]
    # @param timeout [Numeric] seconds; Float::INFINITY for as long as it takes
    # @yieldparam progress [Task] at first, and whenever its state or the states of its
    #   steps have changed: see {Task#state} and {Task#step_counts}
    # @return [Task]
    # @raise [WaitTimeout] if it has not ended by then
    # @raise [NotFound]
    def wait(task, timeout:, &block)
      raise ArgumentError, "timeout: expected seconds, not #{timeout.inspect}" unless timeout.is_a?(Numeric) && timeout.real?

      Watch.new(self, id(task), timeout).follow(&block)
    end

    # Closes the connections that no call uses. The client may be used again.
    #
    # @return [void]
    def close
      @transport.close
      nil
    end

    # @return [String]
    def inspect
      "#<#{self.class.name} #{url}>"
    end

    private

    def read(path, having, timeout: nil, **query)
      @transport.json(Net::HTTP::Get, path, having: having, query: query, within: timeout)
    end

    def act(path, having, body = {}, **texts)
      @transport.json(Net::HTTP::Post, path, having: having, body: body.merge(texts.compact.transform_keys(&:to_s)))
    end

    def of(task)
      ['v1', 'tasks', id(task)]
    end

    def of_step(task, step)
      [*of(task), 'steps', id(step, :step_id)]
    end

    # Of what has one, or what is one.
    def id(object, name = :task_id)
      id = object.respond_to?(name) ? object.public_send(name) : object
      return id if id.is_a?(Integer)
      return Integer(id, 10) if id.is_a?(String) && id.match?(/\A\d+\z/)

      raise ArgumentError, "#{name}: expected a number, not #{object.inspect}"
    end

    def trace(traceparent)
      traceparent ? { 'traceparent' => traceparent.to_s } : {}
    end
  end
end

require_relative 'client/default'
