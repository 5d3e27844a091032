# frozen_string_literal: true

require_relative 'support/application'

RSpec.describe 'The gem in a Rails application', :rails_application do
  let(:handlers) { "class Shop::Charge < Tasker::StepHandler::Base\n  def process(*) = { 'version' => 1 }\nend\n" }
  let(:facts) { "puts({ host: TaskerCore.host.class.name, wrappers: TaskerCore.around.instance_variable_get(:@wrappers).size }.to_json)" }

  it 'joins it, whichever was loaded first' do
    [{}, { GEM_FIRST: '1' }].each do |order|
      ended = booted(facts, **order)
      expect(ended.status).to be_success, ended.errors
      expect(ended.facts).to eq('host' => 'TaskerCore::RailsHost', 'wrappers' => 1)
    end
  end

  it 'is nothing to a process without Rails' do
    ended = script("require 'tasker_core'\n#{facts.sub('puts({', 'puts({ rails: defined?(Rails),')}")
    expect(ended.facts).to eq('rails' => nil, 'host' => 'TaskerCore::Host', 'wrappers' => 0)
    ended = script("require 'tasker_core'\nTasker.configure { |config| config.execution.max_concurrent_steps_limit = 2 }\n#{OPTIONS}")
    expect(ended.facts).to eq('handlers' => [], 'templates' => [], 'settings' => { 'worker.concurrency' => '2' })
    ended = script("require 'tasker_core'\nTasker.configure { |config| config.auth.authorization_enabled = true }\n#{OPTIONS}")
    expect(ended.errors).to match(/auth\.authorization_enabled.*\(TaskerCore::ConfigurationError\)/)
  end

  it 'starts nothing by itself, so that the process may fork' do
    write('app/tasks/shop/charge.rb', "raise 'loaded'")
    ended = booted(<<~RUBY)
      threads = Thread.list.map { |thread| thread.name.to_s }.grep(/tasker/)
      workers = ObjectSpace.each_object(TaskerCore::Native::Worker).count
      # Only a process whose parent has a worker is refused one; this one has no setting to start with.
      reader, writer = IO.pipe
      fork do
        TaskerCore::Native::Worker.start('overrides' => [['worker.concurrency', 'many']])
      rescue TaskerCore::Error => e
        writer.write(e.class.name)
        exit!(0)
      end
      writer.close
      puts({ threads: threads, workers: workers, child: reader.read }.to_json)
    RUBY
    expect(ended.facts).to eq('threads' => [], 'workers' => 0, 'child' => 'TaskerCore::ConfigurationError')
  end

  it 'logs where Rails does, and masks what Rails filters' do
    ended = booted(<<~RUBY, GEM_FIRST: '1')
      same = TaskerCore.logger.equal?(Rails.logger) && Tasker.logger.equal?(Rails.logger)
      TaskerCore::Logging::StepLogger.new(TaskerCore.logger, {}).info('paid', iban: 'AT61 1904', amount: 3)
      puts({ same: same }.to_json)
    RUBY
    expect(ended.facts).to eq('same' => true)
    expect(ended.errors).to include('paid iban=[FILTERED] amount=3')
    expect(ended.errors).not_to include('AT61')
  end

  it 'masks what Rails filters even if it was asked before Rails knew' do
    write('config/initializers/a.rb', "Tasker.configure { |config| config.telemetry.service_name = 'shop' }\n")
    write('config/initializers/b.rb', "Rails.application.config.filter_parameters += %i[pin]\n")
    filters = 'puts Tasker.configuration.telemetry.filter_parameters.to_json'
    expect(booted(filters).facts).to eq(%w[iban pin])
    write('config/initializers/a.rb', "Tasker.configure { |config| config.telemetry.filter_parameters << :own }\n")
    expect(booted(filters).facts).to eq(%w[iban own])
  end

  it 'answers requests to the engine\'s routes, where they are mounted, with what has become of them' do
    write('config/routes.rb', "Rails.application.routes.draw { mount Tasker::Engine, at: '/tasker', as: 'tasker' }\n")
    ended = booted(<<~RUBY, WITH_CONTROLLER: '1')
      status, headers, body = Rails.application.call(Rack::MockRequest.env_for('/tasker/tasks', method: 'POST'))
      puts({ status: status, type: headers['content-type'] || headers['Content-Type'], error: JSON.parse(body.each.to_a.join)['error'] }.to_json)
    RUBY
    expect(ended.facts).to match('status' => 410, 'type' => 'application/json', 'error' => /REST API.*orchestration service/)
    expect(ended.errors.scan('Tasker::Engine answers every request with 410 (gone)').size).to eq(1)
  end

  # What a worker would be started with, without one.
  OPTIONS = <<~RUBY
    settings = TaskerCore::Settings.new(config_dir: nil, set: {}, handlers: nil, templates: nil, namespaces: nil,
                                        concurrency: nil, registry: TaskerCore.registry)
    options = settings.to_native
    puts({ handlers: options['handler_classes'], settings: options['overrides'].to_h,
           templates: options['templates'].map { |one| JSON.parse(one['yaml'])['name'] } }.to_json)
  RUBY

  describe 'for a worker' do
    before do
      write('app/tasks/shop/charge.rb', handlers)
      write('app/tasks/shop/sell.rb', <<~RUBY)
        class Shop::Sell
          include Tasker::TaskHandler
          register_handler('sell', namespace_name: 'shop', version: '1.0.0')
          define_step_templates { |steps| steps.define(name: 'charge', handler_class: Shop::Charge) }
        end
      RUBY
      write('app/tasks/concerns/priced.rb', "module Priced\nend\n")
      write('config/tasker/tasks/order.yaml', <<~YAML)
        {name: order, namespace_name: shop, version: 1.0.0, task_handler_class: Order,
         step_templates: [{name: charge, handler_class: Shop::Charge}]}
      YAML
    end

    it 'loads the classes below app/tasks and the files below config/tasker/tasks, eagerly or not' do
      %w[0 1].each do |eager|
        ended = booted(OPTIONS, EAGER: eager)
        expect(ended.status).to be_success, ended.errors
        expect(ended.facts).to include('handlers' => ['Shop::Charge'], 'templates' => contain_exactly('order', 'sell'))
      end
    end

    it 'looks where the application says' do
      write('app/workflows/pay.rb', "class Pay < TaskerCore::StepHandler\n  def call(_context) = 1\nend\n")
      write('config/workflows/pay.yaml', '{name: pay, step_templates: [{name: pay, handler_class: Pay}]}')
      write('config/initializers/tasker.rb', <<~RUBY)
        Tasker.configuration do |config|
          config.engine { |engine| engine.task_handler_directory = 'workflows'; engine.task_config_directory = 'workflows' }
          config.execution.max_concurrent_steps_limit = 6
          config.health.cache_duration_seconds = 30
        end
      RUBY
      ended = booted(OPTIONS)
      expect(ended.facts).to eq('handlers' => ['Pay'], 'templates' => ['pay'], 'settings' => { 'worker.concurrency' => '6' })
      expect(ended.errors.scan(/health.cache_duration_seconds \(config.initializers.tasker\.rb:4\) has no effect/).size).to eq(1)
      expect(booted(OPTIONS, TASKER__WORKER__CONCURRENCY: '3').facts['settings']).to eq({})
    end

    it 'names the file that cannot be loaded' do
      write('app/tasks/shop/broken.rb', "class Shop::Broken < NoSuchBase\nend\n")
      ended = booted(OPTIONS)
      expect(ended.errors).to match(%r{app/tasks/shop/broken\.rb: loading failed: uninitialized constant NoSuchBase.*TaskerCore::ConfigurationError})
    end
  end

  it 'refuses to start with a value that cannot be kept, naming its line and what to do' do
    write('config/initializers/tasker.rb', "Tasker.configure do |config|\n  config.auth.authentication_enabled = true\nend\n")
    ended = booted("puts 'booted'")
    expect(ended.status).not_to be_success
    refusal = %r{auth\.authentication_enabled \(config/initializers/tasker\.rb:2\): this gem mounts no routes.*put what authenticates in front}
    expect(ended.errors).to match(refusal)
    program = File.join(RailsApplication::GEM, 'exe/tasker-worker')
    ended = execute(RbConfig.ruby, '-W0', '-I', RailsApplication::LIB, program, '--require', './config/environment.rb')
    expect(ended.status.exitstatus).to eq(2)
    expect(ended.errors.lines.size).to eq(1)
    expect(ended.errors).to match(refusal)
  end

  # One run of a step, with code that changes between two of them.
  RUN = <<~RUBY
    require 'rspec/core'
    require 'runtime/fakes'
    run = lambda do |name|
      execution = Fakes::Execution.new(name)
      TaskerCore::Runner.new.call(execution)
      execution.answers.pop
    end
  RUBY

  it 'runs the code of a handler as it is now, in development' do
    write('app/tasks/shop/charge.rb', "class Shop::Charge < TaskerCore::StepHandler\n  def call(_context) = 1\nend\n")
    # Rails sees that a file is another by its time.
    earlier = Time.now - 60
    File.utime(earlier, earlier, File.join(app, 'app/tasks/shop/charge.rb'))
    code = <<~RUBY
      #{RUN}
      results = [run.call('Shop::Charge')]
      path = 'app/tasks/shop/charge.rb'
      File.write(path, File.read(path).sub('= 1', '= 2'))
      results << run.call('Shop::Charge')
      puts results.to_json
    RUBY
    expect(booted(code, RAILS_ENV: 'development').facts).to eq([['succeed', 1], ['succeed', 2]])
    expect(booted(code, RAILS_ENV: 'test').facts).to eq([['succeed', 2], ['succeed', 2]])
  end

  describe 'with ActiveRecord' do
    before { write('config/database.yml', { 'test' => { 'adapter' => 'postgresql', 'database' => 'shop', 'pool' => 7 } }.to_json) }

    it 'gives back connections after each run, and caches queries during one' do
      url = Stack.create_database
      ended = booted(<<~RUBY, WITH_RECORD: '1', DATABASE_URL: record_url(url))
        #{RUN}
        base = ActiveRecord::Base
        TaskerCore.handler('Reads') do |_context|
          [base.connection.select_value('SELECT 1'), base.connection.query_cache_enabled, base.connection_pool.connections.count(&:in_use?)]
        end
        TaskerCore.handler('Raises') { |_context| base.connection.execute('SELECT 1') && raise('after a query') }
        answers = [run.call('Reads'), run.call('Raises').first]
        puts [answers, base.connection_pool.connections.map { |one| one.in_use? ? true : false }].to_json
      RUBY
      expect(ended.status).to be_success, ended.errors
      expect(ended.facts).to eq([[['succeed', [1, true, 1]], 'fail'], [false]])
    ensure
      Stack.drop_database(url) if url
    end

    it 'submits to the database of database.yml, unless something else names it' do
      submitter = <<~RUBY
        TaskerCore::Submitter.new(native: ->(options) { puts options['overrides'].to_h.to_json })
      RUBY
      expect(booted(submitter, WITH_RECORD: '1').facts).to eq('database.url' => 'postgres:///shop')
      expect(booted(submitter, WITH_RECORD: '1', DATABASE_URL: 'postgres://h/d').facts).to eq({})
      given = submitter.sub('native:', "set: { 'database.url' => 'postgres://own/d' }, native:")
      expect(booted(given, WITH_RECORD: '1').facts).to eq('database.url' => 'postgres://own/d')
    end

    it 'takes database and threads from database.yml, unless something else names them' do
      settings = ->(**more) { booted(OPTIONS, WITH_RECORD: '1', **more).facts['settings'] }
      expect(settings.call).to eq('database.url' => 'postgres:///shop', 'worker.concurrency' => '7')
      expect(settings.call(TASKER__DATABASE__URL: 'postgres://h/d')).to eq('worker.concurrency' => '7')
      expect(settings.call(DATABASE_URL: 'postgres://h/d')).to eq('worker.concurrency' => '7')
      expect(settings.call(DATABASE_URL: 'postgres://h/d?pool=9&sslmode=disable'))
        .to eq('database.url' => 'postgres://h/d?sslmode=disable', 'worker.concurrency' => '9')
      write('config/shared/base.toml', "[database]\nurl = \"postgres://files/d\"\n")
      write('config/worker/environments/test.toml', "[worker]\nconcurrency = 3\n")
      expect(settings.call).to eq({})
    end

    it 'works on the database that the application names for the engine' do
      shop = { 'adapter' => 'postgresql', 'database' => 'shop' }
      tasker = { 'adapter' => 'postgresql', 'database' => 'flow', 'host' => 'db.example', 'port' => 5433, 'username' => 'me', 'password' => 'a/b' }
      write('config/database.yml', { 'test' => { 'primary' => shop, 'tasker' => tasker } }.to_json)
      write('config/initializers/tasker.rb', <<~RUBY)
        Tasker.configure { |config| config.database.name = ENV['NAME']; config.database.enable_secondary_database = true }
      RUBY
      address = 'postgres:///flow?host=db.example&port=5433&user=me&password=a%2Fb'
      expect(booted(OPTIONS, WITH_RECORD: '1', NAME: 'tasker').facts['settings']).to include('database.url' => address)
      expect(booted(OPTIONS, WITH_RECORD: '1', NAME: 'other').errors).to match(/database\.yml has no other for test; it has primary, tasker/)
      expect(booted(OPTIONS, WITH_RECORD: '1').errors).to match(/enable_secondary_database.*: set name to a configuration/)
      expect(booted(OPTIONS).errors).to match(/it takes a configuration of ActiveRecord, which is not loaded here/)
    end
  end
end
