# frozen_string_literal: true

require_relative 'setting'

RSpec.describe 'tasker-worker', :end_to_end do
  let(:directory) { Dir.mktmpdir }
  let(:gate) { File.join(directory, 'gate') }

  after { FileUtils.rm_rf(directory) }

  def started(**options)
    service = program('--namespace', namespace, handlers: 'plain', **options)
    service.wait_for(/worker started/)
    service
  end

  it 'drains at SIGTERM and ends with 0' do
    register('held', 'held' => ['Plain::Process', { 'handler_config' => { 'wait_for' => gate } }])
    service = started
    task_id = submit('held')
    service.wait_for(/begun 1/)
    service.signal('TERM')
    service.wait_for(/draining/)
    File.write(gate, '')
    expect(service.wait).to have_attributes(exitstatus: 0)
    expect(results(wait(task_id))['held']).to include('pid' => service.pid, 'attempt' => 1)
  end

  it 'leaves the step of a killed one to another' do
    register('killed', 'killed' => ['Plain::Process', { 'handler_config' => { 'wait_for' => gate } }])
    settings = { 'TASKER__ENGINE__LEASE_MS' => '5000' }
    first = started(environment: settings)
    task_id = submit('killed')
    first.wait_for(/begun 1/)
    first.signal('KILL')
    expect(first.wait).to have_attributes(termsig: Signal.list['KILL'])
    second = started(environment: settings)
    expect(results(wait(task_id))['killed']).to include('pid' => second.pid, 'attempt' => 2)
  end

  it 'ends at once at a second signal, and the step runs elsewhere' do
    register('twice', 'twice' => ['Plain::Process', { 'handler_config' => { 'wait_for' => gate } }])
    service = started
    task_id = submit('twice')
    service.wait_for(/begun 1/)
    service.signal('INT')
    service.wait_for(/draining/)
    service.signal('INT')
    expect(service.wait).to have_attributes(termsig: Signal.list['INT'])
    stack.cancel(task_id)
  end

  it 'goes on when a handler exits' do
    register('exits', 'exits' => ['Plain::Exits', { 'default_retry_limit' => 1 }])
    register('after', 'after' => ['Plain::Process'])
    service = started
    expect(wait(submit('exits'))['state']).to eq('error')
    expect(results(wait(submit('after')))['after']).to include('pid' => service.pid, 'rails' => false)
    service.signal('TERM')
    expect(service.wait).to have_attributes(exitstatus: 0)
  end

  it 'ends even if a handler does not' do
    register('deaf', 'deaf' => ['Plain::Deaf'])
    service = started(environment: { 'TASKER__WORKER__DRAIN_TIMEOUT_MS' => '100' })
    task_id = submit('deaf')
    service.wait_for(/"deaf"/)
    service.signal('TERM')
    expect(service.wait).to have_attributes(exitstatus: 0)
    expect(service.output).to match(/the host ends.*handlers that are still running and end with the process: 1/m)
    stack.cancel(task_id)
  end

  it 'writes its lines as it is told' do
    register('lines', 'lines' => ['Plain::Process'])
    service = program('--namespace', namespace, '--set', 'telemetry.log_format=human', handlers: 'plain')
    expect(service.wait_for(/worker started/)).to match(/Z  INFO .*worker started/)
    service.stop
    quiet = program('--namespace', namespace, '--set', 'telemetry.log_level=warn', handlers: 'plain')
    wait(submit('lines'))
    quiet.signal('TERM')
    expect(quiet.wait).to have_attributes(exitstatus: 0)
    expect(quiet.output).not_to match(/worker started|begun/)
  end

  it 'ends with 0 at a signal that comes while it is loading' do
    File.write(File.join(directory, 'slow.rb'), "warn 'loading'\nsleep\n")
    service = program('--require', File.join(directory, 'slow.rb'))
    service.wait_for(/loading/)
    service.signal('TERM')
    expect(service.wait).to have_attributes(exitstatus: 0)
  end

  it 'registers the templates of a directory, and serves their namespaces' do
    File.write(File.join(directory, 'own.yaml'), template('own', 'one' => ['Plain::Process']))
    program('--templates', directory, handlers: 'plain').wait_for(/worker started/)
    expect(wait(submit('own'))['state']).to eq('complete')
  end

  # Without what files are mapped: a development build of the extension is several times
  # as large as that of a gem. bench/memory.rb measures all of it, with a release build.
  it 'holds 40 MB of its own at most when it is idle and no Rails is loaded' do
    register('idle', 'idle' => ['Plain::Process'])
    service = started
    own = eventually('its memory is told') { File.read("/proc/#{service.pid}/status")[/RssAnon:\s+(\d+)/, 1] }
    expect(own.to_i / 1024).to be <= 40
  end

  describe 'refuses with 2, naming what to change' do
    {
      'no file to load' => [[], /no handlers: name a file that defines them with --require/],
      'a file that is not there' => [%w[-r ./not/there.rb], %r{--require ./not/there.rb: there is no such file}],
      'a library that is not there' => [%w[-r no_such_library_at_all], /no library of that name/],
      'an unknown option' => [%w[--requires x], /invalid option|ambiguous option|--requires/],
      'words' => [%w[-r set words], /unexpected argument words/],
      'a number that is none' => [%w[-r set --concurrency many], /--concurrency many/],
      'a setting without a value' => [%w[-r set --set worker.bind], /expected section.key=value/],
      'concurrency of 0' => [%w[-r set --concurrency 0], /concurrency: expected a whole number from 1, not 0/],
      'an unknown setting' => [%w[-r set --set worker.colour=red], /worker\.colour/],
      'a namespace that can be none' => [%w[-r set --namespace Not-Ok], /Not-Ok|not-ok|worker\.namespaces/],
      'a namespace without a name' => [['-r', 'set', '--namespace', ''], /namespaces: "" names none \(is a variable unset\?\)/],
      'no such templates' => [%w[-r set --templates no/such], %r{no file or directory no/such}]
    }.each do |name, (arguments, message)|
      it name do
        service = program(*arguments)
        expect(service.wait).to have_attributes(exitstatus: 2)
        expect(service.output).to match(message).and start_with('tasker-worker: ')
      end
    end

    it 'what a required file says to the configuration of the engine, and workflows it builds' do
      { 'Tasker.configure { |tasker| tasker.engine.no_such = 1 }' => /engine has no setting no_such/,
        'Tasker::TaskBuilder.new(config: {})' => /step_templates is missing/ }.each do |code, message|
        file = File.join(directory, 'wrong.rb')
        File.write(file, code)
        service = program('--require', file)
        expect(service.wait).to have_attributes(exitstatus: 2)
        expect(service.output).to match(message).and start_with("tasker-worker: --require #{file}: ")
      end
    end

    it 'templates with mistakes, all of them' do
      File.write(File.join(directory, 'a.yaml'), "name: a\ntask_handler_class: A\nstep_templates: []\n")
      File.write(File.join(directory, 'b.yaml'), template('b', 'one' => ['A', { 'depends_on_step' => 'none' }]))
      service = program('--templates', directory, handlers: 'plain')
      expect(service.wait).to have_attributes(exitstatus: 2)
      expect(service.output).to match(/a\.yaml/)
    end
  end

  describe 'ends with 1' do
    it 'without a database' do
      service = program('--set', 'database.connect_retry_seconds=0', '--set', 'database.url=postgres://nobody:hidden@127.0.0.1:1/none', handlers: 'plain')
      expect(service.wait).to have_attributes(exitstatus: 1)
      expect(service.output).to match(/the database could not be reached within 0 s \(none at 127\.0\.0\.1:1\)/)
      expect(service.output).not_to include('hidden')
    end

    it 'when a resolver fails' do
      File.write(File.join(directory, 'resolver.rb'), "TaskerCore.resolver { raise 'the registry is down' }")
      File.write(File.join(directory, 'a.yaml'), template('a', 'one' => ['Elsewhere']))
      service = program('--require', File.join(directory, 'resolver.rb'), '--templates', directory)
      expect(service.wait).to have_attributes(exitstatus: 1)
      expect(service.output).to match(/\Atasker-worker: a resolver failed .*Elsewhere.*the registry is down.*resolver\.rb:1/)
    end

    it 'when a required file cannot be loaded' do
      File.write(File.join(directory, 'broken.rb'), "require 'not_installed'")
      service = program('--require', File.join(directory, 'broken.rb'))
      expect(service.wait).to have_attributes(exitstatus: 1)
      expect(service.output).to match(/not_installed/)
    end
  end

  it 'explains itself without loading anything' do
    service = program('--help')
    expect(service.wait).to have_attributes(exitstatus: 0)
    expect(service.output).to include('Usage: tasker-worker --require FILE', '--concurrency N', 'Ends with 0')
    version = program('--version')
    expect(version.wait).to have_attributes(exitstatus: 0)
    expect(version.output).to eq("tasker-worker #{TaskerCore::VERSION}\n")
  end
end
