# frozen_string_literal: true

require_relative 'support/application'

RSpec.describe 'The rake tasks', :rails_application do
  let(:yaml) { '{name: sell, namespace_name: shop, version: 1.0.0, step_templates: [{name: offer, handler_class: Offer}]}' }

  def check(**variables)
    rails('tasker:templates:check', **variables)
  end

  it 'check workflows without a service, and say what they have not checked' do
    write('config/tasker/tasks/sell.yaml', yaml)
    ended = check
    expect(ended.status).to be_success, ended.errors
    expect(ended.output.lines).to match(["shop/sell 1.0.0: has no mistake that shows here; this application has no Offer\n",
                                         /service was not asked.*TASKER_URL/])
  end

  it 'name every mistake, and end as a failure' do
    write('config/tasker/tasks/sell.yaml', yaml.sub('name: offer, ', ''))
    write('config/tasker/tasks/other.yaml', 'name: [')
    ended = check
    expect(ended.status.exitstatus).to eq(1)
    expect(ended.errors).to match(%r{tasks/other\.yaml:\d+: not valid YAML}).and match(%r{tasks/sell\.yaml: step_templates\[0\]: name is missing})
    expect(rails('tasker:templates:register').errors).to include('name is missing')
  end

  it 'have the service check what only it knows' do
    write('config/tasker/tasks/sell.yaml', yaml.sub('{name: offer', '{depends_on_step: nothing, name: offer'))
    url = Stack.shared.api.to_s
    ended = check(TASKER_URL: url)
    expect(ended.status.exitstatus).to eq(1)
    expect(ended.errors).to match(/sell\.yaml: offer: .*nothing/)
    ended = rails('tasker:templates:register', TASKER_URL: url)
    expect(ended.errors).to match(/sell\.yaml: offer: .*nothing/)
  end

  it 'say so where there is no service, and where there is no workflow' do
    expect(check.errors).to include('there is no workflow: no file in config/tasker/tasks, no class with steps')
    write('config/tasker/tasks/sell.yaml', yaml)
    expect(rails('tasker:templates:register', TASKER_URL: 'http://127.0.0.1:1').errors)
      .to match(%r{no orchestration service answers at http://127\.0\.0\.1:1 \(TASKER_URL\)})
  end

  it 'are listed, and say what is to be done' do
    expect(rails('--tasks', 'tasker').output.scan(/rake (\S+)|rails (tasker\S+)/).flatten.compact)
      .to eq(%w[tasker:install tasker:templates:check tasker:templates:register tasker:worker])
    expect(rails('tasker:install').output).to include('tasker-worker --require ./config/environment.rb')
  end
end
