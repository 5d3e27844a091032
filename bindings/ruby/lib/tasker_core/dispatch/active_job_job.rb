# frozen_string_literal: true

require 'active_job'

module TaskerCore
  module Dispatch
    # One execution as a job of ActiveJob. It has no retry_on: the engine makes the attempts.
    class ActiveJobJob < ::ActiveJob::Base
      # Where Sidekiq is the adapter.
      sidekiq_options retry: false if respond_to?(:sidekiq_options)

      # @param reference [Hash]
      def perform(reference)
        TaskerCore.adopter.perform(reference)
      end
    end
  end
end
