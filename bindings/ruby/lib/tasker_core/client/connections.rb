# frozen_string_literal: true

require 'net/http'
require 'openssl'

module TaskerCore
  class Client
    # Connections to one service, kept open between calls and used by one thread at a
    # time.
    #
    # There are as many as calls at once; {IDLE_MAX} of them are kept. A forked child
    # begins with none: two processes on one connection would read each other's answers.
    #
    # @api private
    class Connections
      # Connections kept while nobody uses them.
      IDLE_MAX = 16
      # Seconds; less than the service keeps an idle one, so that no request goes into a
      # connection that is being closed.
      IDLE_SECONDS = 2

      # @param uri [URI::HTTP]
      def initialize(uri)
        @uri = uri
        @lock = Mutex.new
        @idle = []
        @pid = Process.pid
      end

      # The block gets a connection to itself. It is kept for others only if the block
      # comes to its end: after an error, a timeout or Thread#kill an answer may still be
      # on its way.
      def with
        connection = take
        result = yield connection
        whole = true
        result
      ensure
        whole ? keep(connection) : close(connection)
      end

      # Closes those that nobody uses.
      def close_idle
        taken = @lock.synchronize { mine.slice!(0..) }
        taken.each { |connection, _| close(connection) }
      end

      # @return [Float] seconds of a clock that is never set
      def self.now
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end

      private

      def take
        @lock.synchronize { mine.pop&.first } || made
      end

      def keep(connection)
        now = Connections.now
        old = @lock.synchronize do
          mine << [connection, now]
          stale = mine.take_while { |_, since| since < now - IDLE_SECONDS }.size
          mine.shift([stale, mine.size - IDLE_MAX].max)
        end
        old.each { |spare, _| close(spare) }
      end

      # Those of a parent process are forgotten and not closed, for closing says goodbye
      # on a connection that is still the parent's.
      def mine
        return @idle if @pid == Process.pid

        @pid = Process.pid
        @idle = []
      end

      def made
        connection = Net::HTTP.new(@uri.hostname, @uri.port)
        connection.use_ssl = @uri.scheme == 'https'
        connection.keep_alive_timeout = IDLE_SECONDS
        # What is tried again is decided by Transport, which knows what is safe.
        connection.max_retries = 0
        connection
      end

      def close(connection)
        connection&.finish if connection&.started?
      rescue IOError, SystemCallError, OpenSSL::SSL::SSLError
        nil
      end
    end
    private_constant :Connections
  end
end
