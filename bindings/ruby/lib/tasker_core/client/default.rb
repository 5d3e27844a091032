# frozen_string_literal: true

module TaskerCore
  # The methods of the module itself are those of Client, on one client for the process.
  @client_lock = Mutex.new

  class << self
    # The client behind the module's own methods.
    attr_writer :client

    # @return [Client] what {.client=} was given, or one of the service TASKER_URL names
    def client
      @client || @client_lock.synchronize { @client ||= Client.new }
    end

    # @!method submit_batch(requests, **options)
    #   As {Client#submit_batch}.
    # @!method task(task, **options)
    #   As {Client#task}.
    # @!method get(task, **options)
    #   As {Client#task}.
    # @!method list(**filters)
    #   As {Client#list}.
    # @!method each_task(**filters)
    #   As {Client#each_task}.
    # @!method steps(task)
    #   As {Client#steps}.
    # @!method step(task, step)
    #   As {Client#step}.
    # @!method explain(task)
    #   As {Client#explain}.
    # @!method cancel(task, **options)
    #   As {Client#cancel}.
    # @!method retry(task, **options)
    #   As {Client#retry}.
    # @!method retry_step(task, step, **options)
    #   As {Client#retry_step}.
    # @!method cancel_step(task, step, **options)
    #   As {Client#cancel_step}.
    # @!method resolve_step(task, step, **options)
    #   As {Client#resolve_step}.
    # @!method wait(task, timeout:)
    #   As {Client#wait}.
    %i[submit_batch task get list each_task steps step explain cancel retry retry_step cancel_step resolve_step
       wait].each do |name|
      define_method(name) { |*arguments, **options, &block| client.public_send(name, *arguments, **options, &block) }
    end

    # Submits a task: to the service, see {Client#submit}, or with `connection:` inside
    # one's own transaction, see {Submitter#submit}.
    #
    # @param request [Tasker::Types::TaskRequest, Hash, nil]
    # @param connection [PG::Connection, Object, nil]
    # @return [Client::Task, Submission]
    def submit(request = nil, connection: nil, **options)
      return client.submit(request, **options) unless connection

      submitter.submit(request, connection: connection, **options)
    end
  end
end
