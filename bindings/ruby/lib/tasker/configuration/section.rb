# frozen_string_literal: true

module Tasker
  class Configuration
    # The settings of one section. Every key can be read and set, and one whose value is a
    # map be changed in a block; a key that is not there is refused with the one most like it.
    class Section
      # What the section `backoff` can do besides.
      module Backoff
        # Seconds before the next attempt: the listed ones, then n to the power of the
        # multiplier, at most the maximum, spread by the jitter.
        #
        # @param attempt [Integer] the attempt that failed, from 1
        # @return [Integer]
        def calculate_backoff_seconds(attempt)
          listed = default_backoff_seconds
          base = attempt <= listed.size ? listed[[attempt, 1].max - 1] : (attempt**backoff_multiplier).to_i
          base = [base, max_backoff_seconds].min
          return base unless jitter_enabled

          spread = (base * jitter_max_percentage).round
          [base + rand(-spread..spread), 1].max
        end
      end

      # What the section `telemetry` can do besides.
      module Telemetry
        # @return [ActiveSupport::ParameterFilter, nil] hides what must not be logged
        def parameter_filter
          parameters = filter_parameters
          return nil if parameters.blank?

          key = [parameters, filter_mask]
          return @parameter_filter if @filter_key == key

          @filter_key = key
          @parameter_filter = ActiveSupport::ParameterFilter.new(parameters, mask: filter_mask)
        end
      end

      EXTRAS = { backoff: Backoff, telemetry: Telemetry }.freeze
      private_constant :EXTRAS

      # @param name [Symbol, String] how messages call it
      # @param defaults [Hash{Symbol=>Object}]
      def initialize(name, defaults)
        @name = name
        @asked = defaults.select { |_, value| value.respond_to?(:call) }
        @values = defaults.transform_values { |value| value.respond_to?(:call) ? value.call : copy(value) }
        @before = to_h
        @places = {}
        @values.each_key do |key|
          define_singleton_method(key) do |&block|
            next @values[key] if block.nil?

            @places[key] = caller_locations(1, 1).first
            @values[key] = changed(key, &block)
          end
          define_singleton_method("#{key}=") do |value|
            @places[key] = caller_locations(1, 1).first
            @values[key] = value
          end
        end
        extend(EXTRAS[name]) if EXTRAS.key?(name)
      end

      # Yields itself to be changed.
      # @return [self]
      def change
        yield self
        self
      end

      # @return [Object]
      def [](key)
        public_send(key)
      end

      # @return [Hash{Symbol=>Object}]
      def to_h
        @values.transform_values { |value| copy(value) }
      end

      # What was assigned, be it to the default, and what was changed in place.
      # @api private
      # @return [Hash{Symbol=>Object}]
      def changes
        @values.select { |key, value| @places.key?(key) || value != @before[key] }
      end

      # Asks the host again for what it has not set here: it may say more by now.
      # @api private
      # @return [void]
      def refresh
        @asked.except(*changes.keys).each do |key, ask|
          @values[key] = ask.call
          @before[key] = copy(@values[key])
        end
      end

      # Where a key was assigned last.
      # @api private
      # @return [String, nil]
      def place(key)
        location = @places[key] or return nil
        path = location.path.to_s.delete_prefix("#{Tasker.root}/")
        "#{path}:#{location.lineno}"
      end

      def method_missing(name, *_args)
        return super if name.start_with?('to_')

        key = name.to_s.delete_suffix('=').delete_suffix('?')
        return @values[key.to_sym] ? true : false if name.end_with?('?') && @values.key?(key.to_sym)

        raise ConfigurationError,
              "Tasker.configuration.#{@name} has no setting #{key}; #{Nearest.hint(key, @values.keys)}"
      end

      def respond_to_missing?(name, _private = false)
        name.end_with?('?') && @values.key?(name.to_s.delete_suffix('?').to_sym)
      end

      private

      # A key whose value is a map is changed as a section is.
      def changed(key, &block)
        path = "#{@name}.#{key}"
        raise ConfigurationError, "Tasker.configuration.#{path} takes no block; assign its value" unless @values[key].is_a?(Hash)

        Section.new(path, @values[key]).change(&block).to_h
      end

      def copy(value)
        case value
        when Hash then value.transform_values { |inner| copy(inner) }
        when Array, String then value.dup
        else value
        end
      end
    end
  end
end
