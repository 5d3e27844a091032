# frozen_string_literal: true

require_relative 'support/helper'
require 'tasker_core/templates'
require 'tmpdir'

RSpec.describe TaskerCore::Templates, :tasker do
  around { |example| Dir.mktmpdir { |directory| (@directory = directory) && example.run } }

  def file(name, text)
    path = File.join(@directory, name)
    FileUtils.mkdir_p(File.dirname(path))
    File.write(path, text)
    path
  end

  def collect(paths = @directory, **options)
    described_class.collect(paths, environment: 'production', **options)
  end

  def maps(templates)
    templates.to_native.map { |native| JSON.parse(native['yaml']) }
  end

  let(:order) { <<~YAML }
    name: order
    namespace_name: shop
    version: 1.0.0
    task_handler_class: OrderTask
    step_templates:
      - name: validate
        handler_class: Orders::Validate
        default_retryable: no
        handler_config:
          window: 1:30
          mode: :fast
          level: 010
          limit: 1
      - name: charge
        handler_class: Orders::Charge
        depends_on_step: validate
        timeout_seconds: 5
        depends_on: validate
    environments:
      production:
        step_templates:
          - name: validate
            handler_config: {limit: 9}
          - name: nobody
            handler_config: {limit: 9}
  YAML

  it 'reads files as the Rails engine does and writes what nobody can misunderstand' do
    path = file('order.yaml', order)
    templates = collect(path)
    expect(templates.to_native.first).to include('source' => path, 'environment' => 'production')
    map = maps(templates).first
    expect(map).not_to have_key('environments')
    expect(map['step_templates'].first).to include(
      'default_retryable' => false, 'handler_config' => { 'window' => 5400, 'mode' => 'fast', 'level' => 8, 'limit' => 9 }
    )
    expect(map['step_templates'].last).to eq('name' => 'charge', 'handler_class' => 'Orders::Charge',
                                             'depends_on_step' => 'validate', 'timeout_seconds' => 5)
    expect(templates.handler_classes).to eq(%w[Orders::Validate Orders::Charge])
    expect(templates.warnings).to contain_exactly(/order.yaml: step charge: depends_on is not a field that is read; did you mean depends_on_step/)
  end

  it 'takes directories, and leaves YAML of other kinds alone' do
    file('tasks/order.yaml', order)
    file('tasks/deep/other.yml', order.sub('name: order', 'name: other'))
    file('tasks/subscriptions.yaml', "subscriptions:\n  - a\n")
    templates = collect
    expect(maps(templates).map { |map| map['name'] }).to contain_exactly('order', 'other')
    expect(templates.warnings.join).to include('subscriptions.yaml: not a workflow')
  end

  it 'lists every mistake with file and key' do
    file('a.yaml', order.sub('handler_class: Orders::Validate', 'handler_clas: X'))
    file('b.yaml', "name: [\n")
    file('c.yaml', "step_templates: &a []\nother: *a\n")
    file('d.yaml', "name: d\nstep_templates: []\nsince: 2024-01-01\n")
    file('e.yaml', "- step_templates\n")
    expect { collect }.to raise_error(TaskerCore::ConfigurationError) { |error|
      expect(error.message.lines.map { |line| line.chomp.delete_prefix("#{@directory}/") }).to contain_exactly(
        'a.yaml: step validate: handler_class is missing', /\Ab\.yaml:\d+: not valid YAML/, /\Ac\.yaml: anchors and aliases/,
        /\Ad\.yaml: .*Date.*; quote dates/, 'e.yaml: a workflow is a map of fields, not Array'
      )
    }
  end

  it 'refuses two workflows of one identity that differ, and takes one that is there twice' do
    file('a.yaml', order)
    file('b.yaml', order)
    expect(collect.size).to eq(1)
    file('b.yaml', order.sub('Orders::Charge', 'Orders::Other'))
    expect { collect }.to raise_error(TaskerCore::ConfigurationError, %r{b\.yaml: shop/order 1\.0\.0 is defined differently in .*a\.yaml})
  end

  it 'takes the workflows of loaded classes' do
    require 'faraday'
    handler('Fetch', Tasker::StepHandler::Api)
    handler('Ship')
    stub_const('Shipping', Class.new do
      include Tasker::TaskHandler
      register_handler(:shipping, namespace_name: 'shop', version: '2.0.0')
      define_step_templates do |templates|
        templates.define(name: 'fetch', handler_class: Fetch, dependent_system: 'api', handler_config:
          Tasker::StepHandler::Api::Config.new(url: 'https://a.example', params: { page: 1 }))
        templates.define(name: 'ship', handler_class: Ship, depends_on_steps: ['fetch'], default_retryable: false,
                         handler_config: Object.new, custom_events: [{ name: 'order.shipped' }])
      end
      def schema = { type: :object, properties: { id: { type: :integer } } }
      def update_annotations(*) = nil
    end)
    templates = collect([])
    map = maps(templates).first
    expect(map).to include('name' => 'shipping', 'namespace_name' => 'shop', 'version' => '2.0.0', 'task_handler_class' => 'Shipping',
                           'schema' => { 'type' => 'object', 'properties' => { 'id' => { 'type' => 'integer' } } })
    expect(map['step_templates'].first['handler_config']).to include('type' => 'api', 'url' => 'https://a.example', 'params' => { 'page' => 1 })
    expect(map['step_templates'].last).to include('depends_on_steps' => ['fetch'], 'default_retryable' => false)
    expect(map['step_templates'].last).not_to have_key('handler_config')
    expect(templates.warnings).to contain_exactly(/step ship: the handler_config is a Ruby object/)
  end

  it 'takes a ConfiguredTask and the file it is built from as the one workflow they are' do
    path = file('order.yaml', order)
    allow(Tasker).to receive(:environment).and_return('production')
    stub_const('OrderTask', Class.new(Tasker::ConfiguredTask) { define_singleton_method(:yaml_path) { path } })
    templates = collect(path)
    expect(templates.size).to eq(1)
    expect(Tasker::HandlerFactory.instance.get('order', namespace_name: 'shop', version: '1.0.0')).to be_a(OrderTask)
    handler('Orders::Charge') { def process(*) = 1 }
    expect(run(Orders::Charge, handler_class: 'Orders::Charge', namespace: 'shop', task_version: '1.0.0').succeeded).to eq([1])
  end

  describe 'a schema written in Ruby' do
    let(:path) { file('order.yaml', order) }

    before do
      allow(Tasker).to receive(:environment).and_return('production')
      place = path
      stub_const('OrderTask', Class.new(Tasker::ConfiguredTask) do
        define_singleton_method(:yaml_path) { place }
        def schema = { type: 'object', required: ['order_id'], properties: { order_id: { type: 'integer' } } }
      end)
    end

    it 'is that of a workflow whose file has none, whether the file or the class is read' do
      schema = { 'type' => 'object', 'required' => ['order_id'], 'properties' => { 'order_id' => { 'type' => 'integer' } } }
      expect(maps(collect(path, classes: false)).first['schema']).to eq(schema)
      expect(maps(collect([])).map { |map| map['schema'] }).to eq([schema])
      expect(collect(path).size).to eq(1)
    end

    it 'gives way to that of the file' do
      file('order.yaml', "schema: {type: object}\n#{order}")
      expect(maps(collect(path)).map { |map| map['schema'] }).to eq([{ 'type' => 'object' }])
    end
  end

  it 'leaves a schema to the version whose file has it, where two versions share a class' do
    allow(Tasker).to receive(:environment).and_return('production')
    stub_const('OrderTask', Class.new)
    old = file('a.yaml', order)
    new = file('b.yaml', "schema: {type: object}\n#{order.sub('1.0.0', '2.0.0')}")
    [new, old].each { |path| Tasker::TaskBuilder.from_yaml(path) }
    expect(maps(collect).to_h { |map| map.values_at('version', 'schema') }).to eq('1.0.0' => nil, '2.0.0' => { 'type' => 'object' })
  end

  it 'takes a ConfiguredTask under the name of its file and under the one it was registered by' do
    allow(Tasker).to receive(:environment).and_return('production')
    path = file('order.yaml', order)
    stub_const('OrderTask', Class.new(Tasker::ConfiguredTask) do
      define_singleton_method(:yaml_path) { path }
      register_handler('take_order')
    end)
    names = maps(collect).map { |map| map.values_at('namespace_name', 'name', 'version') }
    expect(names).to contain_exactly(%w[shop order 1.0.0], %w[default take_order 0.1.0])
  end

  it 'registers the custom events of files, and says which cannot be' do
    file('order.yaml', order.sub('    timeout_seconds: 5', <<~YAML.gsub(/^/, '    ').chomp))
      custom_events:
        - {name: invoice.written, description: An invoice is written}
        - {name: step.mine}
        - invoice.sent
    YAML
    templates = collect
    expect(Tasker::Events::CustomRegistry.instance.custom_events['invoice.written']).to eq(
      description: 'An invoice is written', fired_by: ['Orders::Charge']
    )
    heard = []
    Tasker::Events::Publisher.instance.subscribe('invoice.written') { |event| heard << event[:id] }
    Tasker::Events::Publisher.instance.publish('invoice.written', id: 7)
    expect(heard).to eq([7])
    expect(templates.warnings.grep(/custom event/)).to contain_exactly(
      /"step.mine".* of Orders::Charge is not registered: .*begin with step\. are the engine's/,
      /"invoice.sent" of Orders::Charge is not registered: it is no map/
    )
    expect(maps(templates).first['step_templates'].last).not_to have_key('custom_events')
  end

  it 'names a class that cannot be built' do
    stub_const('Broken', Class.new do
      include Tasker::TaskHandler
      register_handler('broken')
    end)
    expect { collect([]) }.to raise_error(TaskerCore::ConfigurationError, /Broken: it is registered and has no steps; call define_step_templates/)
  end
end
