# frozen_string_literal: true

require 'json'
require 'net/http'
require 'pg'
require 'uri'

# The real thing for specs: a database of its own and an orchestrator on it, as processes,
# gone afterwards however the specs end.
#
#   stack = Stack.shared                       # one for all specs that need no other
#   stack.register(yaml)                       # a template
#   task = stack.submit('namespace/name', { 'amount' => 3 })
#   worker = TaskerCore::Native::Worker.start(stack.native_options('handler_classes' => ['A::B']))
#   stack.wait(task)                           # => {"state" => "complete", ...}
#
# The server is the one of TASKER_TEST_DATABASE_URL, where `make ruby` has started one, or
# else a private cluster, started at first use. The programs are those of the last
# `cargo build`; TASKER_TEST_PROFILE names another profile than debug.
class Stack
  ROOT = File.expand_path('../../../..', __dir__)
  SERVER_VARIABLE = 'TASKER_TEST_DATABASE_URL'
  FINAL = %w[complete error cancelled resolved_manually].freeze
  # More than anything here takes on a machine that is busy with something else.
  PATIENCE = 60

  class Failed < StandardError; end

  # Ends with its owner: a shell reads from a pipe whose other end the owner holds.
  KILL_WITH_OWNER = <<~'SHELL'
    trap '' HUP INT TERM
    if read -r word; then exit 0; fi
    kill -KILL "$1" 2>/dev/null
  SHELL

  class << self
    # One stack for the whole run; specs keep apart by namespaces of their own.
    def shared
      @shared ||= start.tap { |stack| at_exit_in(Process.pid) { stack.stop } }
    end

    def start(settings = {})
      new(create_database, settings)
    end

    # URL of the server's maintenance database.
    def server
      @server ||= ENV[SERVER_VARIABLE] || own_cluster
    end

    # A new empty database.
    def create_database
      @databases = (@databases || 0) + 1
      name = "ruby_#{Process.pid}_#{Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)}_#{@databases}"
      administer("CREATE DATABASE #{name}")
      uri = URI(server)
      uri.path = "/#{name}"
      uri.to_s
    end

    def drop_database(url)
      administer("DROP DATABASE IF EXISTS #{URI(url).path.delete_prefix('/')} WITH (FORCE)")
    end

    def administer(sql)
      connection = PG.connect(server)
      connection.exec(sql)
    ensure
      connection&.close
    end

    # Path of a built program.
    def program(name)
      target = ENV.fetch('CARGO_TARGET_DIR', File.join(ROOT, 'target'))
      path = File.join(target, ENV.fetch('TASKER_TEST_PROFILE', 'debug'), name)
      File.executable?(path) or raise Failed, "#{path} is not built: run `make build` first"
      path
    end

    # What a program of ours must not inherit, so that specs mean the same in every shell.
    def clean_environment
      foreign = ENV.keys.grep(/\A(TASKER_|PG|OTEL_)|\ADATABASE_URL\z/) - %w[TASKER_PG_BIN]
      foreign.to_h { |name| [name, nil] }
    end

    # Polls until the block has an answer.
    def eventually(what, patience: PATIENCE)
      deadline = now + patience
      loop do
        answer = yield
        return answer if answer
        raise Failed, "not within #{patience} s: #{what}" if now > deadline

        sleep 0.01
      end
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    # Children that specs fork run at_exit blocks too, and must not stop what is not theirs.
    def at_exit_in(pid)
      at_exit { yield if Process.pid == pid }
    end

    private

    # with-cluster stays as long as its command, and that as long as the pipe to it.
    def own_cluster
      tell = %(printf '%s\\n' "$#{SERVER_VARIABLE}"; exec cat >/dev/null)
      input, @hold = IO.pipe
      @hold.close_on_exec = true
      output, told = IO.pipe
      pid = Process.spawn(clean_environment, program('with-cluster'), '--', 'sh', '-c', tell,
                          in: input, out: told, err: File::NULL)
      [input, told].each(&:close)
      at_exit_in(Process.pid) do
        @hold.close
        Process.wait(pid)
      end
      output.gets&.chomp or raise Failed, 'no private PostgreSQL: with-cluster ended'
    end
  end

  attr_reader :url, :api

  def initialize(url, settings)
    @url = url
    environment = self.class.clean_environment.merge(
      'DATABASE_URL' => url, 'TASKER__ORCHESTRATION__BIND' => '127.0.0.1:0', 'TASKER_ENV' => 'test',
      'TASKER__TEMPLATES__LOAD_ON_START' => 'false'
    )
    settings = settings.flat_map { |key, value| ['--set', "#{key}=#{value}"] }
    @orchestrator = Service.new(self.class.program('tasker-orchestrator'), *settings, environment: environment)
    @api = URI("http://#{@orchestrator.wait_for(/orchestration started/)[/127\.0\.0\.1:\d+/]}")
  end

  def stop
    return if @stopped

    @stopped = true
    @orchestrator.stop
    @connection&.close
    self.class.drop_database(@url)
  end

  # Options of Native::Worker.start on this database.
  def native_options(more = {})
    overrides = [['database.url', @url], ['worker.bind', '127.0.0.1:0'], ['telemetry.log_level', 'error'],
                 ['database.connect_retry_seconds', '0']]
    more.merge('overrides' => overrides + more.fetch('overrides', []))
  end

  # The same as settings of TaskerCore::Worker.start(set: ...).
  def settings(more = {})
    native_options['overrides'].to_h.merge(more)
  end

  # Variables for a program that runs a worker here.
  def environment
    self.class.clean_environment.merge('DATABASE_URL' => @url, 'TASKER__WORKER__BIND' => '127.0.0.1:0')
  end

  def register(yaml)
    request(Net::HTTP::Post, '/v1/templates', { 'yaml' => yaml })
  end

  # Id of the new task.
  def submit(name, context = {}, traceparent: nil, **more)
    body = { 'name' => name, 'context' => context }.merge(more.transform_keys(&:to_s))
    headers = traceparent ? { 'traceparent' => traceparent } : {}
    request(Net::HTTP::Post, '/v1/tasks', body, headers).fetch('task_id')
  end

  def task(task_id)
    request(Net::HTTP::Get, "/v1/tasks/#{task_id}?include=steps")
  end

  # The step as the API shows a single one: with failures and transitions.
  def step(task_id, name)
    found = task(task_id).fetch('steps').find { |step| step['name'] == name }
    request(Net::HTTP::Get, "/v1/tasks/#{task_id}/steps/#{found.fetch('step_id')}")
  end

  def cancel(task_id)
    request(Net::HTTP::Post, "/v1/tasks/#{task_id}/cancel", {})
  end

  # Waits for the task's final state and returns the task.
  def wait(task_id, patience: PATIENCE)
    self.class.eventually("task #{task_id} ends", patience: patience) do
      task = task(task_id)
      task if FINAL.include?(task['state'])
    end
  end

  # Rows as Hashes of texts.
  def sql(statement, *values)
    @connection ||= PG.connect(@url)
    @connection.exec_params(statement, values).to_a
  end

  def request(kind, path, body = nil, headers = {})
    request = kind.new(path, headers.merge('content-type' => 'application/json'))
    request.body = JSON.generate(body) if body
    response = Net::HTTP.start(@api.host, @api.port, read_timeout: PATIENCE) { |http| http.request(request) }
    answer = JSON.parse(response.body)
    raise Failed, "#{path}: #{response.code} #{response.body}" unless response.is_a?(Net::HTTPSuccess)

    answer
  end

  # A program of ours with its output, ended by its process id.
  class Service
    attr_reader :pid

    def initialize(*command, environment: {}, **options)
      output, told = IO.pipe
      @lines = []
      @changed = Thread::ConditionVariable.new
      @lock = Thread::Mutex.new
      @pid = Process.spawn(environment, *command, in: File::NULL, out: told, err: told, **options)
      told.close
      watch
      @reader = Thread.new { output.each_line { |line| hear(line) } }
    end

    # Waits for a line that matches, and returns it.
    def wait_for(pattern, patience: PATIENCE)
      deadline = Stack.now + patience
      @lock.synchronize do
        loop do
          found = @lines.grep(pattern).first and return found
          left = deadline - Stack.now
          raise Failed, "no line like #{pattern.inspect}:\n#{@lines.join}" if left <= 0 || ended_silently?

          @changed.wait(@lock, [left, 0.2].min)
        end
      end
    end

    def output
      @lock.synchronize { @lines.join }
    end

    def signal(name)
      Process.kill(name, @pid)
    end

    # Waits for the end, and returns how it was.
    def wait(patience: PATIENCE)
      @status ||= Stack.eventually("process #{@pid} ends", patience: patience) do
        Process.wait2(@pid, Process::WNOHANG)&.last
      end
      @watchdog_input&.puts('dismissed')
      @watchdog_input&.close
      @watchdog_input = nil
      @reader.join
      @status
    end

    # Drained if it ends by itself within patience, else killed.
    def stop(patience: 10)
      return @status if @status

      signal('TERM')
      wait(patience: patience)
    rescue Failed
      signal('KILL')
      wait
    end

    private

    def ended_silently?
      !@reader.alive?
    end

    def hear(line)
      @lock.synchronize do
        @lines << line
        @changed.broadcast
      end
    end

    def watch
      input, @watchdog_input = IO.pipe
      watchdog = Process.spawn('sh', '-c', KILL_WITH_OWNER, 'sh', @pid.to_s, in: input)
      input.close
      Process.detach(watchdog)
    end
  end
end
