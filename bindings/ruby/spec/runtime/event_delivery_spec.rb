# frozen_string_literal: true

require 'spec_helper'
require 'tasker_core/event_feed/delivery'
require 'tasker_core/event_feed/event'
require 'tasker_core/host'

RSpec.describe TaskerCore::EventFeed::Delivery do
  def event(number)
    TaskerCore::EventFeed::Event.new('id' => "t#{number}.task.completed", 'identifier' => 'task.completed', 'task_id' => number,
                                     'namespace' => 'n', 'task_name' => 't', 'task_version' => '1.0.0',
                                     'payload' => { 'task_id' => number })
  end

  let(:log) { StringIO.new }

  def delivery(attempts: 3, pause: 0, &block)
    described_class.new(name: 'tests', attempts: attempts, logger: Logger.new(log), pause: pause, &block)
  end

  it 'hands over a batch once, and counts it' do
    seen = []
    one = delivery { |events| seen << events.map(&:id) }
    expect(one.deliver([event(1), event(2)])).to eq([2, 0])
    expect(seen).to eq([%w[t1.task.completed t2.task.completed]])
    expect(one.statistics).to eq(batches: 1, delivered: 2, failed: 0, set_aside: 0)
  end

  it 'tries again, and forgets what passed' do
    tries = 0
    one = delivery { |_events| raise 'away' if (tries += 1) < 3 }
    expect(one.deliver([event(1), event(2)])).to eq([2, 0])
    expect(one.statistics).to include(delivered: 2, failed: 2, set_aside: 0)
  end

  it 'finds the event at fault, sets it aside with its id, and delivers the others' do
    seen = Hash.new(0)
    one = delivery do |events|
      events.each { |event| seen[event.task_id] += 1 }
      raise NotImplementedError, 'never' if events.any? { |event| event.task_id == 2 }
    end
    expect(one.deliver([event(1), event(2), event(3)])).to eq([2, 1])
    expect(seen).to eq(1 => 4, 2 => 6, 3 => 4)
    expect(one.statistics).to include(delivered: 2, set_aside: 1)
    expect(log.string).to include('event t2.task.completed is set aside')
  end

  it 'leaves a pause when it is stopped, and has delivered nothing' do
    begun = Thread::Queue.new
    one = delivery(pause: 3600) do |_events|
      begun << true
      raise 'away'
    end
    thread = Thread.new { one.deliver([event(1)]) }
    take(begun)
    one.stop
    expect(thread.join(SpecSupport::PATIENCE).value).to be_nil
  end

  endings = {
    'raises beside StandardError' => [-> { raise Exception, 'odd' }, /odd.*error_class=Exception/],
    'raises a signal' => [-> { raise Interrupt }, /error_class=Interrupt/],
    'would end the process' => [-> { exit(3) }, /error_class=SystemExit/],
    'throws to nobody' => [-> { throw :nobody }, /error_class=UncaughtThrowError/],
    'ends its thread' => [-> { Thread.exit }, /the block ended its thread/]
  }
  endings.each do |what, (ending, told)|
    it "survives a block that #{what}, and says it" do
      seen = []
      one = delivery do |events|
        seen << events.map(&:task_id)
        ending.call if seen.size == 1
      end
      expect(one.deliver([event(1), event(2)])).to eq([2, 0])
      expect(one.deliver([event(3)])).to eq([1, 0])
      expect(seen).to eq([[1, 2], [1, 2], [3]])
      expect(one.statistics).to include(delivered: 3, failed: 1, set_aside: 0)
      expect(log.string).to match(told)
    end
  end

  it 'calls its block in one thread, which libraries may keep connections in' do
    threads = []
    one = delivery { |_events| threads << Thread.current }
    3.times { |number| one.deliver([event(number)]) }
    expect(threads.uniq.size).to eq(1)
    one.close
    expect(threads.first.join(SpecSupport::PATIENCE)).to be(threads.first)
  end

  it 'takes another thread if the one of its block was killed between two deliveries' do
    threads = []
    one = delivery { |_events| threads << Thread.current }
    one.deliver([event(1)])
    threads.first.kill
    expect(one.deliver([event(2)])).to eq([1, 0])
  end
end
