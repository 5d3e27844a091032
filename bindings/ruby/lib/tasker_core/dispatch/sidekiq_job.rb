# frozen_string_literal: true

require 'sidekiq'

module TaskerCore
  module Dispatch
    # One execution as a job of Sidekiq.
    class SidekiqJob
      # The newer name is there from 6.3 on.
      include(defined?(::Sidekiq::Job) ? ::Sidekiq::Job : ::Sidekiq::Worker)

      # The engine makes the attempts.
      sidekiq_options retry: false

      # @param reference [Hash]
      def perform(reference)
        TaskerCore.adopter.perform(reference)
      end
    end
  end
end
