# frozen_string_literal: true

require_relative 'fakes'

# What a feed does at the end of a step; what it reads is the end_to_end specs'.
RSpec.describe TaskerCore::EventFeed do
  include_context 'with a runtime'

  # In place of the native feed: counts, and ends when it is stopped.
  let(:native_class) do
    Class.new do
      attr_reader :hurried

      def initialize
        @hurried = 0
        @stopped = Thread::Queue.new
      end

      def hurry
        @hurried += 1
      end

      def take
        @stopped.pop
      end

      def stop
        @stopped.close
      end

      def give(events)
        @stopped << [1, events]
      end

      def ack(*); end

      def join(*) = true

      def abandon; end
    end
  end
  let(:native) { native_class.new }
  let(:feed) { described_class.start(name: 'tests', native: ->(_options) { native }) { |_events| nil } }

  before { feed }

  after { feed.stop }

  it 'looks soon when a step ends in its process, however it ends' do
    handle { 1 }
    handle { raise 'no' }
    Thread.new { handle { Thread.exit } }.join
    expect(native.hurried).to eq(3)
  end

  it 'is left alone once it is stopped' do
    feed.stop
    handle { 1 }
    expect(native.hurried).to eq(0)
  end

  it 'is not waited for in its own block' do
    seen = Thread::Queue.new
    native = native_class.new
    feed = described_class.start(name: 'tests', native: ->(_options) { native }) do
      feed.stop.join
    rescue ThreadError => e
      seen << e.message
    end
    native.give([])
    expect(take(seen)).to include('feed tests cannot be waited for in its own block')
    expect(feed.join(SpecSupport::PATIENCE)).to be(true)
  end

  it 'is its parent\'s in a forked process' do
    child = fork { exit!(described_class.hurry && native.hurried.zero? ? 0 : 1) }
    _, status = Process.wait2(child)
    expect(status.exitstatus).to eq(0)
  end
end
