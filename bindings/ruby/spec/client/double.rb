# frozen_string_literal: true

require 'json'
require 'socket'
require 'tasker_core/client'

# A service on a socket that answers what it is told to, one answer a request, and keeps
# what it was asked.
class ServiceDouble
  Request = Struct.new(:method, :path, :headers, :body, :connection) do
    def json
      JSON.parse(body)
    end
  end

  attr_reader :connections

  # @param answers [Array] see {#answer}
  def initialize(*answers)
    @answers = answers
    @requests = Thread::Queue.new
    @connections = 0
    @lock = Mutex.new
    @server = TCPServer.new('127.0.0.1', 0)
    @threads = [Thread.new { accept }]
  end

  def url
    "http://127.0.0.1:#{@server.addr[1]}"
  end

  # All requests that have come.
  def requests
    Array.new(@requests.size) { @requests.pop }
  end

  def request
    Timeout.timeout(SpecSupport::PATIENCE) { @requests.pop }
  end

  def close
    @server.close
    @threads.each(&:kill).each(&:join)
  end

  private

  def accept
    loop do
      socket = @server.accept
      number = @lock.synchronize { @connections += 1 }
      @threads << Thread.new { serve(socket, number) }
    end
  rescue IOError, SystemCallError
    nil
  end

  def serve(socket, number)
    while (request = read(socket, number))
      @requests << request
      break if answer(socket, @lock.synchronize { @answers.size > 1 ? @answers.shift : @answers.first }, request) == :end
    end
  rescue IOError, SystemCallError
    nil
  ensure
    socket.close
  end

  def read(socket, number)
    line = socket.gets or return
    method, path = line.split
    headers = {}
    while (line = socket.gets.chomp) != ''
      name, value = line.split(': ', 2)
      headers[name.downcase] = value
    end
    Request.new(method, path, headers, socket.read(headers['content-length'].to_i), number)
  end

  # A Hash is JSON with status 200, [status, Hash, headers] with another one. A Proc gets
  # the socket and the request, :drop ends the connection without a word.
  def answer(socket, answer, request)
    case answer
    when :drop then :end
    when Proc then answer.call(socket, request)
    when Array then write(socket, *answer)
    else write(socket, 200, answer)
    end
  end

  def write(socket, status, body, headers = {})
    text = body.is_a?(String) ? body : JSON.generate(body)
    lines = { 'content-length' => text.bytesize }.merge(headers).map { |name, value| "#{name}: #{value}\r\n" }
    socket.write("HTTP/1.1 #{status} Said\r\n#{lines.join}\r\n#{text}")
  end
end

module ClientSpec
  def service(*answers)
    (@services ||= []) << (double = ServiceDouble.new(*answers))
    double
  end

  def client_of(service, **options)
    TaskerCore::Client.new(url: service.url, **options)
  end

  def problem(status, code, detail = 'no', **more)
    [status, { 'type' => "/problems/#{code}", 'title' => 'Title', 'status' => status, 'detail' => detail, 'code' => code }
      .merge(more.transform_keys(&:to_s))]
  end

  def task(state = 'in_progress', **more)
    { 'task_id' => 7, 'namespace' => 'shop', 'name' => 'order', 'version' => '1.0.0', 'state' => state }
      .merge(more.transform_keys(&:to_s))
  end

  def unavailable(seconds = '0')
    [*problem(503, 'TSK-4001'), { 'retry-after' => seconds }]
  end

  # What the block raises.
  def error_of
    yield
    nil
  rescue StandardError => e
    e
  end
end

RSpec.configure do |config|
  config.include ClientSpec, :client
  config.after(:each, :client) { (@services || []).each(&:close) }
end
