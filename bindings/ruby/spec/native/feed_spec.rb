# frozen_string_literal: true

require_relative '../support/native'
require_relative '../support/stack'

# Forks, interrupts and ends of a native feed, in processes of their own.
RSpec.describe 'processes with a native feed' do
  include NativeSupport

  def options(name)
    Stack.shared.native_options('name' => name, 'events' => nil, 'from' => 'now', 'max' => 10, 'config_dir' => nil).inspect
  end

  it 'tells a forked child that the feed is its parent\'s, and refuses it one of its own' do
    ended = run_ruby(<<~RUBY)
      feed = Native::EventFeed.start(#{options('forked')})
      Process.wait(fork do
        calls = [-> { feed.take }, -> { feed.ack(1, 0, 0) }, -> { feed.stop }, -> { feed.abandon }, -> { feed.rows }, -> { feed.join(0) },
                 -> { Native::EventFeed.start(#{options('child')}) }]
        puts calls.count { |call| call.call && false rescue $!.is_a?(TaskerCore::ForkError) }
        feed = calls = nil
        GC.start
      end)
      feed.stop
      puts feed.join(30), feed.take.inspect
    RUBY
    expect([ended.output, ended.errors]).to eq(["7\ntrue\nnil\n", ''])
  end

  it 'ends a wait for events when the thread is killed, raised in or the process interrupted' do
    ended = run_ruby(<<~RUBY)
      feed = Native::EventFeed.start(#{options('interrupted')})
      killed = Thread.new { feed.take }
      eventually { waits?(killed) }
      killed.kill
      puts killed.join(30).nil?
      raised = Thread.new { feed.take rescue $!.message }
      eventually { waits?(raised) }
      raised.raise('enough')
      puts raised.value
      main = Thread.current
      Thread.new do
        eventually { waits?(main) }
        Process.kill('INT', Process.pid)
      end
      begin
        feed.take
      rescue Interrupt
        puts 'interrupted'
      end
    RUBY
    expect([ended.output, ended.errors]).to eq(["false\nenough\ninterrupted\n", ''])
    expect(ended.status).to be_success
  end

  it 'refuses options it does not know' do
    ended = run_ruby(<<~'RUBY')
      begin
        Native::EventFeed.start({ 'name' => 'x', 'whole' => 1 })
      rescue TaskerCore::ConfigurationError => e
        puts e.message
      end
    RUBY
    expect(ended.output).to match(/options of the feed: .*whole/)
  end
end
