# frozen_string_literal: true

require_relative 'attributes'

module Tasker
  module Types
    # What is asked for when a task is submitted.
    #
    #   Tasker::Types::TaskRequest.new(name: 'process_order', namespace: 'shop', context: { order_id: 7 })
    class TaskRequest
      include Attributes

      attribute :name, :string, required: true
      attribute :namespace, :string, default: 'default'
      attribute :version, :string, default: '0.1.0'
      attribute :context, :hash, required: true
      attribute :status, :string, default: Constants::TaskStatuses::PENDING
      attribute :initiator, :string, default: Constants::UNKNOWN
      attribute :source_system, :string, default: Constants::UNKNOWN
      attribute :reason, :string, default: Constants::UNKNOWN
      attribute :complete, :boolean, default: false
      attribute :tags, :strings, default: -> { [] }
      attribute :bypass_steps, :strings, default: -> { [] }
      attribute :requested_at, :time, default: -> { Time.current }
    end
  end
end
