# frozen_string_literal: true

# How many events a second go from Rust to Ruby and back, without a database:
#
#   rake compile PROFILE=release && ruby bench/native.rb [seconds of each run]
#
# An event's context becomes Ruby objects, and these become the step's results: both
# conversions, with the queue, the executions and the sink that a worker uses. One Ruby
# thread takes and answers, as the taker of a worker does. Prints lines of JSON, each with
# the rate of the middle one of three runs.

$LOAD_PATH.unshift(File.expand_path('../lib', __dir__))
require 'json'
require 'tasker_core/version'
require 'tasker_core/errors'
require 'tasker_core/tasker_core'

SMALL = { 'order_id' => 48_151_623, 'customer' => 'ada@example.org', 'amount' => 1249.5, 'currency' => 'EUR',
          'express' => true, 'note' => nil, 'tags' => %w[new gift], 'reference' => 'ord-2024-000048151' }.freeze
ITEM = { 'sku' => 'SKU-000417', 'name' => 'Blue mug, large', 'quantity' => 2, 'price' => 12.95, 'in_stock' => true,
         'dimensions' => { 'width' => 9.5, 'height' => 12, 'depth' => 9.5 } }.freeze
LARGE = SMALL.merge('items' => [ITEM] * 5, 'address' => { 'street' => '12 Analytical Row', 'city' => 'London',
                                                          'zip' => 'W1J 7NT' }, 'totals' => { 'net' => 64.75, 'vat' => 12.3 }).freeze

GOALS = { SMALL => 50_000, LARGE => 15_000 }.freeze

# Events per second, with `flying` of them out at once.
def measure(payload, seconds, flying: 256, batch: 64)
  loopback = TaskerCore::Native::Loopback.start(flying)
  worker = loopback.worker
  loopback.put({ 'context' => payload }, 1_000_000_000)
  answered = 0
  round = lambda do |until_time|
    while Process.clock_gettime(Process::CLOCK_MONOTONIC) < until_time
      worker.take(batch).each { |execution| execution.succeed(execution.context) && answered += 1 }
    end
  end
  now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
  round.call(now.call + 0.3)
  began = now.call
  before = answered
  round.call(began + seconds)
  (answered - before) / (now.call - began)
ensure
  worker&.stop
  worker&.join(5)
end

seconds = Float(ARGV.fetch(0, 3))
GOALS.each do |payload, goal|
  rates = Array.new(3) { measure(payload, seconds) }.sort
  puts JSON.generate(bench: 'native', bytes: JSON.generate(payload).bytesize, events_per_second: rates[1].round,
                     lowest: rates.first.round, highest: rates.last.round, goal: goal)
end
puts JSON.generate(bench: 'native', in_turns_of: 1, bytes: JSON.generate(SMALL).bytesize,
                   events_per_second: measure(SMALL, seconds, flying: 1, batch: 1).round)
