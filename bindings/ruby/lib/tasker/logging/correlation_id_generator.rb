# frozen_string_literal: true

require 'securerandom'

module Tasker
  module Logging
    # Ids that tie the log lines of one piece of work together.
    module CorrelationIdGenerator
      # @return [String] `tsk_`, the time in milliseconds, six random letters
      def self.generate
        "tsk_#{(Time.now.to_f * 1000).to_i.to_s(36)}_#{SecureRandom.alphanumeric(6).downcase}"
      end
    end
  end
end
