# frozen_string_literal: true

require 'active_support'
require 'active_support/all'
require 'json'

require_relative 'errors'

module TaskerCore
  # Ruby objects as plain JSON types, by the rules of ActiveSupport's `as_json`: what
  # the Rails engine would have stored for the same object is what is stored here.
  #
  # Plain means: Hash with String keys, Array, String in UTF-8, Integer of 64 bits,
  # finite Float, true, false, nil. ActiveSupport's own encoder recurses without a
  # bound, so a cycle ends it with SystemStackError and an endless enumerator never;
  # here each is an {EncodingError} that names the place.
  #
  # Dates, times, decimals, durations, ranges, models and whatever else has an
  # `as_json` of its own are asked for it; only containers are walked here.
  module Encoding
    # Nested arrays and objects. As the size this bounds what the process takes upon itself;
    # `engine.json_max_depth` and the other settings are applied where the value is handed over.
    MAX_DEPTH = 128
    # Bytes of JSON, roughly counted.
    MAX_BYTES = 10 * 1024 * 1024
    # Integers that the database takes.
    INTEGERS = (-(2**63)..(2**63 - 1)).freeze

    # Inside TaskerCore, `Encoding` is this module; these keep the two usual names of
    # Ruby's own class readable there.
    UTF_8 = ::Encoding::UTF_8
    BINARY = ::Encoding::BINARY

    class << self
      # The object as plain types; the same object if it is plain already.
      #
      # @param object [Object]
      # @param root [String] how messages name the whole
      # @return [Hash, Array, String, Numeric, true, false, nil]
      # @raise [EncodingError] naming the path of what cannot be encoded
      def plain(object, root: 'results')
        plain?(object) ? object : Walk.new(root).convert(object)
      end

      # As {plain}, but always a new structure that shares no container with `object`.
      #
      # @return [Hash, Array, String, Numeric, true, false, nil]
      # @raise [EncodingError]
      def copy(object, root: 'results')
        Walk.new(root).convert(object)
      end

      # Text that can be stored whatever it was: UTF-8, no U+0000, at most `limit` bytes.
      #
      # @return [String]
      def text(value, limit: 64 * 1024)
        text = value.to_s
        text = text.encode(UTF_8, invalid: :replace, undef: :replace) unless [UTF_8, BINARY].include?(text.encoding)
        text = text.dup.force_encoding(UTF_8).scrub("\u{FFFD}").tr("\0", "\u{FFFD}")
        text.bytesize > limit ? "#{text.byteslice(0, limit).scrub('')} (cut)" : text
      end

      private

      # One cheap look that builds nothing. Gives up (false) wherever the walk would
      # have something to say.
      def plain?(object, depth = 0, budget = [MAX_BYTES])
        case object
        when nil, true, false then true
        when String then plain_text?(object, budget)
        when Integer then INTEGERS.cover?(object)
        when Float then object.finite?
        when Hash then object.instance_of?(Hash) && depth < MAX_DEPTH && plain_hash?(object, depth, budget)
        when Array
          object.instance_of?(Array) && depth < MAX_DEPTH && (budget[0] -= object.size * 2) >= 0 &&
            object.all? { |item| plain?(item, depth + 1, budget) }
        else false
        end
      end

      def plain_hash?(hash, depth, budget)
        hash.all? do |key, value|
          key.instance_of?(String) && plain_text?(key, budget) && plain?(value, depth + 1, budget)
        end
      end

      def plain_text?(text, budget)
        text.instance_of?(String) && text.encoding == UTF_8 && text.valid_encoding? &&
          !text.include?("\0") && (budget[0] -= text.bytesize + 2) >= 0
      end
    end

    # One conversion: where it is, what it is inside of, and what may still be written.
    # @api private
    class Walk
      def initialize(root)
        @root = root
        @path = []
        @open = {}.compare_by_identity
        @left = MAX_BYTES
      end

      def convert(object)
        case object
        when nil, true, false then spend(object, 4)
        when String then text(object)
        when Symbol then text(object.name)
        when Integer then integer(object)
        when Float then spend(object.finite? ? object : nil, 8)
        when Hash then hash(object)
        when Array then inside(object) { list(object) }
        else other(object)
        end
      end

      private

      def other(object)
        return inside(object) { hash(faraday(object)) } if faraday?(object)

        owner = as_json_owner(object)
        rule = RULES[owner]
        rule ? inside(object) { send(rule, object) } : own(object)
      end

      # Who the `as_json` of an object comes from, and what is done in its place.
      RULES = {
        ::Object => :fields, ::Enumerable => :stream, ::Struct => :members, ::Numeric => :number
      }.compare_by_identity.freeze
      private_constant :RULES

      # BasicObject has no `method`; whatever answers for it (a proxy) is asked.
      def as_json_owner(object)
        ::Kernel.instance_method(:method).bind_call(object, :as_json).owner
      rescue ::NameError, ::TypeError
        refuse("an object of class #{class_of(object)}, which has no as_json; turn it into a Hash")
      end

      # An `as_json` that somebody wrote for this class: what it gives is walked.
      def own(object)
        inside(object) do
          json = object.as_json
          refuse("#{class_of(object)}#as_json gives the object itself; let it give a Hash or a String") if json.equal?(object)
          convert(json)
        end
      rescue ::SystemStackError
        refuse("#{class_of(object)}#as_json never ends; it probably reaches itself again")
      end

      # What ActiveSupport takes of an object that nobody taught: `to_hash`, else its
      # instance variables. An object without any gives what its `to_h` has.
      def fields(object)
        return hash(object.to_hash) if object.respond_to?(:to_hash)

        names = object.instance_variables
        return hash(object.to_h) if names.empty? && object.respond_to?(:to_h)

        hash(names.to_h { |name| [name.to_s.delete_prefix('@'), object.instance_variable_get(name)] })
      end

      def members(struct)
        hash(struct.members.zip(struct.values).to_h)
      end

      # `===`, because a BasicObject answers nothing.
      def faraday?(object)
        defined?(::Faraday::Response) && ::Faraday::Response === object # rubocop:disable Style/CaseEquality
      end

      def faraday(response)
        {
          'status' => response.status, 'body' => response.body, 'response_headers' => response.headers.to_h,
          'url' => response.env && response.env.url.to_s
        }
      end

      def hash(object)
        inside(object) do
          spend(nil, 2)
          object.each_with_object({}) do |(key, value), out|
            name = key.to_s
            @path.push(name)
            name = text(name)
            out[name] = convert(value)
            @path.pop
          end
        end
      end

      def list(items)
        spend(nil, 2)
        index = -1
        items.map { |item| at(index += 1) { convert(item) } }
      end

      # Sets, enumerators and other things that can only be asked for one after another.
      def stream(items)
        size = items.respond_to?(:size) && !items.is_a?(::Enumerator::Lazy) ? items.size : nil
        refuse("an endless #{class_of(items)}; take a finite Array of it") if size.is_a?(::Float) && size.infinite?
        out = []
        items.each { |item| at(out.size) { out << convert(item) } }
        out
      end

      def at(index)
        @path.push(index)
        value = yield
        @path.pop
        value
      end

      def inside(object)
        refuse("#{class_of(object)} contains itself; leave the inner one out") if @open.key?(object)
        refuse("nested deeper than #{MAX_DEPTH}; return it flatter") if @open.size >= MAX_DEPTH
        @open[object] = true
        value = yield
        @open.delete(object)
        value
      end

      def integer(object)
        return spend(object, 8) if INTEGERS.cover?(object)

        refuse('an Integer outside -2^63 to 2^63-1; return it as a String')
      end

      # Rational and Complex, which ActiveSupport writes as text. BigDecimal has a rule
      # of its own and does not come here.
      def number(object)
        json = object.as_json
        case json
        when ::Integer then integer(json)
        when ::Float, ::String, nil then convert(json)
        else text(json.to_s)
        end
      end

      def text(string)
        utf8 = utf8(string)
        refuse('a String with U+0000, which PostgreSQL cannot store; remove it') if utf8.include?("\0")
        utf8 = ::String.new(utf8) unless utf8.instance_of?(::String)
        spend(utf8, utf8.bytesize + 2)
      end

      def utf8(string)
        return string if string.encoding == UTF_8 && string.valid_encoding?

        # Bytes without a known encoding are often UTF-8 all the same (bodies of HTTP).
        taken = string.encoding == BINARY ? string.dup.force_encoding(UTF_8) : string.encode(UTF_8)
        return taken if taken.valid_encoding?

        refuse('a String that is not valid UTF-8; encode it, or use Base64')
      rescue ::EncodingError
        refuse("a String in #{string.encoding} that cannot be written in UTF-8; encode it, or use Base64")
      end

      def spend(value, bytes)
        @left -= bytes
        return value unless @left.negative?

        refuse("more than #{MAX_BYTES / (1024 * 1024)} MiB in all; keep it elsewhere and return a reference")
      end

      def refuse(what)
        raise EncodingError, "#{path}: #{what}"
      end

      # As it would be written in Ruby, cut in the middle where it is long.
      def path
        parts = @path.size > 12 ? @path.first(6) + ['...'] + @path.last(5) : @path
        parts.inject(Encoding.text(@root)) do |text, part|
          part.is_a?(::Integer) ? "#{text}[#{part}]" : "#{text}.#{Encoding.text(part, limit: 60)}"
        end
      end

      def class_of(object)
        ::Kernel.instance_method(:class).bind_call(object)
      end
    end
    private_constant :Walk
  end
end
