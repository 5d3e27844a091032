# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe Tasker::StepHandler::Api, :tasker do
  let(:config) { { 'type' => 'api', 'url' => 'https://shop.example' } }

  # A handler whose server answers with what is given.
  def api(status, headers = {}, body = '{"id":1}', &more)
    handler('Fetch', described_class) do
      define_method(:initialize) do |config:|
        super(config: config) do |connection|
          connection.adapter(:test) { |stub| stub.get('/cart') { [status, headers, body] } }
        end
      end

      def process(*) = connection.get('/cart')
      class_eval(&more) if more
    end
  end

  def answer(status, headers = {}, **facts)
    run(api(status, headers), config: config, **facts)
  end

  it 'stores the response, or what process_results makes of it' do
    expect(answer(200).results).to include('status' => 200, 'body' => '{"id":1}', 'url' => 'https://shop.example/cart')
    parsing = api(226) { def process_results(step, response, _initial) = step.results = { cart: JSON.parse(response.body) } }
    expect(run(parsing, config: config).results).to eq('cart' => { 'id' => 1 })
  end

  it 'judges a Hash by its :status' do
    plain = handler('Plain', described_class) { def process(*) = { status: 201, id: 5 } }
    wordy = handler('Wordy', described_class) { def process(*) = { status: 'active' } }
    neither = handler('Neither', described_class) { def process(*) = 'text' }
    expect(run(plain, config: config).results).to eq('status' => 201, 'id' => 5)
    expect(run(wordy, config: config).failed).to include('kind' => 'retryable', 'error_class' => 'Tasker::RetryableError')
    expect(run(neither, config: config).failed).to include('error_class' => 'ArgumentError')
  end

  it 'asks for the pause that the server asks for, within the maximum' do
    future = (Time.now + 90).httpdate
    expect(answer(429, { 'Retry-After' => '30' }).failed).to include('kind' => 'retryable', 'retry_after_seconds' => 30)
    expect(answer(429, { 'retry-after' => '4000' }).failed).to include('retry_after_seconds' => 300)
    expect(answer(503, { 'Retry-After' => future }).failed['retry_after_seconds']).to be_between(86, 90)
    expect(answer(503, { 'Retry-After' => Time.at(0).httpdate }).failed).to include('retry_after_seconds' => 1)
  end

  it 'asks for a growing pause where the server asks for none' do
    Tasker.configuration.backoff.jitter_enabled = false
    pauses = [1, 2, 3, 6, 7, 8, 9, 10, 18].map { |attempt| answer(429, { 'Retry-After' => 'soon' }, attempt: attempt).failed['retry_after_seconds'] }
    expect(pauses).to eq([1, 2, 4, 32, 49, 64, 81, 100, 300])
    off = config.merge('enable_exponential_backoff' => false)
    expect(run(api(429), config: off).failed).not_to have_key('retry_after_seconds')
    expect(log).to include('exponential backoff is off')
  end

  it 'spreads a growing pause by a tenth' do
    pauses = Array.new(40) { answer(503, {}, attempt: 6).failed['retry_after_seconds'] }
    expect(pauses).to all(be_between(29, 35).and(be_an(Integer)))
    expect(pauses.uniq.size).to be > 1
  end

  it 'fails for good on what another attempt cannot change' do
    [400, 401, 403, 404, 422].each do |status|
      expect(answer(status).failed).to include('kind' => 'permanent', 'error_code' => "HTTP_#{status}"), status.to_s
    end
    expect(answer(404).failed['results']['error_details']).to include('error_code' => 'HTTP_404')
  end

  it 'fails without a pause of its own on anything else' do
    [302, 409, 418, 500, 502].each do |status|
      failed = answer(status).failed
      expect(failed).to include('kind' => 'retryable'), status.to_s
      expect(failed).not_to have_key('retry_after_seconds'), status.to_s
    end
  end

  it 'leaves the error in the results as the engine does' do
    results = answer(429, { 'Retry-After' => '30' }).failed['results']
    expect(results.keys).to contain_exactly('error', 'error_class', 'backtrace', 'error_details')
    expect(results).to include('error' => 'API call failed with retryable status 429', 'error_class' => 'Tasker::RetryableError')
    details = results['error_details']
    expect(details.keys).to contain_exactly('error_message', 'error_class', 'backtrace', 'error_context', 'retry_after')
    expect(details['backtrace'].size).to eq(10)
    expect(details['retry_after']).to eq(30)
    expect(details['error_context']).to include('step_id' => 71, 'step_name' => 'charge', 'status' => 429,
                                                'headers' => { 'Retry-After' => '30' }, 'response' => include('status' => 429))
  end

  it 'takes errors that Faraday raises' do
    raising = handler('Raising', described_class) do
      def process(*) = raise(Faraday::ServerError.new('down', status: 503, headers: { 'Retry-After' => '7' }, body: 'later'))
    end
    lost = handler('Lost', described_class) { def process(*) = raise(Faraday::ConnectionFailed, 'no route') }
    failed = run(raising, config: config).failed
    expect(failed).to include('kind' => 'retryable', 'retry_after_seconds' => 7)
    expect(failed['results']['error_details']).to include('response_status' => 503, 'response_body' => 'later')
    expect(run(lost, config: config).failed).not_to have_key('retry_after_seconds')
  end

  it 'keeps an error whose context cannot be stored' do
    failed = run(api(404, {}, "\xFF".b), config: config).failed
    expect(failed).to include('kind' => 'permanent', 'message' => "API call failed with permanent status 404: \u{FFFD}")
    expect(failed['results']['error_details']['error_context']).to match(/left out: .*not valid/)
  end

  it 'lets the handler say what is left of an error' do
    klass = api(500) { def add_error_to_results(step, error) = step.results = { mine: error.message } }
    expect(run(klass, config: config).failed['results']).to include('mine' => /server error 500/, 'error_class' => 'Tasker::RetryableError')
  end

  it 'publishes the pause before the failure' do
    events = events_of { answer(429, { 'Retry-After' => '30' }, attempt: 2, rows: [FakeExecution.row(71, 'charge')]) }
    expect(events.map(&:first)).to eq(%w[step.execution_requested step.before_handle observability.step.backoff step.failed])
    expect(events[2].last).to include(backoff_seconds: 30, backoff_type: 'server_requested', retry_after: 30, event_type: 'backoff')
    growing = events_of { answer(429) }.assoc('observability.step.backoff').last
    expect(growing.keys).to include(:attempt, :calculated_attempt, :base_delay, :multiplier, :jitter_enabled, :jitter_max_percentage)
    expect(growing).to include(backoff_type: 'exponential', attempt: 0, calculated_attempt: 1)
  end

  it 'has the documented defaults where a template leaves keys out' do
    made = Tasker::TaskBuilder.handler_config('type' => 'api', 'url' => 'https://a.example', 'timeout_seconds' => 3)
    expect(made).to have_attributes(url: 'https://a.example', params: {}, ssl: nil, enable_exponential_backoff: true,
                                    headers: { 'Content-Type' => 'application/json', 'Accept' => 'application/json' })
  end

  it 'refuses what is no configuration' do
    klass = handler('Fetch', described_class) { def process(*) = { status: 200 } }
    expect(run(klass, config: { 'url' => 'https://shop.example' }).failed).to include('error_class' => 'NoMethodError')
    expect(run(klass).failed).to include('error_class' => 'ArgumentError', 'message' => /missing keyword: :url/)
    expect(run(klass, config: config.merge('url' => 'shop/cart')).failed['message']).to match(/needs scheme and host/)
    expect(run(klass, config: config.merge('url' => 'a b')).failed['message']).to match(/cannot be read/)
  end

  it 'lets others read connection and config' do
    klass = handler('Fetch', described_class)
    made = klass.new(config: described_class::Config.new(url: 'https://a.example', params: { k: 1 }))
    expect(made.connection).to be_a(Faraday::Connection)
    expect(made.connection.params).to eq('k' => 1)
    expect(made.connection.headers).to include('Accept' => 'application/json')
    expect(made.config.url).to eq('https://a.example')
  end
end
