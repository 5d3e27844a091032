# frozen_string_literal: true

require_relative 'effects'

module Tasker
  class Configuration
    # What the host has set, held against what each key does here.
    #
    # @api private
    class Review
      CORE_LEVELS = { 'fatal' => 'error', 'unknown' => 'off' }.freeze
      private_constant :CORE_LEVELS

      # @param configuration [Configuration]
      def initialize(configuration)
        @configuration = configuration
      end

      # @return [Array<String>] what is refused: key, place, problem and remedy
      def problems
        found = changes.filter_map do |section, key, effect, value|
          sentence = effect.refusal&.call(value) || wrong_type(value, DEFAULTS[section][key])
          "#{place(section, key)}: #{sentence}" if sentence
        end
        database = @configuration.database
        if database.enable_secondary_database && database.name.to_s.empty?
          found << "#{place(:database, :enable_secondary_database)}: set name to a configuration of database.yml"
        end
        found
      end

      # @return [Array<String>] what was set and has no effect, and why
      def notes
        changes.filter_map do |section, key, effect, _value|
          # Where a value may be refused, the one that is not is what happens anyway.
          "#{place(section, key)} has no effect. #{effect.text}" if effect.kind == :none && effect.refusal.nil?
        end
      end

      # What the host has set of the Rust core's settings. Variables stand above it, as
      # they stand above files.
      #
      # @param variables [#[]] of the process
      # @return [Hash{String=>String}]
      def core_settings(variables = ENV)
        changes.each_with_object({}) do |(_section, _key, effect, value), settings|
          next if effect.setting.nil? || effect.setting == 'database.url'
          next if self.class.variable?(effect.setting, variables)

          value = core_value(effect.setting, value)
          settings[effect.setting] = value.to_s unless value.nil?
        end
      end

      # @return [Boolean] whether a variable of the process sets the setting
      def self.variable?(setting, variables = ENV)
        !variables["TASKER__#{setting.upcase.gsub('.', '__')}"].to_s.empty?
      end

      private

      def wrong_type(value, default)
        wrong = Effects.wrong_type(value, default)
        return wrong if wrong.nil? || default.is_a?(Hash)

        "#{wrong}, not #{value.inspect[0, 60]}"
      end

      def core_value(setting, value)
        case setting
        when 'telemetry.log_level' then CORE_LEVELS.fetch(value.to_s, value.to_s)
        when 'telemetry.log_format' then value.to_s == 'json' ? 'json' : nil
        else value
        end
      end

      def changes
        Effects::ALL.flat_map do |section, effects|
          set = @configuration.public_send(section).changes
          effects.filter_map { |key, effect| [section, key, effect, set[key]] if set.key?(key) }
        end
      end

      def place(section, key)
        location = @configuration.public_send(section).place(key)
        "Tasker.configuration.#{section}.#{key}#{" (#{location})" if location}"
      end
    end
  end
end
