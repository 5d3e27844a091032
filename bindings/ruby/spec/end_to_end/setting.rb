# frozen_string_literal: true

require 'rbconfig'
require 'tmpdir'
require 'support/stack'
require 'tasker_core'

# Workers on a real stack: in this process, or as the program.
module EndToEnd
  GEM = File.expand_path('../..', __dir__)
  HANDLERS = File.expand_path('handlers', __dir__)

  def stack
    Stack.shared
  end

  # A namespace that no other example uses, and so a queue of its own.
  def namespace
    @namespace ||= "rt#{Process.pid % 100_000}_#{EndToEnd.next_number}"
  end

  def self.next_number
    @number = (@number || 0) + 1
  end

  # A workflow of one file: `steps` gives the handler class and more for each name.
  def template(name, steps)
    step_templates = steps.map { |step, (handler, more)| { 'name' => step, 'handler_class' => handler, **(more || {}) } }
    JSON.generate('name' => name, 'namespace_name' => namespace, 'version' => '1.0.0',
                  'task_handler_class' => 'EndToEnd::Task', 'step_templates' => step_templates)
  end

  def register(name, steps)
    stack.register(template(name, steps))
  end

  def submit(name, context = {})
    stack.submit("#{namespace}/#{name}", context)
  end

  def wait(task_id)
    stack.wait(task_id)
  end

  # Results by step name.
  def results(task)
    task.fetch('steps').to_h { |step| [step['name'], step['results']] }
  end

  def states(task)
    task.fetch('steps').to_h { |step| [step['name'], step['state']] }
  end

  # A worker of this process for the namespace of the example.
  def worker(handlers: {}, **options)
    registry = TaskerCore::Registry.new
    handlers.each { |name, handler| registry.register(name, handler) }
    @log = StringIO.new
    worker = TaskerCore::Worker.start(set: stack.settings, namespaces: [namespace], registry: registry,
                                      logger: TaskerCore::Logging.logger(io: @log, format: 'json'), **options)
    (@workers ||= []) << worker
    worker
  end

  def stop_workers
    (@workers || []).each do |worker|
      worker.stop
      worker.join(SpecSupport::PATIENCE)
    rescue TaskerCore::WorkerFailed
      nil
    end
  end

  # The program, with the handlers of a file in spec/end_to_end/handlers.
  def program(*arguments, handlers: nil, environment: {})
    arguments = ['--require', File.join(HANDLERS, "#{handlers}.rb"), *arguments] if handlers
    service = Stack::Service.new(RbConfig.ruby, '-I', File.join(GEM, 'lib'), File.join(GEM, 'exe/tasker-worker'), *arguments,
                                 environment: stack.environment.merge(environment))
    (@programs ||= []) << service
    service
  end

  def stop_programs
    (@programs || []).each(&:stop)
  end
end

RSpec.configure do |config|
  config.include EndToEnd, :end_to_end
  config.after(:each, :end_to_end) do
    stop_workers
    stop_programs
  end
end
