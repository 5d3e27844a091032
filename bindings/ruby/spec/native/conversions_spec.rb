# frozen_string_literal: true

require_relative '../support/native'
require 'bigdecimal'
require 'ostruct'
require 'set'
require 'time'

# Values on their way through the border, both ways.
RSpec.describe 'conversions of the native extension' do
  include NativeSupport

  # Through Rust and back: as the context of an event, and as the results of its step.
  def round_trip(value)
    execution('context' => value) do |execution, loopback|
      there = execution.context
      execution.succeed(there)
      [there, outcome(loopback).fetch('detail')]
    end
  end

  def results_of(value)
    execution do |execution, loopback|
      expect(execution.succeed(value)).to be(true)
      outcome(loopback).fetch('detail')
    end
  end

  describe 'of JSON' do
    [
      nil, true, false, 0, -1, 1, (2**62) - 1, 2**62, -(2**62), -(2**62) - 1, (2**63) - 1, -(2**63),
      0.0, 0.1, -1.5, 1e308, 5e-324, 1.0, '', 'plain', "quotes \" and \\", "line\nbreak\ttab", 'é', "\u{1F600}",
      'x' * 100_000, [], [[]], {}, [{}], { '' => '' }, { 'a b' => { "\n" => [nil] } }, { 'k' * 10_000 => 1 },
      Array.new(1000) { |i| { "key#{i}" => [i, i.to_f, i.to_s] } }
    ].each do |value|
      shown = value.inspect
      it "brings #{shown.size > 60 ? "#{shown[0, 57]}..." : shown} there and back" do
        expect(round_trip(value)).to eq([value, value])
      end
    end

    it 'tells an integer from a float of the same value' do
      there, back = round_trip([1, 1.0])
      expect((there + back).map(&:class)).to eq([Integer, Float, Integer, Float])
    end

    it 'keeps the sign of zero' do
      expect(round_trip(-0.0).map { |zero| 1 / zero }).to all(eq(-Float::INFINITY))
    end

    it 'keeps the order of keys' do
      keys = ('a'..'z').to_a.shuffle(random: Random.new(1))
      expect(round_trip(keys.to_h { |key| [key, key] }).map(&:keys)).to all(eq(keys))
    end

    def arbitrary(random, depth)
      kinds = depth.zero? ? 6 : 8
      case random.rand(kinds)
      when 0 then nil
      when 1 then random.rand(2).zero?
      when 2 then random.rand(-(2**63)..(2**63) - 1)
      when 3 then random.rand * (10.0**random.rand(-300..300))
      when 4, 5 then Array.new(random.rand(8)) { [random.rand(0x20..0xd7ff), random.rand(0x1f300..0x1f6ff)].sample(random: random) }.pack('U*')
      when 6 then Array.new(random.rand(5)) { arbitrary(random, depth - 1) }
      else Array.new(random.rand(5)) { ["k#{random.rand(100)}", arbitrary(random, depth - 1)] }.to_h
      end
    end

    it 'brings whatever JSON there is there and back' do
      random = Random.new(4711)
      300.times do
        value = arbitrary(random, 5)
        expect(round_trip(value)).to eq([value, value])
      end
    end

    it 'gives fresh objects at each call, with nothing frozen but keys' do
      execution('context' => { 'list' => [{ 'text' => 'x' }] }) do |execution, _|
        first = execution.context
        first['list'] << 'more'
        first['list'][0]['text'] << 'yz'
        first['new'] = 1
        expect(execution.context).to eq('list' => [{ 'text' => 'x' }])
      end
    end

    it 'gives texts as UTF-8' do
      there, = round_trip({ 'é' => 'plain' })
      expect(there.flatten.map(&:encoding)).to all(eq(Encoding::UTF_8))
    end
  end

  describe 'of what Ruby has beyond JSON' do
    named = Struct.new(:name) do
      def to_s
        "called #{name}"
      end
    end

    {
      'symbols' => [{ status: :done, nested: [:a] }, { 'status' => 'done', 'nested' => ['a'] }],
      'keys that are neither' => [{ 1 => 'a', nil => 'b', 2.5 => 'c', true => 'd' }, { '1' => 'a', '' => 'b', '2.5' => 'c', 'true' => 'd' }],
      'keys of any object' => [{ named.new('x') => 1 }, { 'called x' => 1 }],
      'subclasses' => [Class.new(Hash).new.merge!('a' => Class.new(Array).new([Class.new(String).new('b')])), { 'a' => ['b'] }],
      'US-ASCII' => ['abc'.encode('US-ASCII'), 'abc'],
      'plain ASCII of another encoding' => [['abc'.b, 'abc'.encode('ISO-8859-1')], %w[abc abc]],
      'frozen values' => [{ 'a' => ['b'.freeze].freeze }.freeze, { 'a' => ['b'] }]
    }.each do |what, (value, expected)|
      it "takes #{what}" do
        expect(results_of(value)).to eq(expected)
      end
    end

    it 'takes one object in two places' do
      shared = { 'a' => [1] }
      expect(results_of([shared, shared, { 'again' => shared }])).to eq([shared, shared, { 'again' => shared }])
    end

    it 'takes as many levels as the engine stores' do
      deep = (1...64).reduce([]) { |inside, _| [inside] }
      expect(results_of(deep)).to eq(deep)
    end
  end

  describe 'of what JSON has no word for' do
    cyclic = []
    cyclic << { 'self' => cyclic }
    cyclic_hash = {}
    cyclic_hash['a'] = [cyclic_hash]
    not_text = Class.new { def to_s; 42; end }
    not_text_name = Class.new { def to_s; "\xff"; end; def inspect; 'the key'; end }

    {
      { items: [1, 2, 3, { price: BigDecimal('1.5') }] } => /\Aresults\.items\[3\]\.price: BigDecimal is no JSON value/,
      Object.new => /\Aresults: Object is no JSON value/,
      BasicObject => /\Aresults: Class is/,
      [Time.at(0)] => /\Aresults\[0\]: Time is/,
      { 'a' => Set[1] } => /\Aresults\.a: Set is/,
      { 'a' => (1..3) } => /\Aresults\.a: Range is/,
      { 'lazy' => (1..3).lazy } => /\Aresults\.lazy: Enumerator::Lazy is/,
      Struct.new(:a).new(1) => /\Aresults: #<Class:0x\h+> is/,
      [Rational(1, 2)] => /\Aresults\[0\]: Rational is/,
      [Complex(1, 2)] => /\Aresults\[0\]: Complex is/,
      [OpenStruct.new(a: 1)] => /\Aresults\[0\]: OpenStruct is/,
      [proc {}] => /\Aresults\[0\]: Proc is/,
      [Thread.current] => /\Aresults\[0\]: Thread is/,
      cyclic => /\Aresults\[0\]\.self: Array contains itself/,
      cyclic_hash => /\Aresults\.a\[0\]: Hash contains itself/,
      (1..128).reduce([]) { |inside, _| [inside] } => /\Aresults(\[0\]){8}\[\.\.\.\](\[0\]){8}: nested deeper than 128 levels/,
      { 'a' => Float::NAN } => /\Aresults\.a: NaN is no JSON number/,
      { 'a' => [Float::INFINITY] } => /\Aresults\.a\[0\]: inf is no JSON number/,
      { 'a' => -Float::INFINITY } => /\Aresults\.a: -inf is no JSON number/,
      [2**63] => /\Aresults\[0\]: the Integer is outside -2\^63 to 2\^63-1/,
      [-(2**63) - 1] => /\Aresults\[0\]: the Integer is outside/,
      [10**400] => /\Aresults\[0\]: the Integer is outside/,
      { 'a' => "\xff" } => /\Aresults\.a: the String is not valid UTF-8/,
      { 'a' => "caf\xe9".dup.force_encoding('ISO-8859-1') } => /\Aresults\.a: the String is ISO-8859-1, not UTF-8/,
      { 'a' => "\xff\x00".b } => /\Aresults\.a: the String is ASCII-8BIT, not UTF-8/,
      { 'a' => 'abc'.encode('UTF-16LE') } => /\Aresults\.a: the String is UTF-16LE/,
      { 'a' => "\xff".b.to_sym } => /\Aresults\.a: the String is ASCII-8BIT, not UTF-8/,
      { 'outer' => { "\xff" => 1 } } => /\Aresults\.outer \(key "\\xFF"\): the String is not valid UTF-8/,
      { 'outer' => { not_text.new => 1 } } => /\Aresults\.outer \(key .*\): to_s of the key returns no String/,
      { 'outer' => { not_text_name.new => 1 } } => /\Aresults\.outer \(key the key\): the String is not valid UTF-8/,
      { 'a' => ["nul \0 inside"] } => /\Aresults\.a\[0\]: the text contains U\+0000/,
      { 'a' => :"\0" } => /\Aresults\.a: the text contains U\+0000/,
      { "\0" => 1 } => /\Aresults \(key "\\u0000"\): the text contains U\+0000/,
      { 'outer' => { 'a' => 1, a: 2 } } => /\Aresults\.outer\.a: two keys of the Hash are the same text/,
      { 'two words' => Object.new } => /\Aresults\["two words"\]: Object is/,
      { '' => Object.new } => /\Aresults\[""\]: Object is/,
      { "k\n" => Object.new } => /\Aresults\["k\\n"\]: Object is/,
      { 'a' => 'x' * ((10 * 1024 * 1024) + 1) } => /\Aresults\.a: here the value passes 10 MiB/,
      { 'many' => Array.new(120) { 'x' * 100_000 } } => /\Aresults\.many\[10\d\]: here the value passes 10 MiB/,
      Array.new(6_000_000, 1) => /\Aresults\[\d+\]: here the value passes 10 MiB/
    }.each_with_index do |(value, message), number|
      it "refuses it with its path (#{number}: #{message.source[2, 50]})" do
        execution do |execution, loopback|
          expect { execution.succeed(value) }.to raise_error(TaskerCore::EncodingError, message) { |error|
            expect(error.code).to eq('not_json')
          }
          # Nothing was reported, and the execution may still be answered.
          expect(execution.succeed('second try')).to be(true)
          expect(outcome(loopback)).to include('outcome' => 'success', 'detail' => 'second try')
        end
      end
    end

    {
      'more than the engine stores' => ['x' * 5_242_880, 'json_too_large', /\Aresults: 5242882 bytes .* raise engine\.result_max_bytes/],
      'deeper than the engine stores' =>
        [(1..64).reduce([]) { |inside, _| [inside] }, 'json_too_deep', /\Aresults: at .* nested deeper than the 64 .* engine\.json_max_depth/]
    }.each do |what, (value, code, message)|
      it "refuses results that are #{what} before they are handed over, and when it is asked" do
        execution do |execution, loopback|
          %i[check_results succeed].each do |method|
            expect { execution.public_send(method, value) }
              .to raise_error(TaskerCore::EncodingError, message) { |error| expect(error.code).to eq(code) }
          end
          expect(execution).not_to be_answered
          expect(execution.succeed('second try')).to be(true)
          expect(execution).to be_answered
          expect(outcome(loopback)).to include('outcome' => 'success', 'detail' => 'second try')
        end
      end
    end

    it 'refuses an object without any methods' do
      execution do |execution, _|
        expect { execution.succeed([BasicObject.new]) }.to raise_error(TaskerCore::EncodingError, /\Aresults\[0\]: BasicObject is/)
      end
    end

    it 'hands on what the to_s of a key raises' do
      key = Class.new { def to_s; raise IOError, 'gone'; end }
      execution do |execution, loopback|
        expect { execution.succeed({ key.new => 1 }) }.to raise_error(IOError, 'gone')
        expect(execution.succeed(1)).to be(true)
        outcome(loopback)
      end
    end

    it 'survives a hash that changes while it is read' do
      hash = {}
      key = Class.new { define_method(:to_s) { hash.clear && 'k' } }
      hash[key.new] = 1
      hash['b'] = { 'c' => 2 }
      execution do |execution, _|
        expect(execution.succeed(hash)).to be(true)
      end
    end

    it 'survives an array that shrinks while it is read' do
      array = []
      key = Class.new { define_method(:to_s) { array.clear && 'k' } }
      array.push({ key.new => 1 }, 2, 3)
      expect(results_of(array)).to eq([{ 'k' => 1 }])
    end

    it 'names what it was given for' do
      execution do |execution, _|
        expect { execution.progress({ 'a' => Object.new }) }.to raise_error(TaskerCore::EncodingError, /\Aprogress\.a: /)
        failure = { 'kind' => 'permanent', 'message' => 'm', 'error_class' => 'E' }
        expect { execution.fail(failure.merge('context' => { 'a' => 1..2 })) }
          .to raise_error(TaskerCore::EncodingError, /\Aerror\.context\.a: Range/)
        expect { execution.fail(failure.merge('results' => [1..2])) }
          .to raise_error(TaskerCore::EncodingError, /\Aerror\.results\[0\]: Range/)
      end
    end
  end

  describe 'under GC.stress' do
    it 'loses nothing and crashes nowhere' do
      ended = run_ruby(<<~'RUBY')
        value = { 'order' => { 'items' => [{ 'sku' => 'é', 'n' => 2**62, 'f' => 1.5 }, [], {}], 'note' => nil, '' => '' } }
        mixed = { sym: :bol, 7 => ['x'.b, 2**62], 'sub' => { nil => 1 } }
        loopback = Native::Loopback.start(4)
        loopback.keep
        worker = loopback.worker
        GC.stress = true
        6.times do |i|
          loopback.put({ 'context' => value, 'parents' => { 'p' => value }, 'step_id' => i }, 1)
          execution = worker.take(2).first
          raise 'context' unless execution.context == value && execution.parent_results('p') == value
          begin
            execution.succeed({ 'a' => [{ 'b' => Object.new }] })
          rescue TaskerCore::EncodingError => e
            raise e unless e.message.start_with?('results.a[0].b: Object')
          end
          raise 'answer' unless execution.succeed(i.even? ? value : mixed)
        end
        GC.stress = false
        loopback.wait(6, 30)
        expected = { 'sym' => 'bol', '7' => ['x', 2**62], 'sub' => { '' => 1 } }
        raise 'results' unless loopback.outcomes.map { |o| o['detail'] } == [value, expected] * 3
        puts 'whole'
      RUBY
      expect([ended.output, ended.errors]).to eq(["whole\n", ''])
    end

    it 'survives compaction', if: GC.respond_to?(:compact) do
      execution('context' => { 'a' => 'b' * 100 }) do |execution, loopback|
        kept = execution.context
        GC.compact
        expect(kept).to eq('a' => 'b' * 100)
        expect(execution.context).to eq(kept)
        execution.succeed(kept)
        expect(outcome(loopback)['detail']).to eq(kept)
      end
    end
  end
end
