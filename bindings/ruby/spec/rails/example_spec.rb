# frozen_string_literal: true

require 'support/stack'
require 'open3'
require 'rbconfig'

RSpec.describe 'examples/rails' do
  let(:example) { File.expand_path('../../examples/rails', __dir__) }
  let(:stack) { Stack.shared }
  let(:environment) { stack.environment.merge('RAILS_ENV' => 'test', 'TASKER__TELEMETRY__LOG_LEVEL' => 'warn') }

  it 'runs as its README says' do
    output, status = Open3.capture2e(environment, RbConfig.ruby, '-W0', 'bin/rails', 'db:migrate', chdir: example)
    expect(status).to be_success, output
    worker = Stack::Service.new(RbConfig.ruby, '-W0', 'bin/rails', 'tasker:worker', environment: environment, chdir: example)
    worker.wait_for(/worker started/)
    given = { 'customer' => 'Ada', 'phone' => '555 0199', 'faults' => %w[brake light] }
    task = stack.wait(stack.submit('workshop/repair_bicycle', given))
    expect(task['state']).to eq('complete'), worker.output
    results = task['steps'].to_h { |step| step.values_at('name', 'results') }
    id = task['task_id'].to_i
    expect(results).to include(
      'estimate' => { 'price' => '64.0', 'ready_at' => match(/\A\d{4}-\d\d-\d\dT.*\+0[12]:00\z/) },
      'order_parts' => { 'order' => "P-#{id}" },
      'hand_over' => { 'number' => id, 'customer' => 'Ada', 'price' => '64.0', 'order' => "P-#{id}", 'closed' => true }
    )
    expect(stack.step(task['task_id'], 'order_parts')['attempts']).to eq(2)
    expect(stack.sql('SELECT customer, price, faults FROM tickets WHERE number = $1', id)).to eq([{ 'customer' => 'Ada', 'price' => '64.00', 'faults' => 'brake, light' }])
    expect(worker.output).to include('ordering parts for brake and light', '"phone":"[FILTERED]"', 'cache.default_ttl (config/initializers/tasker.rb:')
    expect(worker.output).not_to include('555 0199')
    worker.signal('TERM')
    expect(worker.wait).to have_attributes(exitstatus: 0)
  ensure
    worker&.stop
  end
end
