# frozen_string_literal: true

module TaskerCore
  # Typed results: Struct and Data become objects, at any depth.
  #
  # Every object is visited once, however often it is referred to, so that a cycle ends
  # here and is left for the encoder to refuse.
  #
  # @api private
  class Records
    # @return [Object] `value` itself if there is no record in it
    def self.to_objects(value)
      new.convert(value)
    end

    def initialize
      @seen = {}.compare_by_identity
    end

    def convert(value)
      return value unless value.is_a?(Hash) || value.is_a?(Array) || record?(value)

      @seen.fetch(value) do
        @seen[value] = value
        @seen[value] = inside(value)
      end
    end

    private

    # Data came with Ruby 3.2; before that the name may belong to something else.
    def record?(value)
      value.is_a?(Struct) || (defined?(::Data.define) && value.is_a?(::Data))
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
