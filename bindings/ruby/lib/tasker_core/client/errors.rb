# frozen_string_literal: true

require_relative '../errors'

module TaskerCore
  # A call of {Client} had no success. The subclasses say whose fault it was:
  #
  # * {InvalidRequest}, {NotFound}, {Conflict}: the request's. The same one fails again.
  # * {Unavailable}, {Unreachable}: nobody's; the same call may succeed later.
  # * {ServiceFailure}: the service's.
  # * {UnexpectedAnswer}: something else answers at that address.
  # * {WaitTimeout}: a task was not finished in time, and goes on.
  class ClientError < Error
    # @return [Boolean] whether the same call may succeed later
    def transient?
      false
    end
  end

  # The service answered that it did not do what was asked, with a problem document
  # (RFC 9457). `code` is the stable one of the API, `TSK-nnnn`.
  class ProblemError < ClientError
    # One field at fault.
    Field = Struct.new(:field, :problem, :remedy) do
      # @return [String]
      def to_s
        text = "#{field} #{problem}"
        remedy ? "#{text} (#{remedy})" : text
      end
    end

    # @return [Integer] HTTP status
    attr_reader :status
    # @return [String] what kind of problem it is
    attr_reader :title
    # @return [String] what is wrong with this request
    attr_reader :detail
    # @return [String, nil] finer name of the fault, where one code has several
    attr_reader :reason
    # @return [Array<Field>] every field at fault, as a JSON pointer into the request or
    #   the name of a parameter
    attr_reader :fields
    # @return [Float, nil] seconds the service asks to wait before the next try
    attr_reader :retry_after
    # @return [Hash] the document as it came
    attr_reader :problem

    # @param problem [Hash{String=>Object}] the document
    # @param retry_after [Float, nil]
    def initialize(problem, retry_after: nil)
      @problem = problem
      @status = problem['status']
      @title = problem['title']
      @detail = problem['detail']
      @reason = problem['reason']
      @fields = Array(problem['errors']).map { |field| Field.new(*field.values_at('field', 'problem', 'remedy')).freeze }.freeze
      @retry_after = retry_after
      super(ProblemError.text(problem, @fields), code: problem['code'])
    end

    # The class for a status.
    #
    # @api private
    def self.for(problem, retry_after: nil)
      type = case problem['status']
             when 404 then NotFound
             when 409 then Conflict
             when 408, 429, 502..504 then Unavailable
             when 500..599 then ServiceFailure
             else InvalidRequest
             end
      type.new(problem, retry_after: retry_after)
    end

    # @api private
    def self.text(problem, fields)
      text = "#{[problem['title'], "(#{problem['code']})"].compact.join(' ')}: #{problem['detail']}"
      # One field is often said in `detail` already.
      told = fields.reject do |field|
        !field.remedy && [field.field, field.problem].all? { |part| problem['detail'].to_s.include?(part.to_s) }
      end
      told.empty? ? text : "#{text}: #{told.join('; ')}"
    end
  end

  # The service refuses the request as it is; {#fields} names every field at fault.
  class InvalidRequest < ProblemError; end

  # There is no such task or step.
  class NotFound < ProblemError; end

  # The state of the task or step does not allow it, or an idempotency key belongs to
  # another request.
  class Conflict < ProblemError; end

  # The service cannot do it now.
  class Unavailable < ProblemError
    # @return [true]
    def transient?
      true
    end
  end

  # A fault of the service; its log says more.
  class ServiceFailure < ProblemError; end

  # No answer: no connection to the service, or none within the time limit. What was
  # asked may have been done all the same.
  class Unreachable < ClientError
    # @return [String] where the service should be
    attr_reader :address

    # @param address [String]
    # @param why [String]
    def initialize(address, why)
      @address = address
      super("the service at #{address} does not answer: #{why}. Start it, or name another one with TASKER_URL " \
            'or TaskerCore::Client.new(url: ...)')
    end

    # @return [true]
    def transient?
      true
    end
  end

  # An answer that is not one of the service's: another program is at that address, or a
  # proxy before it.
  class UnexpectedAnswer < ClientError
    # @return [String] where the answer came from
    attr_reader :address
    # @return [Integer, nil] HTTP status
    attr_reader :status
    # @return [Float, nil] seconds whoever answered asks to wait
    attr_reader :retry_after

    # @param address [String]
    # @param status [Integer, nil]
    # @param why [String]
    # @param retry_after [Float, nil]
    def initialize(address, status, why, retry_after: nil)
      @address = address
      @status = status
      @retry_after = retry_after
      super("#{address} answered#{" with status #{status}" if status}, but not as the service does: #{why}")
    end

    # @return [Boolean] as the status says
    def transient?
      [429, 502, 503, 504].include?(status)
    end
  end

  # {Client#wait} gave up. The task goes on.
  class WaitTimeout < ClientError
    # @return [Integer]
    attr_reader :task_id
    # @return [Client::Task, nil] the task as last seen; nil if it never was
    attr_reader :last

    # @param task_id [Integer]
    # @param seconds [Numeric]
    # @param last [Client::Task, nil]
    # @param why [ClientError, nil] what kept the last look from an answer
    def initialize(task_id, seconds, last, why = nil)
      @task_id = task_id
      @last = last
      text = "task #{task_id} was not finished after #{seconds} s"
      text += ", its state is #{last.state}" if last
      text += " (#{why.message})" if why
      super(text)
    end
  end
end
