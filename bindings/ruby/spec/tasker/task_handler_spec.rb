# frozen_string_literal: true

require_relative 'support/helper'
require 'tmpdir'

RSpec.describe Tasker::TaskHandler, :tasker do
  let(:factory) { Tasker::HandlerFactory.instance }

  def workflow(name = 'Order', &body)
    stub_const(name, Class.new { include Tasker::TaskHandler }.tap { |klass| klass.class_eval(&body) })
  end

  before { handler('Validate') { def process(*) = { valid: config } } }

  describe 'steps' do
    it 'have the defaults of the engine, and ignore options that nobody knows' do
      klass = workflow do
        define_step_templates { |templates| templates.define(name: 'validate', handler_class: Validate, colour: :red) }
      end
      expect(klass.new.step_templates.first).to have_attributes(
        name: 'validate', description: 'validate', dependent_system: 'unknown', default_retryable: true,
        default_retry_limit: 3, skippable: false, depends_on_step: nil, depends_on_steps: [], handler_config: nil
      )
      expect(klass.new.step_handler_class_map).to eq('validate' => 'Validate')
    end

    it 'refuse what is missing or of the wrong type' do
      define = ->(**options) { workflow { define_step_templates { |templates| templates.define(**options) } } }
      expect { define.call(name: 'a') }.to raise_error(KeyError, /handler_class/)
      expect { define.call(name: :a, handler_class: Validate) }.to raise_error(Tasker::Types::Error, /name must be a String, not :a/)
      expect { define.call(name: 'a', handler_class: 'Validate') }.to raise_error(Tasker::Types::Error, /handler_class must be a class/)
      expect { define.call(name: 'a', handler_class: Validate, default_retry_limit: '3') }.to raise_error(Tasker::Types::Error)
    end

    it 'register the custom events they name' do
      workflow do
        define_step_templates do |templates|
          templates.define(name: 'a', handler_class: Validate, custom_events: [{ name: 'order.seen', description: 'd' }])
        end
      end
      expect(Tasker::Events::CustomRegistry.instance.custom_events['order.seen']).to eq(description: 'd', fired_by: ['Validate'])
    end
  end

  describe 'the registry' do
    it 'gives new instances by namespace, name and version' do
      klass = workflow { register_handler(:order, namespace_name: 'shop', version: '1.0.0') }
      one = factory.get('order', namespace_name: 'shop', version: '1.0.0')
      expect(one).to be_a(klass)
      expect(factory.get('order', namespace_name: :shop, version: '1.0.0')).not_to equal(one)
      expect(factory.registered_namespaces).to eq([:shop])
      expect(factory.list_handlers(namespace: 'shop')).to eq(order: { '1.0.0' => klass })
      expect(factory.stats).to include(total_handlers: 1)
    end

    it 'says what is missing' do
      expect { factory.get('none') }.to raise_error(Tasker::ProceduralError, 'No task handler for none')
      expect { factory.get('none', namespace_name: 'shop', version: '2.0.0') }
        .to raise_error(Tasker::ProceduralError, 'No task handler for none in namespace shop and version 2.0.0')
      factory.register('gone', 'NoSuch::Handler')
      expect { factory.get('gone') }.to raise_error(Tasker::ProceduralError, /uninitialized constant NoSuch/)
    end

    it 'refuses a second handler of the same name unless told to replace it' do
      other = workflow('Other') { register_handler('order') }
      klass = workflow { nil }
      expect { factory.register('order', klass) }.to raise_error(Tasker::ProceduralError, /already \(Other\); pass replace: true/)
      factory.register('order', klass, replace: true)
      expect(factory.get('order')).to be_a(klass)
      other.register_handler('order')
      expect(factory.get('order')).to be_a(other)
    end
  end

  describe 'get_step_handler' do
    it 'is honoured where a workflow overrides it' do
      handler('Counting') do
        def initialize(times, config: nil)
          super(config: config)
          @times = times
        end

        def process(*) = { times: @times }
      end
      workflow do
        register_handler('order')
        define_step_templates { |templates| templates.define(name: 'charge', handler_class: Counting) }
        def get_step_handler(step) = Counting.new(step.name.size)
      end
      expect(run(Counting, handler_class: 'Counting').results).to eq('times' => 6)
    end

    it 'gives handlers of code-defined steps the very object that was defined' do
      settings = Object.new
      handler('Live') { define_method(:process) { |*| { same: config.equal?(settings) } } }
      workflow do
        register_handler('order')
        define_step_templates { |templates| templates.define(name: 'charge', handler_class: Live, handler_config: settings) }
      end
      expect(run(Live, handler_class: 'Live').results).to eq('same' => true)
    end

    it 'does not stand in the way of a task whose template was another' do
      workflow do
        register_handler('order')
        define_step_templates { |templates| templates.define(name: 'other', handler_class: Validate) }
      end
      expect(run(Validate, config: { 'a' => 1 }).results).to eq('valid' => { 'a' => 1 })
    end
  end

  it 'says who drives tasks now' do
    klass = workflow { register_handler('order') }
    expect { klass.new.initialize_task!(nil) }.to raise_error(Tasker::UnsupportedError, /TaskerCore\.submit/)
    expect { klass.new.handle(nil) }.to raise_error(Tasker::UnsupportedError, /start a worker/)
  end

  describe 'a workflow from YAML' do
    let(:yaml) do
      {
        'name' => 'process_order', 'namespace_name' => 'shop', 'version' => '1.0.0', 'task_handler_class' => 'ProcessOrder',
        'default_dependent_system' => 'warehouse', 'schema' => { 'type' => 'object' }, 'named_steps' => %w[validate fetch],
        'step_templates' => [
          { 'name' => 'validate', 'handler_class' => 'Validate', 'handler_config' => { 'limit' => 1, 'keep' => true } },
          { 'name' => 'fetch', 'handler_class' => 'NotLoaded::Fetch', 'depends_on_step' => 'validate',
            'handler_config' => { 'type' => 'api', 'url' => 'https://a.example' } }
        ],
        'environments' => {
          'test' => { 'step_templates' => [{ 'name' => 'validate', 'handler_config' => { 'limit' => 5 } },
                                           { 'name' => 'unknown', 'handler_config' => {} }] }
        }
      }
    end

    before do
      require 'faraday'
      allow(Tasker).to receive(:environment).and_return('test')
    end

    # Building makes the class where there is none; a stub takes it away again.
    before { stub_const('ProcessOrder', Class.new) }

    it 'makes the class where there is none' do
      hide_const('ProcessOrder')
      built = Tasker::TaskBuilder.new(config: yaml.merge('module_namespace' => 'Tasker', 'task_handler_class' => 'MadeBySpec'))
      expect(built.handler_class).to equal(Tasker::MadeBySpec)
    ensure
      Tasker.send(:remove_const, :MadeBySpec)
    end

    it 'becomes a registered class with steps, schema and constants' do
      built = Tasker::TaskBuilder.new(config: yaml)
      made = factory.get('process_order', namespace_name: 'shop', version: '1.0.0')
      expect(made).to be_a(ProcessOrder)
      expect(made.step_templates.map(&:dependent_system)).to eq(%w[warehouse warehouse])
      expect(made.step_templates.first.handler_config).to eq('limit' => 5, 'keep' => true)
      expect(made.step_templates.last.handler_config).to be_a(Tasker::StepHandler::Api::Config)
      expect(made.schema).to eq('type' => 'object')
      expect([ProcessOrder::NAMED_STEPS, built.handler_class]).to eq([%w[validate fetch], ProcessOrder])
    end

    it 'fails only the step whose handler class is missing' do
      Tasker::TaskBuilder.new(config: yaml)
      made = factory.get('process_order', namespace_name: 'shop', version: '1.0.0')
      expect(made.get_step_handler(Tasker::NamedStep.new('validate'))).to be_a(Validate)
      expect { made.get_step_handler(Tasker::NamedStep.new('fetch')) }
        .to raise_error(NameError, /NotLoaded::Fetch is not defined in this process; require/)
    end

    it 'is refused with every mistake named' do
      broken = { 'name' => :sym, 'named_steps' => ['a'],
                 'step_templates' => [{ 'name' => 'a', 'depends_on_steps' => 'b', 'default_retryable' => 'x' }, 'text'] }
      expect { Tasker::TaskBuilder.new(config: broken, source: 'order.yaml') }.to raise_error(Tasker::InvalidTaskHandlerConfig) { |error|
        expect(error.message.lines.map(&:chomp)).to include(
          'order.yaml: task_handler_class is missing', 'order.yaml: name must be a String, not :sym',
          'order.yaml: step a: handler_class is missing', 'order.yaml: step a: depends_on_steps must be a list, not "b"',
          'order.yaml: step a: default_retryable must be true or false, not "x"',
          'order.yaml: step_templates[1] must be a map of fields, not "text"',
          'order.yaml: step a: b is not in named_steps; add it there, or remove named_steps'
        )
      }
    end

    it 'is found by the name of a ConfiguredTask, and built again only when it changes' do
      Dir.mktmpdir do |root|
        allow(Tasker).to receive(:root).and_return(Pathname.new(root))
        stub_const('ProcessOrder', Class.new(Tasker::ConfiguredTask))
        path = File.join(root, 'config/tasker/tasks/process_order.yaml')
        FileUtils.mkdir_p(File.dirname(path))
        File.write(path, yaml.to_yaml)
        one = ProcessOrder.new
        expect(one).to have_attributes(handler_class: ProcessOrder, schema: { 'type' => 'object' })
        expect(ProcessOrder.new.step_templates).to equal(one.step_templates)
        File.write(path, yaml.merge('version' => '1.1.0').to_yaml)
        ProcessOrder.new
        expect(factory.get('process_order', namespace_name: 'shop', version: '1.1.0')).to be_a(ProcessOrder)
      end
    end
  end
end
