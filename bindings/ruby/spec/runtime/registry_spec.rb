# frozen_string_literal: true

require 'tmpdir'
require_relative 'fakes'

RSpec.describe TaskerCore::Registry do
  subject(:registry) { described_class.new }

  def target(name)
    registry.resolve(name).to_a
  end

  it 'prefers what is registered to resolvers, and those to constants' do
    stub_const('Shop::Charge', constant = Class.new(TaskerCore::StepHandler) { def call(context); end })
    expect(target('Shop::Charge')).to eq([:call, constant])

    from_resolver = ->(context) {}
    registry.resolver { |name| from_resolver if name == 'Shop::Charge' }
    expect(target('Shop::Charge')).to eq([:block, from_resolver])

    registry.register('Shop::Charge') { |context| context }
    expect(registry.resolve('Shop::Charge').target).not_to be(from_resolver)
    expect(registry.names).to eq(['Shop::Charge'])
  end

  it 'asks resolvers in their order until one knows' do
    asked = []
    registry.resolver { |name| (asked << [1, name]) && nil }
    registry.resolver { |_| asked << 2 and ->(_) {} }
    registry.resolver { asked << 3 }
    registry.resolve('any/name at all')
    expect(asked).to eq([[1, 'any/name at all'], 2])
  end

  it 'finds constants only under their full names' do
    stub_const('Shop', Module.new)
    expect { registry.resolve('Shop::String') }.to raise_error(TaskerCore::UnknownHandler)
  end

  it 'says of names that are no constants how to register them' do
    ['', 'lower', 'A::b', 'A B', "A\nB", '../x'].each do |name|
      expect { registry.resolve(name) }
        .to raise_error(TaskerCore::UnknownHandler, /not the name of a constant; register it/)
    end
  end

  it 'takes whatever answers to call with a context' do
    stub_const('Mod', Module.new { def self.call(context) = context })
    stub_const('Plain', Class.new { def call(context) = context })
    stub_const('ClassLevel', Class.new { def self.call(context) = context })
    stub_const('Flexible', Class.new { def call(*all, key: 1) = [all, key] })
    expect(registry.resolve('Mod').kind).to eq(:block)
    expect(registry.resolve('Plain').kind).to eq(:call)
    expect(registry.resolve('ClassLevel').kind).to eq(:block)
    expect(registry.resolve('Flexible').kind).to eq(:call)
    registry.register('method', [].method(:push))
    expect(registry.resolve('method').kind).to eq(:block)
  end

  it 'knows classes in the style of the Rails engine by their methods' do
    stub_const('Old', Class.new { def process(task, sequence, step) = nil })
    stub_const('Older', Class.new { def handle(task, sequence, step) = nil })
    expect(registry.resolve('Old').kind).to eq(:engine)
    expect(registry.resolve('Older').kind).to eq(:engine)
  end

  describe 'what can run no step' do
    {
      Class.new => /neither call\(context\) nor process/,
      Class.new(TaskerCore::StepHandler) => /neither call/,
      Class.new { def call = nil } => /call must take one argument, the context; it takes 0/,
      Class.new { def call(one, two, *rest) = nil } => /it takes 2 or more/,
      Class.new { def call(context, key:) = nil } => /it needs key:/,
      Class.new { def initialize(client) = nil
                  def call(context) = nil } => /constructor must take no arguments.*it takes 1/,
      Class.new { def process(task, step) = nil } => /process must take \(task, sequence, step\); it takes 2/,
      Class.new { def process(task, sequence, step) = nil
                  def process_results(step) = nil } => /process_results must take/,
      Module.new => /a module without call\(context\)/,
      3 => /an object of class Integer without call/,
      -> {} => /call must take one argument/
    }.each do |target, message|
      it "is refused precisely: #{message.source}" do
        expect { registry.register('Probe', target) }.to raise_error(TaskerCore::UnusableHandler, message)
        registry.resolver { target }
        expect { registry.resolve('Other') }.to raise_error(TaskerCore::UnusableHandler, /handler Other cannot be used: .*/)
        expect(registry.resolves?('Other')).to be(true)
      end
    end
  end

  it 'takes constructors with arguments that need not be given' do
    stub_const('Optional', Class.new { def initialize(client = nil, key: 1) = nil
                                       def call(context) = nil })
    expect(registry.resolve('Optional').kind).to eq(:call)
  end

  it 'tells a file that fails to load from a handler that is not there' do
    Dir.mktmpdir do |directory|
      { 'BrokenSyntax' => 'class BrokenSyntax; def; end', 'BrokenName' => 'class BrokenName < NoSuchBase; end',
        'BrokenRequire' => 'require "no_such_library"' }.each do |name, source|
        file = File.join(directory, "#{name}.rb")
        File.write(file, source)
        Object.autoload(name, file)
        expect { registry.resolve(name) }.to raise_error(TaskerCore::UnusableHandler, /#{name}.*loading it failed/)
      ensure
        Object.send(:remove_const, name) if Object.autoload?(name)
      end
    end
  end

  it 'uses code that was reloaded' do
    stub_const('Reloaded', Class.new { def call(context) = context })
    first = registry.resolve('Reloaded').target
    stub_const('Reloaded', Class.new { def call(context) = context })
    expect(registry.resolve('Reloaded').target).not_to be(first)
  end

  it 'looks at a class once, and at another one of the same name anew' do
    stub_const('Once', Class.new { def call(context) = context })
    expect(registry.resolve('Once')).to equal(registry.resolve('Once'))
    stub_const('Once', Class.new { def process(*) = nil })
    expect(registry.resolve('Once').kind).to eq(:engine)
  end

  it 'takes a class by its own name, and refuses one without' do
    stub_const('Named', Class.new { def call(context) = context })
    expect(registry.register(Named).names).to eq(['Named'])
    expect { registry.register(Class.new { def call(context) = nil }) }.to raise_error(ArgumentError, /needs a name/)
    expect { registry.register('Empty') }.to raise_error(ArgumentError, /nothing to register for Empty/)
  end
end
