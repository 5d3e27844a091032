# frozen_string_literal: true

require_relative 'dispatch'
require_relative 'errors'
require_relative 'logging'
require_relative 'registry'
require_relative 'runner'
require_relative 'settings'

module TaskerCore
  # Runs steps that a worker has enqueued as jobs, in the processes that run the host's
  # jobs. It is a worker that claims nothing: its threads in Rust keep the leases of what
  # runs here, end what runs too long, and report.
  #
  # There is one in each process, opened when the first job comes ({TaskerCore.adopter}).
  # It has threads and connections, so it belongs to the process that opened it: where a
  # queue forks, jobs must run in the children only, as they do in Resque.
  class Adopter
    # @return [Integer] jobs whose step was run
    attr_reader :adopted
    # @return [Integer] jobs whose step had ended, or was somebody else's by then
    attr_reader :stale

    # @param config_dir [String, nil] as of {Worker#initialize}
    # @param set [Hash{String=>Object}] as of {Worker#initialize}
    # @param templates [String, Array<String>, nil] YAML files, or directories of them, whose
    #   steps fire custom events; nil for those of the host
    # @param registry [Registry] where handlers are found
    # @param logger [::Logger, nil] nil for {TaskerCore.logger}
    # @param native [#call, nil] makes the native adopter of its options, for tests
    # @raise [ConfigurationError] if a setting or an option is refused
    # @raise [DatabaseError] without a database, or with a schema of another version
    # @raise [ForkError] if the parent of this process has opened one, or started a worker
    def initialize(config_dir: nil, set: {}, templates: nil, registry: TaskerCore.registry, logger: nil, native: nil)
      @pid = Process.pid
      @logger = Settings.logger(logger)
      @adopted = @stale = 0
      @counting = Mutex.new
      # A signal in a thread of jobs is how Sidekiq and Resque take it back.
      @runner = Runner.new(registry: registry, logger: @logger, leaving: SignalException)
      native ||= ->(options) { Native::Adopter.start(options) }
      settings = Settings.new(config_dir: config_dir, set: set, registry: registry, templates: templates)
      options = settings.to_adopt
      settings.prepare_workflows.each do |problem|
        Logging.say(@logger, :warn, "the hooks and events of a workflow are not known here: #{problem}")
      end
      @native = native.call(options)
    end

    # Runs the step of a job. Returns when its outcome is stored: a process that ends
    # after its jobs, as one of Resque's, loses nothing. What the handler raises is its
    # step's failure, and not raised.
    #
    # While the database is away it waits.
    #
    # @param reference [Hash] what the job carries
    # @return [Boolean] whether there was something to run
    # @raise [ConfigurationError] if the reference cannot be read
    # @raise [DatabaseError] if the database refuses
    def perform(reference)
      raise ForkError, 'this adopter belongs to the parent process: open one in the child' unless mine?

      # Between taking it over and running it nothing may get in between.
      Thread.handle_interrupt(Object => :on_blocking) do
        execution = @native.adopt(reference)
        execution ? run(execution) : ended(reference)
      end
    end

    # Drains: handlers that run get `worker.drain_timeout_ms`.
    #
    # @return [void]
    def stop
      @native.stop
    end

    # @return [Boolean] whether it can be used in this process
    # @api private
    def mine?
      @pid == Process.pid
    end

    private

    def run(execution)
      @counting.synchronize { @adopted += 1 }
      @runner.call(execution)
      true
    ensure
      # A child that the handler forked off came back here. The step is its parent's.
      @native.settle(execution) if mine?
    end

    # Enqueued twice, run by another process, cancelled, or taken back meanwhile.
    def ended(reference)
      @counting.synchronize { @stale += 1 }
      fields = reference.slice('namespace', 'task_id', 'step_id', 'step_name', 'attempt')
      Logging.say(@logger, :debug, 'the step of a job has ended or is run elsewhere', fields)
      false
    end
  end

  @adopter_lock = Mutex.new

  class << self
    # What runs the jobs of steps in this process; set it where the environment does not
    # say everything: `TaskerCore.adopter = TaskerCore::Adopter.new(set: { ... })`.
    attr_writer :adopter

    # @return [Adopter] what {.adopter=} was given, or one of this process with the
    #   configuration of the environment, as for the worker
    def adopter
      mine = @adopter
      return mine if mine&.mine?

      @adopter_lock.synchronize { @adopter&.mine? ? @adopter : (@adopter = Adopter.new) }
    end
  end
end
