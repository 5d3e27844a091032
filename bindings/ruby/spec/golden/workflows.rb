# frozen_string_literal: true

# Workflows in the engine's style, of the shape of the golden runs, with handlers of
# their own.
module GoldenWorkflows
  # What the shop's server answers, taken from what the engine stored of it.
  class << self
    attr_reader :shop

    def define(run)
      run['label'] == 'dummy_task' ? define_dummy(run) : define_shop(run)
    end

    def remove
      constants(false).each { |name| send(:remove_const, name) }
    end

    private

    def define_dummy(run)
      define_class(:Echo, Tasker::StepHandler::Base) do
        def process(task, _sequence, _step)
          { dummy: task.context['dummy'] }
        end
      end
      workflow(run) do |templates|
        run['steps'].each do |step|
          parent = run['edges'].find { |_, child,| child == step['name'] }&.first
          templates.define(name: step['name'], dependent_system: step['dependent_system'], handler_class: self::Echo,
                           depends_on_step: parent)
        end
      end
    end

    def define_shop(run)
      require 'faraday'
      results = run['steps'].to_h { |step| [step['name'], step['results']] }
      valid = results['validate_products']['valid_products']
      first = results['fetch_products']['products']['__first']
      @shop = { cart: known(results['fetch_cart']['cart']), products: ([first, *valid] + Array.new(27) { |n| { 'id' => 100 + n } }) }
      define_fetching
      define_deciding
      config = Tasker::StepHandler::Api::Config.new(url: 'https://shop.example')
      parents = run['edges'].group_by { |_, child,| child }.transform_values { |edges| edges.map(&:first) }
      handlers = { 'fetch_cart' => self::FetchCart, 'fetch_products' => self::FetchProducts, 'validate_products' => self::Choose,
                   'create_order' => self::Place, 'publish_event' => self::Tell }
      workflow(run) do |templates|
        run['steps'].each do |step|
          handler = handlers.fetch(step['name'])
          templates.define(name: step['name'], dependent_system: step['dependent_system'], handler_class: handler,
                           depends_on_steps: parents.fetch(step['name'], []),
                           handler_config: handler < Tasker::StepHandler::Api ? config : nil)
        end
      end
    end

    def define_fetching
      define_class(:Shop, Tasker::StepHandler::Api) do
        def initialize(config:)
          super(config: config) do |connection|
            connection.adapter(:test) do |stub|
              stub.get('/carts/1') { [200, {}, GoldenWorkflows.shop[:cart].to_json] }
              stub.get('/products') { [200, {}, { products: GoldenWorkflows.shop[:products] }.to_json] }
            end
          end
        end
      end
      define_class(:FetchCart, self::Shop) do
        def process(task, *) = connection.get("/carts/#{task.context['cart_id']}")
        def process_results(step, response, _initial) = step.results = { cart: JSON.parse(response.body).deep_symbolize_keys }
      end
      define_class(:FetchProducts, self::Shop) do
        def process(*) = connection.get('/products')
        def process_results(step, response, _initial) = step.results = JSON.parse(response.body)
      end
    end

    def define_deciding
      define_class(:Choose, Tasker::StepHandler::Base) do
        def process(_task, sequence, _step)
          cart = sequence.find_step_by_name('fetch_cart').results.deep_symbolize_keys[:cart]
          offered = sequence.steps.find { |step| step.name == 'fetch_products' }.results['products'].index_by { |one| one['id'] }
          { valid_products: cart[:products].map { |item| offered.fetch(item[:id]) } }
        end
      end
      define_class(:Place, Tasker::StepHandler::Base) do
        def process(_task, sequence, step)
          raise Tasker::PermanentError, 'nothing to order' if sequence.find_step_by_name('validate_products').results.dig('valid_products').blank?

          step.results = { order_id: 4711 }
        end
      end
      define_class(:Tell, Tasker::StepHandler::Base) do
        def process(_task, _sequence, step)
          id = SecureRandom.uuid
          step.results = {
            published: true,
            publish_results: {
              status: :placed_pending_fulfillment, payload: 1, event_name: 'ExampleOrderCreated', message_id: id,
              published_at: Time.current, published_to: 'orders', published_to_id: id, published_status: 'success',
              published_status_message: 'Event published successfully'
            }
          }
        end
      end
    end

    def define_class(name, base, &body)
      const_set(name, Class.new(base)).class_eval(&body)
    end

    def workflow(run, &steps)
      const_set(:Workflow, Class.new).class_eval do
        include Tasker::TaskHandler
        register_handler(run['name'])
        define_step_templates(&steps)
      end
    end

    # Any value where the golden run hides one.
    def known(value)
      case value
      when Hash then value.transform_values { |inner| known(inner) }
      when Array then value.map { |inner| known(inner) }
      when '<volatile Integer>' then 1
      when '<volatile String>' then 'some'
      else value
      end
    end
  end
end
