# frozen_string_literal: true

require_relative '../constants'

module Tasker
  module Events
    # Which identifiers there are from the start.
    module Catalog
      MODULES = [
        Constants::TaskEvents, Constants::StepEvents, Constants::WorkflowEvents,
        Constants::ObservabilityEvents::Task, Constants::ObservabilityEvents::Step,
        Telemetry::Events::ExportEvents, Constants::TestEvents
      ].freeze
      private_constant :MODULES

      # @return [Array<String>] each identifier once
      IDENTIFIERS = MODULES.flat_map { |group| group.constants(false).map { |name| group.const_get(name) } }.uniq.freeze

      # First parts of names that hosts may not give to events of their own.
      RESERVED = %w[task step workflow observability test].freeze
    end
  end
end
