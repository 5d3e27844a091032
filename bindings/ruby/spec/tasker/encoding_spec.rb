# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe TaskerCore::Encoding do
  def plain(object)
    described_class.plain(object)
  end

  def refusal(object)
    plain(object)
    nil
  rescue TaskerCore::EncodingError => e
    e.message
  end

  it 'writes values as the Rails engine stores them' do
    point = Struct.new(:x, :y)
    object = {
      amount: BigDecimal('124.76'), state: :open, at: Time.utc(2024, 1, 2, 3, 4, 5.678r), on: Date.new(2024, 1, 2),
      nan: Float::NAN, inf: -Float::INFINITY, pause: 90.seconds, error: ArgumentError.new('no'), range: 1..3,
      point: point.new(1, :two), set: Set[1, 2], ratio: Rational(1, 3), pattern: /a+/, link: URI('https://example.com/a'),
      zone: Time.find_zone!('UTC').local(2024, 1, 2), nil => 1, 5 => { 'deep' => [:x] }
    }
    expect(plain(object)).to eq(
      'amount' => '124.76', 'state' => 'open', 'at' => '2024-01-02T03:04:05.678Z', 'on' => '2024-01-02', 'nan' => nil,
      'inf' => nil, 'pause' => 90, 'error' => 'no', 'range' => '1..3', 'point' => { 'x' => 1, 'y' => 'two' },
      'set' => [1, 2], 'ratio' => '1/3', 'pattern' => '(?-mix:a+)', 'link' => 'https://example.com/a',
      'zone' => '2024-01-02T00:00:00.000Z', '' => 1, '5' => { 'deep' => ['x'] }
    )
  end

  it 'agrees with ActiveSupport on everything that ActiveSupport can write' do
    thing = Class.new do
      def initialize
        @name = 'a'
        @list = [1, { b: 2.5 }]
      end
    end
    [
      { a: { 1 => [nil, true, 2.5, 'é'] } }, [1.day, BigDecimal('0.1'), Time.now.utc], thing.new, [1, 2].each, 'text', :sym,
      OpenStruct.new(a: 1), ActiveSupport::OrderedOptions.new.merge(a: 1), { 'x' => Date.today }.with_indifferent_access
    ].each do |object|
      expect(plain(object)).to eq(JSON.parse(ActiveSupport::JSON.encode([object])).first), object.class.name
    end
  end

  it 'gives a plain value back as it is, and a copy that shares nothing where one is asked for' do
    value = { 'a' => [1, { 'b' => 'c' }] }
    expect(plain(value)).to equal(value)
    copy = described_class.copy(value)
    copy['a'][1]['b'] = 'd'
    expect(value).to eq('a' => [1, { 'b' => 'c' }])
  end

  it 'asks objects that know how' do
    decided = Class.new { def as_json(_options = nil) = { total: BigDecimal('1.5') } }
    like_a_hash = Class.new { def to_hash = { kind: :like } }
    expect(plain([decided.new, like_a_hash.new])).to eq([{ 'total' => '1.5' }, { 'kind' => 'like' }])
  end

  it 'writes a response of Faraday with status, body, headers and url' do
    response = Faraday.new('https://example.com') do |connection|
      connection.adapter(:test) { |stub| stub.get('/cart') { [201, { 'X-A' => 'b' }, 'body'] } }
    end.get('/cart')
    expect(plain(response)).to eq('status' => 201, 'body' => 'body', 'response_headers' => { 'X-A' => 'b' },
                                  'url' => 'https://example.com/cart')
  end

  it 'names the place of what cannot be encoded' do
    expect(refusal(items: [1, { text: "\xFF" }])).to match(/\Aresults\.items\[1\]\.text: a String that is not valid UTF-8/)
    expect(refusal(a: 2**63)).to match(/\Aresults\.a: an Integer outside -2\^63 to 2\^63-1/)
    expect(refusal("a\0b")).to match(/\Aresults: a String with U\+0000/)
    expect(refusal("k\0" => 1)).to match(/U\+0000/)
    expect(refusal(BasicObject.new)).to match(/BasicObject, which has no as_json/)
  end

  it 'refuses what never ends, without hanging' do
    cycle = { list: [] }
    cycle[:list] << cycle
    expect(refusal(cycle)).to match(/\Aresults\.list\[0\]: Hash contains itself/)
    expect(refusal(endless: (1..Float::INFINITY).lazy.map { |n| n * 2 })).to match(/results\.endless\[\d+\]: more than 10 MiB/)
    expect(refusal(loop: [1].cycle)).to match(/results\.loop: an endless Enumerator/)
    expect(refusal(Class.new { def as_json(*) = as_json }.new)).to match(/as_json never ends/)
    expect(refusal(Class.new { def as_json(*) = self }.new)).to match(/gives the object itself/)
    node = Class.new { attr_accessor :peer }
    one, two = node.new, node.new
    one.peer = two
    two.peer = one
    expect(refusal(one)).to match(/\Aresults\.peer\.peer: .* contains itself/)
  end

  it 'refuses what is too deep or too large' do
    deep = 200.times.inject(1) { |inner, _| [inner] }
    expect(refusal(deep)).to match(/nested deeper than 128; return it flatter/)
    expect(refusal('x' * (11 * 1024 * 1024))).to match(/more than 10 MiB in all/)
    expect(refusal(Array.new(20_000) { { 'a' => 'b' * 600 } })).to match(/\[\d+\].*more than 10 MiB/)
  end

  it 'takes bytes that are UTF-8, and text of other encodings' do
    expect(plain('é'.b)).to eq('é')
    expect(plain('é'.encode('ISO-8859-1'))).to eq('é')
    expect(refusal("\xE9\x00".dup.force_encoding('BINARY'))).to match(/not valid UTF-8/)
  end

  it 'makes storable text of anything' do
    expect(described_class.text("a\xFF\0b")).to eq("a\u{FFFD}\u{FFFD}b")
    expect(described_class.text('x' * 100, limit: 10)).to eq("#{'x' * 10} (cut)")
  end
end
