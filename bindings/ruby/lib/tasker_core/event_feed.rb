# frozen_string_literal: true

require_relative 'errors'
require_relative 'event_feed/delivery'
require_relative 'event_feed/event'
require_relative 'host'
require_relative 'logging'

module TaskerCore
  # A subscription to the events of orchestration: tasks that begin and end, rounds of
  # steps, what operators do, attempts that were lost. They are read from the audit trail
  # in the database, so they can be had in any process, and none is lost while nobody reads.
  #
  #   feed = TaskerCore::EventFeed.start(name: 'billing', events: ['task.completed']) do |events|
  #     events.each { |event| Invoice.close(event.task_id) }
  #   end
  #   feed.stop
  #   feed.join
  #
  # * A name gets every event at least once, and the events of a task in their order. Its
  #   place is kept in the database: whoever reads under the name next goes on there. An
  #   {Event#id} is the same at every delivery, for those who must drop doubles.
  # * Several processes may use one name. One of them reads; when it ends or dies, another
  #   goes on, within `engine.lease_ms` (10 s) at most.
  # * The block runs in a thread of the feed. Nothing is read before it has returned, so a
  #   slow block gets its events later and loses none.
  # * A block that raises, whatever it is, or wants to end its thread or the process (`exit`,
  #   `abort`), gets the same events again after a growing pause, {Delivery#attempts} times.
  #   Then they come one at a time, as often each, and what still fails is set aside: logged
  #   with its id and counted, here and in `tasker.event_cursors`.
  #
  # What step handlers did is told by the process that ran them ({Tasker::Events}), and not
  # here. {.events} are the identifiers.
  #
  # Start it in the process that is to use it: it does not survive a fork.
  class EventFeed
    # Starts to read, and returns.
    #
    # @param name [String] of the subscription
    # @param events [Array<String>, String, nil] identifiers; nil for all
    # @param from [Symbol] where a new name begins: `:now`, or `:beginning` for all that is
    #   in the audit trail
    # @param config_dir [String, nil] as of {Worker#initialize}
    # @param set [Hash{String=>Object}] as of {Worker#initialize}
    # @param batch [Integer] most transitions of tasks, and of steps, to read at once
    # @param attempts [Integer] deliveries of a batch, and of an event of a failed batch
    # @param logger [::Logger, nil] nil for {TaskerCore.logger}
    # @param native [#call, nil] makes the native feed of its options, for tests
    # @yieldparam events [Array<Event>]
    # @return [EventFeed]
    # @raise [ConfigurationError] if an option or a setting is refused
    # @raise [DatabaseError] without a database, or with a schema of another version
    # @raise [ForkError] if the parent of this process has started a feed or a worker
    def self.start(name:, events: nil, from: :now, config_dir: nil, set: {}, batch: 500, attempts: 5,
                   logger: nil, native: nil, &block)
      raise ArgumentError, 'a feed needs a block that takes an Array of events' unless block

      set = set.to_h.map { |key, value| [key.to_s, value.is_a?(Array) ? value.join(',') : value.to_s] }
      host = TaskerCore.host.settings(config_dir&.to_s).to_a.reject { |key, _| set.assoc(key) }
      options = {
        'config_dir' => config_dir&.to_s, 'overrides' => host + set, 'name' => name.to_s,
        'events' => events && Array(events).map(&:to_s), 'from' => from.to_s, 'max' => batch
      }
      delivery = Delivery.new(name: name.to_s, attempts: attempts, logger: logger || TaskerCore.logger, &block)
      new(name.to_s, (native || ->(given) { Native::EventFeed.start(given) }).call(options), delivery)
    end

    @running = [].freeze
    @lock = Thread::Mutex.new

    class << self
      # A step has ended in this process, and with it maybe its task: the feeds of this
      # process look soon, however long nothing has happened.
      #
      # @api private
      # @return [void]
      def hurry
        @running.each(&:hurry)
      end

      # @api private
      def add(feed)
        @lock.synchronize { @running = [*@running, feed].freeze }
      end

      # @api private
      def remove(feed)
        @lock.synchronize { @running = @running.reject { |other| other.equal?(feed) }.freeze }
      end
    end

    # @return [Array<String>] the identifiers that orchestration raises
    def self.events
      Native::EVENTS
    end

    # @return [String]
    attr_reader :name

    # @api private
    def initialize(name, native, delivery)
      @name = name
      @native = native
      @delivery = delivery
      @pid = Process.pid
      self.class.add(self)
      @thread = Thread.new { deliver }
      @thread.name = 'tasker feed'
    end

    # @api private
    # @return [void]
    def hurry
      @native.hurry if @pid == Process.pid
    end

    # Begins to stop: what the block has in hand is finished, and nothing more is read.
    # Returns at once. Not for trap handlers.
    #
    # @return [self]
    def stop
      self.class.remove(self)
      @native.stop
      @delivery.stop
      self
    end

    # Waits for the end.
    #
    # @param timeout [Numeric, nil] seconds; nil to wait for as long as it takes
    # @return [Boolean] whether it has ended
    # @raise [ThreadError] in the block of the feed, which would wait for itself for ever
    def join(timeout = nil)
      raise ThreadError, "feed #{name} cannot be waited for in its own block" if timeout.nil? && @delivery.inside?

      deadline = timeout && Process.clock_gettime(Process::CLOCK_MONOTONIC) + timeout
      return false unless @native.join(timeout)

      left = deadline && [deadline - Process.clock_gettime(Process::CLOCK_MONOTONIC), 0].max
      !@thread.join(left).nil?
    end

    # @return [Boolean] whether it reads, or waits for its turn to
    def running?
      @thread.alive?
    end

    # @return [Hash{Symbol=>Integer}] since the start, in this process: `batches` and events
    #   `delivered`, deliveries that `failed`, events that were `set_aside`
    def statistics
      @delivery.statistics
    end

    private

    def deliver
      while (batch, events = @native.take)
        counts = @delivery.deliver(events.map { |event| Event.new(event, @native) }) or break
        @native.ack(batch, *counts)
      end
    ensure
      self.class.remove(self)
      @delivery.close
      # Whatever ended the thread: another process may read.
      @native.abandon
    end
  end
end
