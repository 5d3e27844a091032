# frozen_string_literal: true

require 'json'
require 'logger'
require 'time'

module TaskerCore
  # Log lines like those of the Rust services: to stderr, one line an event, as JSON
  # or for people, so that one search finds a step in both halves of a worker.
  #
  # Contexts and results of tasks are never logged here.
  module Logging
    # json, human or auto, as the services read it.
    FORMAT_VARIABLE = 'TASKER__TELEMETRY__LOG_FORMAT'
    # The level, as the services read it.
    LEVEL_VARIABLE = 'TASKER__TELEMETRY__LOG_LEVEL'

    LEVELS = {
      'trace' => ::Logger::DEBUG, 'debug' => ::Logger::DEBUG, 'info' => ::Logger::INFO,
      'warn' => ::Logger::WARN, 'error' => ::Logger::ERROR, 'off' => ::Logger::UNKNOWN
    }.freeze
    private_constant :LEVELS

    # A message with fields, and the step it belongs to (its span, for those who know
    # the word from the services).
    Line = Struct.new(:message, :fields, :step) do
      # For formatters that know nothing of lines.
      def to_s
        text = step.empty? ? '' : "[#{Logging.pairs(step)}] "
        text += message.to_s
        fields.empty? ? text : "#{text} #{Logging.pairs(fields)}"
      end
      alias_method :inspect, :to_s
    end

    module_function

    # @param io [IO] where the lines go
    # @param format ['json', 'human', 'auto', nil] as `telemetry.log_format`;
    #   nil is what the environment says, and that is auto unless it says something
    # @param level [String, nil] as `telemetry.log_level`; of a list of targets only
    #   the one without a name counts
    # @return [::Logger]
    def logger(io: $stderr, format: nil, level: nil)
      format ||= ENV.fetch(FORMAT_VARIABLE, 'auto')
      level ||= ENV.fetch(LEVEL_VARIABLE, 'info')
      human = format == 'human' || (format == 'auto' && io.tty?)
      ::Logger.new(io, level: severity(level), formatter: human ? HumanFormatter.new : JsonFormatter.new)
    end

    # @api private
    def severity(level)
      general = level.to_s.downcase.split(',').map(&:strip).find { |part| !part.include?('=') }
      LEVELS.fetch(general, ::Logger::INFO)
    end

    # A line about what goes on around handlers. A logger that fails must cost neither a
    # step nor a thread nor an event.
    #
    # @api private
    # @return [void]
    def say(logger, level, message, fields = {}, step = {})
      logger.public_send(level, Line.new(message, fields, step))
    rescue StandardError
      nil
    end

    # What handlers log, with what the host filters from its logs masked.
    #
    # @api private
    def masked(fields)
      return fields if fields.empty? || !defined?(::Tasker.configuration)

      filter = ::Tasker.configuration.telemetry.parameter_filter
      filter ? filter.filter(fields) : fields
    end

    # @api private
    def pairs(fields)
      fields.map { |key, value| "#{key}=#{value.is_a?(String) && value.match?(/[\s"=]/) ? value.inspect : value}" }.join(' ')
    end

    # Any object as a line.
    #
    # @api private
    def line(message)
      return message if message.is_a?(Line)

      text = case message
             when String then message
             when Exception then "#{message.message} (#{message.class})"
             else message.inspect
             end
      Line.new(text, {}, {})
    end

    # @api private
    def utf8(text)
      text = text.to_s
      return text if text.encoding == ::Encoding::UTF_8 && text.valid_encoding?

      text.encode(::Encoding::UTF_8, invalid: :replace, undef: :replace).scrub
    end

    # One JSON object a line, with the keys of the Rust services.
    class JsonFormatter
      # Called by Logger.
      def call(severity, time, progname, message)
        line = Logging.line(message)
        object = {
          'timestamp' => time.getutc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ'),
          'level' => severity == 'FATAL' || severity == 'ANY' ? 'ERROR' : severity,
          'message' => Logging.utf8(line.message)
        }
        line.fields.each { |key, value| object[key.to_s] = plain(value) }
        object['target'] = (progname || 'ruby').to_s
        object['span'] = line.step.merge('name' => 'step') unless line.step.empty?
        "#{JSON.generate(object)}\n"
      end

      private

      def plain(value)
        case value
        when Integer, true, false, nil then value
        when Float then value.finite? ? value : value.to_s
        when String then Logging.utf8(value)
        else Logging.utf8(value.is_a?(Symbol) ? value : value.inspect)
        end
      end
    end

    # One line for people, as the Rust services print them to a terminal.
    class HumanFormatter
      # Called by Logger.
      def call(severity, time, progname, message)
        line = Logging.line(message)
        span = line.step.empty? ? '' : "step{#{Logging.pairs(line.step)}}: "
        fields = line.fields.empty? ? '' : " #{Logging.pairs(line.fields)}"
        stamp = time.getutc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ')
        "#{stamp} #{severity.rjust(5)} #{span}#{progname || 'ruby'}: #{Logging.utf8(line.message)}#{fields}\n"
      end
    end

    # The logger of one attempt: a Logger like any other, whose lines carry the step.
    #
    #   context.logger.info('charged', amount_cents: 500)
    class StepLogger < ::Logger
      # @param logger [::Logger] where the lines go
      # @param step [Hash] what every line says of its step
      def initialize(logger, step)
        super(nil)
        @logger = logger
        @step = step
      end

      # @return [Integer] the level of the logger behind
      def level
        @logger.level
      end

      # Called by all of info, warn and so on.
      def add(severity, message = nil, progname = nil)
        severity ||= UNKNOWN
        return true if severity < level

        if message.nil?
          message = block_given? ? yield : progname
          progname = nil unless block_given?
        end
        write(severity, message, {}, progname)
      end
      alias log add

      %w[debug info warn error fatal unknown].each do |name|
        severity = const_get(name.upcase)
        define_method(name) do |message = nil, **fields, &block|
          next true if severity < level

          message = block.call if block
          write(severity, message, fields, nil)
        end
        define_method("#{name}?") { severity >= level }
      end

      private

      def write(severity, message, fields, progname)
        line = Line.new(Logging.line(message).message, Logging.masked(fields), @step)
        # Formatters of others take strings as they are and inspect all else.
        line = line.to_s unless structured?
        @logger.add(severity, line, progname)
      end

      def structured?
        formatter = @logger.respond_to?(:formatter) ? @logger.formatter : nil
        formatter.is_a?(JsonFormatter) || formatter.is_a?(HumanFormatter)
      end
    end

    TRACEPARENT = /\A\h{2}-(?<trace>\h{32})-(?<span>\h{16})-\h{2}\z/.freeze
    private_constant :TRACEPARENT

    # What the lines of a step say of it, named as the Rust services name it.
    #
    # @api private
    # @return [Hash{String=>Object}]
    def step_fields(execution)
      fields = {
        'task_id' => execution.task_id, 'step_id' => execution.step_id, 'step' => execution.step_name,
        'attempt' => execution.attempt, 'handler' => execution.handler_class
      }
      fields['correlation_id'] = execution.correlation_id if execution.correlation_id
      if (trace = TRACEPARENT.match(execution.traceparent.to_s))
        fields['trace_id'] = trace[:trace]
        fields['parent_span_id'] = trace[:span]
      end
      fields
    end
  end

  class << self
    # Where the worker and `context.logger` write; set it to the host's own.
    attr_writer :logger

    # @return [::Logger] the one that was set, else Rails', else lines as those of the services
    def logger
      @logger || rails_logger || (@own_logger ||= Logging.logger)
    end

    private

    def rails_logger
      ::Rails.logger if defined?(::Rails) && ::Rails.respond_to?(:logger)
    end
  end
end
