# frozen_string_literal: true

require_relative 'support/application'

RSpec.describe 'What the generators write', :rails_application do
  let(:stack) { Stack.shared }
  let(:space) { "gen#{Process.pid}" }

  def generate(*arguments, **variables)
    ended = rails('generate', *arguments, **variables)
    expect(ended.status).to be_success, ended.errors
    expect(ended.errors).to eq('')
    ended.output
  end

  # What `rspec` says of the written specs.
  def specs
    execute(RbConfig.ruby, '-W0', '-I', RailsApplication::LIB, '-S', 'rspec')
  end

  it 'passes its own specs and runs to complete, in both styles' do
    generate('tasker:task_handler', 'shop/process_order', '--steps', 'validate', 'charge', 'send-mail',
             '--namespace-name', space, '--description', 'Sells: "things"')
    generate('tasker:workflow', 'stock', '--module-namespace', 'Shop', '--namespace-name', space, '--version', '2.1.0')
    expect(generate('tasker:step_handler', 'shop/process_order/refund', '--engine')).to include('handler_class: Shop::ProcessOrder::Refund')
    generate('tasker:step_handler', 'Notify')
    expect(Dir.glob('{app,config/tasker,spec}/**/*.*', base: app)).to contain_exactly(
      'app/tasks/notify.rb', 'app/tasks/shop/process_order.rb',
      *%w[charge refund send_mail validate].map { |step| "app/tasks/shop/process_order/#{step}.rb" },
      *%w[finish prepare work].map { |step| "app/tasks/shop/stock/#{step}.rb" },
      'config/tasker/tasks/shop/process_order.yaml', 'config/tasker/tasks/shop/stock.yaml', 'spec/tasks/notify_spec.rb',
      'spec/tasks/shop/process_order/refund_spec.rb', 'spec/tasks/shop/process_order_spec.rb', 'spec/tasks/shop/stock_spec.rb'
    )
    ended = specs
    expect(ended.output).to match(/^10 examples, 0 failures/), ended.output + ended.errors

    registered = rails('tasker:templates:register', TASKER_URL: stack.api.to_s)
    expect(registered.output.lines).to contain_exactly("#{space}/process_order 1.0.0: registered\n", "#{space}/stock 2.1.0: registered\n"),
                                       registered.errors
    worker = Stack::Service.new(RbConfig.ruby, '-W0', 'bin/rails', 'tasker:worker', chdir: app,
                                environment: environment({}).merge(stack.environment))
    worker.wait_for(/worker started/)
    order = stack.wait(stack.submit("#{space}/process_order", { 'id' => 3 }))
    expect(order).to include('state' => 'complete')
    expect(order['steps'].to_h { |step| step.values_at('name', 'results') }).to match(
      'validate' => { 'validate' => true, 'given' => ['id'] }, 'charge' => { 'charge' => true, 'after' => a_collection_containing_exactly('validate', 'given') },
      'send_mail' => { 'send_mail' => true, 'after' => a_collection_containing_exactly('charge', 'after') }
    )
    expect(stack.wait(stack.submit("#{space}/stock", {}, version: '2.1.0'))).to include('state' => 'complete')
    worker.signal('TERM')
    expect(worker.wait).to have_attributes(exitstatus: 0)
  ensure
    worker&.stop
  end

  it 'goes where the application says, under its module' do
    write('config/initializers/tasker.rb', <<~RUBY)
      Tasker.configure do |config|
        config.engine { |engine| engine.task_handler_directory = 'flows'; engine.task_config_directory = 'flows' }
        config.engine.default_module_namespace = 'Shop'
      end
    RUBY
    write('spec/rails_helper.rb', "require_relative '../config/environment'\n")
    generate('tasker:workflow', 'sell', '--steps', 'offer')
    expect(Dir.glob('{app,config/flows,spec}/**/*.*', base: app)).to contain_exactly(
      'app/flows/shop/sell/offer.rb', 'config/flows/shop/sell.yaml', 'spec/flows/shop/sell_spec.rb', 'spec/rails_helper.rb'
    )
    expect(File.read(File.join(app, 'spec/flows/shop/sell_spec.rb'))).to include("require 'rails_helper'")
    expect(specs.output).to match(/^2 examples, 0 failures/)
  end

  it 'can be read, whatever YAML takes names for' do
    generate('tasker:task_handler', 'yes', '--steps', 'on', 'off', '--namespace-name', 'no')
    generate('tasker:workflow', 'shop/null', '--steps', 'true', 'y', '--namespace-name', 'null', '--description', 'a: b # c')
    expect(rails('tasker:templates:check').output.lines).to include("no/yes 1.0.0: has no mistake that shows here\n",
                                                                    "null/null 1.0.0: has no mistake that shows here\n")
    expect(specs.output).to match(/^6 examples, 0 failures/)
  end

  it 'can be loaded, line by line of the README' do
    lines = File.readlines(File.expand_path('../../README.md', __dir__)).grep(/\Arails generate tasker:/)
    lines.each { |line| generate(*line.split('#').first.split.drop(2)) }
    expect(lines.size).to be >= 3
    expect(rails('tasker:templates:check').output.scan('has no mistake that shows here').size).to eq(2)
    expect(specs.output).to match(/ 0 failures/)
  end

  it 'is nothing where a name or version cannot be' do
    ended = rails('generate', 'tasker:workflow', 'sell', '--version', '1.0')
    expect(ended.errors + ended.output).to include('--version 1.0: expected three numbers')
    ended = rails('generate', 'tasker:workflow', 'sell', '--steps', 'a', 'b', 'a')
    expect(ended.errors + ended.output).to include('--steps: a is there twice')
    %w[workflow task_handler step_handler].product(['shop/2nd_reminder', 'bad name', '9/sell']).each do |generator, name|
      ended = rails('generate', "tasker:#{generator}", name)
      expect(ended.errors + ended.output).to match(/#{name[/2nd_reminder|bad name|9/]}: expected names that begin with a letter/)
    end
    expect(Dir.glob('{app,config/tasker,spec}/**/*.*', base: app)).to eq([])
  end
end
