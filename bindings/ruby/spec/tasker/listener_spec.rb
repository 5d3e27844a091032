# frozen_string_literal: true

require_relative 'support/helper'
require 'tasker_core/event_feed'

# What a listener does about its feed; what it delivers is the end_to_end specs'.
RSpec.describe Tasker::Events::Listener, :tasker do
  # In place of feeds: all that were started, with what ends one.
  let(:feeds) do
    Class.new do
      attr_reader :started

      def initialize
        @started = Thread::Queue.new
      end

      def start(events:, **, &block)
        Feed.new(events, true, block).tap { |feed| @started << feed }
      end
    end.new
  end

  def event(payload = {}, native = nil)
    TaskerCore::EventFeed::Event.new({ 'id' => 't9.task.completed', 'identifier' => 'task.completed', 'task_id' => 9,
                                         'payload' => payload }, native)
  end

  let(:listener) { described_class.new(name: 'tests', feed: feeds) }

  before do
    stub_const('Feed', Struct.new(:events, :running, :block) do
      alias_method :running?, :running
      def stop = nil
      # A subscriber that is slow lasts longer than anybody waits.
      def join(timeout = nil) = timeout.nil? || !running
    end)
    stub_const('TaskerCore::Native', Module.new) unless defined?(TaskerCore::Native)
    stub_const('TaskerCore::Native::EVENTS', %w[task.completed task.failed])
    Tasker::Events::Publisher.instance.subscribe('task.completed') { nil }
  end

  after { listener.stop(1) }

  it 'goes on with another feed when its own has ended by itself, and says so' do
    listener.start
    take(feeds.started).running = false
    second = take(feeds.started)
    expect(second.events).to eq(['task.completed'])
    expect(log).to include('has ended by itself')
  ensure
    second.running = false
    expect(listener.stop).to be(true)
  end

  it 'delivers an event that comes again as it did before' do
    heard = []
    Tasker::Events::Publisher.instance.subscribe('task.completed') { |one| heard << [one.event_id, one[:transitioned_at]] }
    listener.start
    at = '2024-05-01T10:00:00.000001Z'
    again = event('transitioned_at' => at)
    feed = take(feeds.started)
    2.times { feed.block.call([again]) }
    expect(heard).to eq([['t9.task.completed', Time.zone.parse(at)]] * 2)
  end

  it 'has the task of an end read only for who looks at it' do
    heard = []
    Tasker::Events::Publisher.instance.subscribe('task.completed') { |one| heard << one[:task] }
    rows = FakeExecution.new(task_id: 9, task_row: { state: 'complete', complete: true })
    reads = 0
    native = Class.new { define_method(:rows) { Struct.new(:row) { def task(_id) = row }.new((reads += 1) && rows.task) } }.new
    listener.start
    take(feeds.started).block.call([event({}, native)])
    expect([heard.first.is_a?(Tasker::Task), reads]).to eq([true, 0])
    expect(heard.first).to have_attributes(task_id: 9, status: 'complete', complete?: true)
    expect(reads).to eq(1)
  end

  it 'waits no longer for a subscriber than it was told, and says what comes again' do
    told = nil
    Tasker::Events::Publisher.instance.subscribe('task.completed') { told = listener.stop(0) }
    listener.start
    take(feeds.started).block.call([event])
    expect(told).to be(false)
    expect(log).to match(/not finished within 0 s with event t9\.task\.completed: .*delivered again/)
  end
end
