# frozen_string_literal: true

require 'optparse'
require_relative 'version'
require_relative 'errors'

module TaskerCore
  # The program `tasker-worker`: options, what they load, and what the process ends with.
  #
  # The gem itself is loaded after the options are read, and before the files of
  # `--require`, so that a mistake in the command line costs nothing.
  #
  # @api private
  class CLI
    OK = 0
    FAILED = 1
    REFUSED = 2

    # What a supervisor should not repeat unchanged.
    class Usage < StandardError; end

    # @return [Integer] exit status
    def self.call(arguments, out: $stdout, err: $stderr)
      new(out, err).call(arguments)
    end

    def initialize(out, err)
      @out = out
      @err = err
      @requires = []
      @templates = []
      @namespaces = []
      @set = {}
      @config_dir = ENV.fetch('TASKER_CONFIG_DIR', nil)
      @concurrency = @dispatch = @queue = nil
    end

    def call(arguments)
      return OK if read(arguments) == :done

      leave_when_told
      load_gem
      work
      OK
    rescue OptionParser::ParseError, Usage, ConfigurationError => e
      refuse(e, REFUSED)
    rescue Error, LoadError => e
      refuse(e, FAILED)
    end

    private

    def parser
      @parser ||= OptionParser.new do |options|
        options.banner = <<~TEXT
          Usage: tasker-worker --require FILE [options]

          Runs the steps of the handlers that FILE defines.

        TEXT
        inputs(options)
        settings(options)
        options.separator <<~TEXT

          Settings, each layer over the one before: built-in defaults, files in the
          configuration directory, TASKER__SECTION__KEY variables, the options above.
          DATABASE_URL is read when nothing else names a database.

          SIGTERM and SIGINT drain the worker: it takes no more steps, and running handlers
          get worker.drain_timeout_ms to finish. A second signal ends it at once.

          Ends with 0 after a signal, 2 for a command line, configuration or template it
          refuses, 1 for anything else. If FILE calls exit, it ends with what that says.
        TEXT
      end
    end

    def inputs(options)
      options.on('-r', '--require FILE', 'Ruby file that defines or loads handlers, such as',
                 './config/environment.rb of a Rails application;', 'may be given several times') { |file| @requires << file }
      options.on('-t', '--templates PATH', 'YAML file, or directory of them, with templates to',
                 'register at start; may be given several times') { |path| @templates << path }
    end

    def settings(options)
      options.on('-c', '--concurrency N', Integer, 'handlers that run at once (worker.concurrency)') { |n| @concurrency = n }
      options.on('-d', '--dispatch WAY', 'inline: run handlers here; sidekiq, active_job: enqueue', 'each step as a job, which the processes of the',
                 'application run') { |way| @dispatch = way }
      options.on('-q', '--queue NAME', 'queue of these jobs [default: default]') { |name| @queue = name }
      options.on('-n', '--namespace NAME', 'take steps from this namespace; may be given several',
                 'times. Without it: from those with a step for one of', 'the handlers') { |name| @namespaces << name }
      options.on('--config-dir DIR', 'directory of the configuration files',
                 '[default: TASKER_CONFIG_DIR, or config if there is one]') { |directory| @config_dir = directory }
      options.on('--set KEY=VALUE', 'sets a value above all files and variables;', 'may be given several times') do |text|
        key, value = text.split('=', 2)
        raise OptionParser::InvalidArgument, "#{text}: expected section.key=value" if value.nil? || key.empty?

        @set[key] = value
      end
      options.on('-V', '--version', 'prints the version') { finish("tasker-worker #{VERSION}") }
      options.on('-h', '--help', 'prints this') { finish(options.help) }
    end

    def finish(text)
      @out.puts(text)
      throw :done, :done
    end

    def read(arguments)
      catch(:done) do
        rest = parser.parse(arguments)
        raise Usage, "unexpected argument #{rest.first}: options begin with a dash" unless rest.empty?
        raise Usage, 'no handlers: name a file that defines them with --require' if @requires.empty?

        nil
      end
    end

    def load_gem
      leave_stuck_handlers
      require 'tasker_core'
      log_as_told
      @requires.each { |file| load_file(file) }
    end

    # A file is meant, or a library, as with `ruby -r`.
    def load_file(file)
      path = File.expand_path(file)
      if File.file?(path) || File.file?("#{path}.rb")
        require path
      elsif file.end_with?('.rb') || file.start_with?('.', '/')
        raise Usage, "--require #{file}: there is no such file#{' (a directory is none)' if File.directory?(path)}"
      else
        require file
      end
    rescue LoadError => e
      raise unless e.path == file

      raise Usage, "--require #{file}: there is no such file, and no library of that name"
    rescue ::Tasker::ConfigurationError, ::Tasker::InvalidTaskHandlerConfig => e
      raise ConfigurationError, "--require #{file}: #{e.message}"
    end

    def work
      @worker = Worker.new(config_dir: @config_dir, set: @set, templates: @templates,
                           namespaces: @namespaces, concurrency: @concurrency, dispatch: @dispatch, queue: @queue)
      @worker.run
    end

    # While files are loaded there is nothing to drain; the worker has traps of its own.
    def leave_when_told
      %w[TERM INT].each { |signal| trap(signal) { exit(OK) } }
    end

    # As the Rust half of the process, unless the host sets a logger of its own.
    def log_as_told
      format, level = @set.values_at('telemetry.log_format', 'telemetry.log_level')
      TaskerCore.logger = Logging.logger(format: format, level: level) if format || level
    end

    # Ruby waits at its end for every thread, and a handler that is deaf to everything
    # would keep the process for ever. Registered before the host's own endings, so that
    # it runs after them.
    def leave_stuck_handlers
      own = Process.pid
      at_exit do
        next unless Process.pid == own && @worker&.stuck&.positive?

        status = $!.is_a?(SystemExit) ? $!.status : FAILED
        @err.puts("tasker-worker: handlers that are still running and end with the process: #{@worker.stuck}")
        @err.flush
        Process.exit!(status)
      end
    end

    def refuse(error, status)
      @err.puts("tasker-worker: #{error.message}")
      @err.puts('Try tasker-worker --help.') if error.is_a?(OptionParser::ParseError) || error.is_a?(Usage)
      status
    end
  end
end
