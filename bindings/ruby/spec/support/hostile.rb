# frozen_string_literal: true

# Exceptions of classes that do whatever they can against being reported: each thing that
# an exception may be asked, answered in each bad way.
module Hostile
  QUESTIONS = %i[
    message to_s inspect detailed_message full_message backtrace backtrace_locations cause class error_code retry_after
    context code respond_to? is_a? kind_of? instance_of? nil? == hash public_send status signo
  ].freeze

  NO_TEXT = Class.new { def to_s = raise('no text') }.freeze
  private_constant :NO_TEXT

  deeper = ->(n) { deeper.call(n + 1) + 1 }
  ANSWERS = {
    'raises' => -> { raise 'no' },
    'is not implemented' => -> { raise NotImplementedError },
    'raises what is no StandardError' => -> { raise Class.new(Exception), 'bare' }, # rubocop:disable Lint/RaiseException
    'raises an interrupt' => -> { raise Interrupt },
    'ends the process' => -> { exit },
    'never ends' => -> { deeper.call(0) },
    'throws' => -> { throw :nowhere },
    'is nil' => -> {},
    'is a String' => -> { 'text' },
    'is no text' => -> { "a\xFF\0".b },
    'is an object without methods' => -> { BasicObject.new },
    'is an object without text' => -> { NO_TEXT.new },
    'is a list of those' => -> { [NO_TEXT.new, BasicObject.new] },
    'is a Hash with such keys' => -> { { NO_TEXT.new => NO_TEXT.new } },
    'is a Hash' => -> { { left_out: 1, 'left_out' => [Time.now] } },
    'is infinite' => -> { Float::INFINITY },
    'is complex' => -> { Complex(1, 2) }
  }.freeze

  module_function

  # Gives a name, the question, an exception for each, and what makes it hostile: it has
  # to be made and raised first.
  def each(base)
    ANSWERS.each do |name, answer|
      QUESTIONS.each do |question|
        armed = false
        klass = Class.new(base) { define_method(question) { |*args| armed ? answer.call : super(*args) } }
        yield "#{question} #{name}", question, klass.new('declined'), -> { armed = true }
      end
      %i[name to_s inspect].each do |question|
        armed = false
        klass = Class.new(base) { define_singleton_method(question) { |*args| armed ? answer.call : super(*args) } }
        yield "#{question} of the class #{name}", :class, klass.new('declined'), -> { armed = true }
      end
    end
  end

  def raise_and_arm(error, arm)
    raise error
  ensure
    arm.call
  end
end
