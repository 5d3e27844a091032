# frozen_string_literal: true

require_relative 'effects'

module Tasker
  class Configuration
    # The document about all keys, made from what decides about them:
    #
    #   ruby -I lib -r tasker -e 'require "tasker/configuration/reference"; print Tasker::Configuration::Reference.to_markdown'
    #
    # @api private
    module Reference
      HEAD = <<~TEXT
        # The host's settings for the engine

        What each key of `Tasker.configure` does. This document is made from the table in
        the library, by the command that `lib/tasker/configuration/reference.rb` shows.

        * **read**: by this gem.
        * **setting**: if the host sets it, it becomes that setting of the Rust core for the
          workers of this process. Variables (`TASKER__SECTION__KEY`), options of the program
          and `set:` stand above it, configuration files below.
        * **none**: accepted, and without effect. A worker says so at its start, once, for
          those that the host sets.

        Beside these nine sections, `config.tasker_core.dispatch` of the application
        (`:inline`, `:sidekiq` or `:active_job`) says how workers run steps, and
        `config.tasker_core.queue` names the queue of the jobs. The options `dispatch` and
        `queue` of a worker, and those of the program, stand above them.

        A value that is refused ends the start of a Rails application, and of a worker, with
        its place and what to do. So does a value of another type than its default.
      TEXT
      KINDS = { used: 'read', none: 'none' }.freeze
      private_constant :HEAD, :KINDS

      module_function

      # @return [String]
      def to_markdown
        sections = Effects::ALL.map do |section, effects|
          rows = DEFAULTS[section].map { |key, default| row(key, default, effects.fetch(key)) }
          "## #{section}\n\n| key | default | effect | |\n| --- | --- | --- | --- |\n#{rows.join}"
        end
        [HEAD, *sections].join("\n")
      end

      def row(key, default, effect)
        kind = effect.setting ? "setting `#{effect.setting}`" : KINDS.fetch(effect.kind)
        "| #{key} | #{shown(default)} | #{kind} | #{effect.text} |\n"
      end

      def shown(default)
        case default
        when Proc then 'Rails\' `filter_parameters`, else the usual'
        when Hash then default.map { |key, value| "#{key} #{value.inspect}" }.join(', ')
        else "`#{default.inspect}`"
        end
      end
    end
  end
end
