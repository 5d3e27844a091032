# frozen_string_literal: true

require_relative 'dispatch'
require_relative 'errors'
require_relative 'logging'
require_relative 'pool'
require_relative 'registry'
require_relative 'runner'
require_relative 'settings'
require_relative 'step_handler'

module TaskerCore
  # A worker in this process: Rust threads claim steps, keep leases and report; Ruby
  # threads run the handlers, or enqueue the steps as jobs of the host, see {Dispatch}.
  #
  #   worker = TaskerCore::Worker.start(templates: 'config/tasks', concurrency: 10)
  #   worker.stop
  #   worker.join
  #
  # or, as a program that drains on SIGTERM and SIGINT:
  #
  #   TaskerCore::Worker.run(templates: 'config/tasks')
  #
  # Start it in the process that is to run it: a worker does not survive a fork, and its
  # methods raise {ForkError} in the child. It is for the main Ractor only.
  class Worker
    # Steps taken from Rust at once.
    TAKE_MAX = 64
    # Seconds for handlers to leave after the worker has drained.
    LEAVE_SECONDS = 1.0
    # A signal came before there was anything to drain.
    class Early < StandardError; end
    NO_HANDLER = 'no handler is registered or loaded in this process: require the files that define them (--require), or register ' \
                 'them with TaskerCore.handler; for those that only a resolver or an autoloader finds, name the namespaces'
    private_constant :TAKE_MAX, :LEAVE_SECONDS, :Early, :NO_HANDLER

    # Starts a worker and returns when it is ready to take steps. Takes what {#initialize}
    # takes.
    #
    # @return [Worker]
    # @raise [ConfigurationError] if a setting or a template is refused
    # @raise [DatabaseError] without a database, or with a schema of another version
    # @raise [StartError] if it cannot start for another reason
    # @raise [ForkError] if a worker was started in this process's parent
    def self.start(**options)
      new(**options).start
    end

    # Starts a worker and stays until a signal has ended it, see {#run}. Takes what
    # {#initialize} takes.
    #
    # @return [void]
    def self.run(**options)
      new(**options).run
    end

    # @param config_dir [String, nil] directory of the configuration files; nil for what
    #   TASKER_CONFIG_DIR names, or `config` if there is one
    # @param set [Hash{String=>Object}] settings above all files and variables:
    #   `{ 'worker.bind' => '127.0.0.1:0' }`
    # @param handlers [Hash{String=>#call}, Array<String, Class>, nil] handlers to register
    #   by name, or names of handler classes to be found when they are needed. Those that
    #   are registered or loaded need no mention
    # @param templates [String, Array<String>, nil] YAML files, or directories of them, to
    #   register before the first step is taken
    # @param namespaces [Array<String>, String, nil] where to take steps from; nil for
    #   those that have a step for one of the handlers
    # @param concurrency [Integer, nil] handlers that run at once; nil for the setting
    #   `worker.concurrency`
    # @param dispatch [Symbol, String, nil] `:inline` to run handlers here; `:active_job` or
    #   `:sidekiq` to enqueue a job for each step, which a process of the host runs; nil for
    #   what the application says, and that is inline unless it says something
    # @param queue [String, Symbol, #call, nil] with a dispatch: the queue of the jobs, or what gives one for a
    #   reference, a Hash with `namespace`, `step_name`, `handler_class` and more; nil for what
    #   the application says, and that is `default` unless it says something
    # @param logger [::Logger, nil] nil for {TaskerCore.logger}
    # @param events [String, false, nil] name under which the events of orchestration are
    #   delivered to the subscribers in this process, see {Tasker::Events.listen}; nil for
    #   what `Tasker.configuration.compatibility.event_subscription` says, false for none
    # @param registry [Registry] where handlers are found
    # @param native [#call, nil] makes the native worker of its options, for tests
    # @raise [ConfigurationError] if an option is of the wrong type
    def initialize(config_dir: nil, set: {}, handlers: nil, templates: nil, namespaces: nil,
                   concurrency: nil, dispatch: nil, queue: nil, logger: nil, events: nil,
                   registry: TaskerCore.registry, native: nil)
      events = Settings.events(events)
      @listening = { name: events, config_dir: config_dir, set: set } unless events == false || native
      @settings = Settings.new(config_dir: config_dir, set: set, handlers: handlers, templates: templates,
                               namespaces: namespaces, concurrency: concurrency, registry: registry)
      @queue = Dispatch.queue(dispatch || TaskerCore.host.dispatch, queue, default: TaskerCore.host.queue)
      refuse_concurrency if @queue && concurrency
      @logger = Settings.logger(logger)
      @feeds = { config_dir: config_dir, set: set, logger: @logger }
      @registry = registry
      @start = native || -> (options) { Native::Worker.start(options) }
      @failure = nil
    end

    # As {.start}, which names what it raises.
    #
    # @return [self]
    def start
      raise StartError, 'this worker has been started before: make another one' if @native

      options = @settings.to_native(hands_on: !@queue.nil?)
      @native = @start.call(options)
      @pool = @queue ? courier : pool
      @hooks = end_hooks
      @taker = Thread.new { take }
      @taker.name = 'tasker taker'
      @listener = ::Tasker::Events::Listener.of_worker(**@listening) if @listening
      say(:info, 'worker started', worker_id: worker_id, address: address, **{ concurrency: concurrency, dispatch: @queue&.to_s }.compact)
      say(:warn, NO_HANDLER) if options['handler_classes'].empty?
      self
    end

    # Begins to drain: no more steps are taken, and handlers that run get
    # `worker.drain_timeout_ms` to finish. Returns at once. Not for trap handlers.
    #
    # @return [self]
    def stop
      started.stop
      @hooks&.stop
      self
    end

    # Waits until the worker has drained.
    #
    # @param timeout [Numeric, nil] seconds; nil to wait for as long as it takes
    # @return [Boolean] whether it has
    # @raise [WorkerFailed] if it did not end because somebody stopped it
    def join(timeout = nil)
      return false unless started.join(timeout)

      @taker.join
      @left ||= @pool.close(LEAVE_SECONDS)
      @hooks.stop
      @hooks.join(LEAVE_SECONDS)
      @listener&.stop
      raise @failure if @failure

      true
    end

    # Starts, unless that is done, and stays until SIGTERM or SIGINT has drained the
    # worker. A second signal ends the process at once; its steps run again when their
    # leases end. For the main thread.
    #
    # @return [void]
    # @raise [WorkerFailed] as {#join}
    def run
      signals = Thread::Queue.new
      previous = trap_signals(signals)
      waiting = Thread.current
      listener = Thread.new { heed(signals, waiting) }
      start unless @native
      join
      nil
    rescue Early
      # Stopped before it had begun, or just then.
      @native && stop && join
      nil
    ensure
      signals&.close
      listener&.join
      previous&.each { |signal, handler| trap(signal, handler || 'DEFAULT') }
    end

    # @return [String] where the worker's health and metrics are served
    def address
      started.address
    end

    # @return [String]
    def worker_id
      started.worker_id
    end

    # @return [Integer] handlers that may run at once, or steps that may wait as jobs
    def concurrency
      started.concurrency
    end

    # @return [Integer] steps claimed and not yet reported
    def steps_in_hand
      started.steps_in_hand
    end

    # @return [Integer] handlers that were left behind because they do not come back
    def stuck
      @left || (@pool ? @pool.stuck : 0)
    end

    private

    # Before the first step is taken, so that no end of a task is missed.
    def end_hooks
      ::Tasker::Compat::EndHooks.start(@native, **@feeds)
    rescue StandardError
      @native.stop
      raise
    end

    def refuse_concurrency
      raise ConfigurationError, "concurrency: with this dispatch handlers run in the host's processes, as many at once as these run " \
                                'jobs; worker.dispatch_limit says how many steps may wait there'
    end

    def pool
      Pool.new(size: @native.concurrency, logger: @logger, runner: Runner.new(registry: @registry, logger: @logger),
               more: -> { @native.take_waiting(TAKE_MAX) }, on_exhausted: method(:give_up))
    end

    def courier
      Dispatch::Courier.new(queue: @queue, worker_id: worker_id, limit: @native.concurrency, wait: @native.dispatch_wait_seconds,
                            logger: @logger)
    end

    def started
      @native or raise StartError, 'this worker has not been started: call start first'
    end

    def take
      over = false
      while (batch = @native.take(TAKE_MAX))
        @pool.submit(batch)
      end
      over = true
    rescue StandardError => e
      over = true
      give_up("steps cannot be taken any more: #{e.message} (#{e.class})")
    ensure
      give_up('the thread that takes steps was killed') unless over
    end

    # Better no worker than one that holds leases and does nothing: a supervisor starts
    # another, and what it has in hand goes back.
    def give_up(reason)
      @failure ||= WorkerFailed.new(reason)
      say(:error, reason)
      @native.stop
    rescue StandardError => e
      say(:error, "the worker cannot be stopped: #{e.message}")
    end

    # A trap handler may take no lock, so it only puts a word into a queue.
    def trap_signals(signals)
      seen = 0
      %w[TERM INT].to_h do |signal|
        previous = trap(signal) do
          if (seen += 1) == 1
            signals << signal
          else
            trap(signal, 'SYSTEM_DEFAULT')
            Process.kill(signal, Process.pid)
          end
        end
        [signal, previous]
      end
    end

    def heed(signals, waiting)
      while (signal = signals.pop)
        say(:info, "SIG#{signal}: draining; a second signal ends the process at once")
        @native ? stop : waiting.raise(Early)
      end
    end

    def say(level, message, **fields)
      Logging.say(@logger, level, message, fields)
    end
  end
end
