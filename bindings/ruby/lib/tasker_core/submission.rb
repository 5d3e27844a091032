# frozen_string_literal: true

require_relative 'client'
require_relative 'errors'
require_relative 'host'

module TaskerCore
  # A task as it was written in a transaction of one's own: it exists once that is
  # committed, and not at all if it is rolled back.
  class Submission < Client::View
    field :task_id, :namespace, :name, :version, :idempotency_key, :correlation_id

    # @return [Boolean] whether an earlier request made this task
    def duplicate?
      @data['duplicate']
    end
  end

  # Submits tasks inside a transaction of one's own, without the service: the task exists
  # if and only if what else was written there does.
  #
  #   ActiveRecord::Base.transaction do
  #     order.save!
  #     TaskerCore.submit(name: 'shop/process_order', context: { order_id: order.id }, connection: ActiveRecord::Base)
  #   end
  #
  # A request is judged as the service judges it, by the same code, and written by the
  # same statement. The templates are read on a connection of the submitter's own, from
  # the database that the configuration names; it has to be the one of the caller's
  # connection, whose role needs the rights to submit there. Where the template is not the
  # same one behind that connection, nothing is written.
  #
  # What one should know:
  #
  # * While the transaction is open, another submission with the same idempotency key
  #   waits for its end, in the service too. Keep such transactions short.
  # * Workers are woken at the commit, by a NOTIFY in the transaction. PostgreSQL lets
  #   only one transaction with a NOTIFY commit at a time, in the whole database: with
  #   more than some hundreds a second say `wake: false`. Then workers find the task at the
  #   next wake of its namespace, or when they look by themselves: every
  #   `engine.poll_interval_ms` (2 s), five times as rarely where wakes are heard.
  # * The setting `search_path` is the engine's during the statement and the caller's
  #   afterwards. `client_encoding` must be UTF8; no other setting of the session matters.
  # * Other errors of the caller's connection are its driver's, such as PG::Error.
  #
  # Threads may share one. It has a thread and connections, so it belongs to the process
  # that opened it: with servers that fork, submit in the children only.
  class Submitter
    # The value from before is read before it is set.
    BEGINS = <<~SQL
      WITH before AS MATERIALIZED (SELECT current_setting('search_path') AS path)
      SELECT path, set_config('search_path', $1, true) FROM before
    SQL
    ENDS = "SELECT set_config('search_path', $1, true)"
    # Whether an identity belongs to the same request.
    EXISTING = <<~SQL
      SELECT task_id, CASE WHEN named_task_id = $2::integer AND context = $3::jsonb THEN 1 ELSE 0 END
        FROM tasker_tasks WHERE identity_hash = $1
    SQL
    WAKE = 'SELECT pg_notify($1, $2)'
    # Those in which text arrives as it is written here. In others PostgreSQL would take it
    # for other characters, without an error.
    ENCODINGS = %w[UTF8 SQL_ASCII].freeze
    private_constant :BEGINS, :ENDS, :EXISTING, :WAKE, :ENCODINGS

    # @param config_dir [String, nil] as of {Worker#initialize}
    # @param set [Hash{String=>Object}] as of {Worker#initialize}:
    #   `{ 'database.url' => 'postgres://...' }`
    # @param native [#call, nil] makes the native submitter of its options, for tests
    # @raise [ConfigurationError] if a setting is refused
    # @raise [DatabaseError] without a database, or with a schema of another version
    # @raise [ForkError] if the parent of this process has opened one, or started a worker
    def initialize(config_dir: nil, set: {}, native: nil)
      overrides = set.to_h.map { |key, value| [key.to_s, value.is_a?(Array) ? value.join(',') : value.to_s] }
      # In Rails it is the database of database.yml, as for a worker.
      url = TaskerCore.host.settings(config_dir)['database.url'] unless overrides.assoc('database.url')
      overrides << ['database.url', url] if url
      native ||= ->(options) { Native::Submitter.open(options) }
      @pid = Process.pid
      @native = native.call('config_dir' => config_dir&.to_s, 'overrides' => overrides)
    rescue ForkError
      raise ForkError, 'the parent of this process has opened a submitter, or started a worker, before it forked: ' \
                       'do either in the child processes only', cause: nil
    end

    # Submits a task on a connection. Inside a transaction it is part of that; without one
    # it is committed at once.
    #
    # @param request [Tasker::Types::TaskRequest, Hash, nil] as of {Client#submit}
    # @param connection [PG::Connection, ActiveRecord::ConnectionAdapters::PostgreSQLAdapter, Class] a connection,
    #   or a class of ActiveRecord that has one
    # @param traceparent [String, nil]
    # @param wake [Boolean] whether the commit wakes workers
    # @param fields [Hash] as of {Client#submit}, but that no idempotency key is generated
    # @return [Submission]
    # @raise [InvalidRequest] naming every field that is refused; the transaction goes on
    # @raise [Conflict] if the key belongs to a request with other content; the transaction
    #   goes on
    # @raise [DatabaseError] if the templates cannot be read, if the template is not the same
    #   one in the database of the connection, if that has no tables of the engine, if the
    #   connection's encoding is not UTF8, or if the transaction has failed before
    # @raise [EncodingError] if the context is no JSON, naming the place
    # @raise [ArgumentError] for an unknown field or an unknown kind of connection
    def submit(request = nil, connection:, traceparent: nil, wake: true, **fields)
      raise ForkError, 'this submitter belongs to the parent process: open one in the child' if @pid != Process.pid

      host = Host.of(connection)
      plan = @native.prepare(Client::Request.new(request, fields, generate: false).body, traceparent&.to_s)
      raise ProblemError.for(plan['refused']) if plan['refused']

      host.transaction { |raw| write(raw, plan, wake) }
    end

    # @return [Boolean] whether it can be used in this process
    # @api private
    def mine?
      @pid == Process.pid
    end

    private

    def write(raw, plan, wake)
      utf8!(raw)
      before = raw.exec_params(BEGINS, [plan['search_path']]).getvalue(0, 0)
      row = raw.exec_params(plan['sql'], plan['params']).values.first
      return existing(raw, plan) unless row

      raw.exec_params(WAKE, plan.values_at('wake_channel', 'wake')) if wake
      submission(plan, row[1], false)
    rescue PG::UndefinedTable => e
      raise DatabaseError, "#{places(raw, plan)}; the first has not the tables that the submission needs: #{e.message.lines.first.strip}"
    ensure
      # A failed transaction forgets the setting by itself when it is rolled back, if only
      # to a savepoint.
      raw.exec_params(ENDS, [before]) if before && raw.transaction_status == PG::PQTRANS_INTRANS
    end

    def existing(raw, plan)
      task_id, same = raw.exec_params(EXISTING, plan.values_at('identity_hash', 'named_task_id', 'context')).values.first
      unless task_id
        template = "#{plan['namespace']}/#{plan['name']} #{plan['version']}"
        raise DatabaseError, "#{places(raw, plan)}; the template #{template} is not the same one in both, so nothing was " \
                             'stored. Open a submitter on the database of the connection: ' \
                             "TaskerCore::Submitter.new(set: { 'database.url' => ... })"
      end
      return submission(plan, task_id, true) if Integer(same) == 1

      raise Conflict, { 'status' => 409, 'code' => 'TSK-2001', 'title' => 'The idempotency key belongs to another request',
                        'detail' => "the idempotency key belongs to task #{task_id}, which was asked for differently",
                        'errors' => [{ 'field' => '/idempotency_key', 'problem' => 'is taken' }] }
    end

    def utf8!(raw)
      encoding = raw.get_client_encoding
      return if ENCODINGS.include?(encoding)

      raise DatabaseError, "client_encoding of the connection is #{encoding}, in which text would not be stored as it is: set it to " \
                           'UTF8 (encoding: unicode in database.yml, PG::Connection#set_client_encoding)'
    end

    def places(raw, plan)
      "the connection leads to host=#{raw.host} port=#{raw.port} database=#{raw.db} user=#{raw.user}, and templates are read from " +
        plan['database']
    end

    def submission(plan, task_id, duplicate)
      facts = plan.slice('namespace', 'name', 'version', 'idempotency_key', 'correlation_id')
      # Of an earlier request only the identity is known, and that has the key in it.
      facts.delete('correlation_id') if duplicate
      Submission.new({ 'task_id' => Integer(task_id), 'duplicate' => duplicate }.merge(facts))
    end

    # What a connection comes from: how its transactions are made.
    #
    # @api private
    class Host
      def self.of(connection)
        connection = connection.connection if connection.respond_to?(:connection)
        return PgHost.new(connection) if pg?(connection)
        return RecordHost.new(connection) if connection.respond_to?(:raw_connection) && connection.respond_to?(:transaction_open?)

        raise ArgumentError, 'connection: expected a PG::Connection, or a connection or class of ActiveRecord, ' \
                             "not an object of class #{connection.class}"
      end

      def self.pg?(connection)
        defined?(::PG::Connection) && connection.is_a?(::PG::Connection)
      end

      def initialize(connection)
        @connection = connection
      end
    end

    # Of the gem pg.
    class PgHost < Host
      # The block gets the connection, inside a transaction.
      def transaction
        case @connection.transaction_status
        when PG::PQTRANS_INTRANS then yield @connection
        when PG::PQTRANS_IDLE then @connection.transaction { yield @connection }
        when PG::PQTRANS_INERROR
          raise DatabaseError, 'the transaction of the connection has failed: roll it back, or to a savepoint, first'
        else raise DatabaseError, 'the connection is closed or runs another statement'
        end
      end
    end

    # Of ActiveRecord, which begins its transactions when the first statement comes: asking
    # for the raw connection makes it begin.
    class RecordHost < Host
      # As {PgHost#transaction}.
      def transaction(&block)
        return @connection.transaction { transaction(&block) } unless @connection.transaction_open?

        raw = @connection.raw_connection
        unless Host.pg?(raw)
          raise ArgumentError, "connection: it is not one of PostgreSQL by the gem pg, but of #{raw.class}"
        end

        # What is written past ActiveRecord must not be hidden by what it remembers.
        @connection.clear_query_cache if @connection.respond_to?(:clear_query_cache)
        PgHost.new(raw).transaction(&block)
      end
    end
    private_constant :Host, :PgHost, :RecordHost
  end

  @submitter_lock = Mutex.new

  class << self
    # The submitter behind `submit(connection: ...)`.
    attr_writer :submitter

    # @return [Submitter] what {.submitter=} was given, or one of this process with the
    #   configuration of the environment: `DATABASE_URL`, or database.yml, as for the worker
    def submitter
      mine = @submitter
      return mine if mine&.mine?

      @submitter_lock.synchronize { @submitter&.mine? ? @submitter : (@submitter = Submitter.new) }
    end
  end
end
