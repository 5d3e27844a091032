# frozen_string_literal: true

module Tasker
  module Compat
    # What handlers written in a Rails application take for granted, where the worker
    # is a plain Ruby process: `Rails.logger`, `Rails.env`, `Rails.root`, the error
    # classes of ActiveRecord in rescue clauses, and libraries that the engine or the
    # application had loaded, where they are installed.
    #
    # No constant is defined for it: `defined?(Rails)` stays nil, so that libraries see
    # no framework that is not there, and the real one can be loaded at any time. Only
    # a reference that would raise NameError is answered instead.
    module StandIns
      class << self
        # Set to false to have such references raise NameError again.
        attr_accessor :enabled
      end
      self.enabled = true

      # Prepended to Module.
      module ConstMissing
        def const_missing(name)
          return super unless StandIns.enabled
          return super if ::Object.const_defined?(name, false)

          case name
          when :Rails then Rails
          when :ActiveRecord then ActiveRecord
          else StandIns.library(name) || super
          end
        end
      end

      # What is loaded when it is first named.
      LIBRARIES = { Faraday: 'faraday', ActiveModel: 'active_model', Dry: 'dry-struct' }.freeze
      private_constant :LIBRARIES

      # @return [Module, nil] nil if it is none of them, or not installed
      def self.library(name)
        file = LIBRARIES[name] or return nil
        require file
        ::Object.const_get(name) if ::Object.const_defined?(name, false)
      rescue LoadError
        nil
      end

      # For `Rails`.
      module Rails
        class << self
          # @return [::Logger] the logger of this process; it takes tags, as Rails' does
          def logger
            source = Tasker.logger
            key = [source, source.respond_to?(:level) ? source.level : nil]
            return @logger if @logger && @logger_key == key

            @logger_key = key
            @logger = source.is_a?(::Logger) ? ActiveSupport::TaggedLogging.new(source) : source
          end

          # @return [ActiveSupport::StringInquirer]
          def env
            name = Tasker.environment
            @env = ActiveSupport::StringInquirer.new(name) unless @env == name
            @env
          end

          # @return [Pathname] the working directory
          def root
            Pathname.new(Dir.pwd)
          end

          # @return [ActiveSupport::Cache::Store] in memory, of this process
          def cache
            @cache ||= ActiveSupport::Cache::MemoryStore.new
          end

          # @return [nil] there is none
          def application
            nil
          end

          def method_missing(name, *_args)
            return super if name.start_with?('to_')

            raise UnsupportedError, "Rails.#{name} needs a Rails application, and this worker runs without one; " \
                                    'start it with --require ./config/environment.rb of the application'
          end

          def respond_to_missing?(_name, _private = false)
            false
          end
        end
      end

      # For `ActiveRecord`: names to rescue, which nobody raises here.
      module ActiveRecord
        # Above all others.
        class ActiveRecordError < StandardError; end

        %i[
          RecordNotFound RecordInvalid RecordNotSaved RecordNotDestroyed ConnectionNotEstablished StatementInvalid
          StaleObjectError ConnectionTimeoutError AdapterError
        ].each { |name| const_set(name, Class.new(ActiveRecordError)) }
        %i[
          RecordNotUnique InvalidForeignKey NotNullViolation Deadlocked LockWaitTimeout SerializationFailure
          QueryCanceled StatementTimeout TransactionRollbackError ValueTooLong
        ].each { |name| const_set(name, Class.new(StatementInvalid)) }
      end
    end
  end
end

Module.public_send(:prepend, Tasker::Compat::StandIns::ConstMissing)
