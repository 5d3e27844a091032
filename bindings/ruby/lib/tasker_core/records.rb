# frozen_string_literal: true

module TaskerCore
  # Typed results: Struct and Data become objects, at any depth.
  #
  # Every object is visited once, however often it is referred to, so that a cycle ends
  # here and is left for the encoder to refuse.
  #
  # @api private
  class Records
    # Data came with Ruby 3.2; before that the name may belong to something else.
    RECORDS = [Struct, *(::Data if defined?(::Data.define))].freeze
    # Hashes, arrays and records inside of each other; more than can be stored.
    MAX_DEPTH = 128
    private_constant :RECORDS, :MAX_DEPTH

    # @return [Object] `value` itself if there is no record in it
    def self.to_objects(value)
      new.convert(value)
    end

    def initialize
      @seen = {}.compare_by_identity
      @depth = 0
    end

    # `===` asks the class: a BasicObject answers nothing.
    def convert(value)
      case value
      when Hash, Array, *RECORDS then @seen.fetch(value) { enter(value) }
      else value
      end
    end

    private

    # What is nested deeper than the encoder goes stays as it is, for that to refuse.
    def enter(value)
      @seen[value] = value
      return value if @depth >= MAX_DEPTH

      @depth += 1
      @seen[value] = inside(value).tap { @depth -= 1 }
    end

    def inside(value)
      case value
      when Hash
        converted = value.transform_values { |inner| convert(inner) }
        same?(value.values, converted.values) ? value : converted
      when Array
        converted = value.map { |inner| convert(inner) }
        same?(value, converted) ? value : converted
      else
        value.to_h.transform_values { |inner| convert(inner) }
      end
    end

    def same?(before, after)
      before.zip(after).all? { |was, is| was.equal?(is) }
    end
  end
end
