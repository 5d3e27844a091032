# frozen_string_literal: true

# The gem dry-events where it is installed; elsewhere as much of its surface as the front
# uses: register_event on class and instance, subscribe with a block or an object, publish.
begin
  require 'dry/events/publisher'
rescue LoadError
  module Dry
    module Events
      class Event
        attr_reader :id, :payload

        def initialize(id, payload)
          @id = id
          @payload = payload
        end

        def [](key) = @payload.fetch(key)
        def to_h = @payload
      end

      module Publisher
        def self.[](id)
          raise ArgumentError, "publisher #{id} is there already" unless (@ids ||= []).push(id).uniq!.nil?

          Module.new do
            def self.included(base)
              base.extend(ClassMethods)
              base.include(InstanceMethods)
            end
          end
        end

        module ClassMethods
          def events = @events ||= []
          def register_event(id, _payload = {}) = events << id
        end

        module InstanceMethods
          def register_event(id, _payload = {}) = self.class.register_event(id) && self

          def subscribe(target, _filter = {}, &block)
            if block
              raise ArgumentError, "no event #{target}" unless self.class.events.include?(target.to_s)

              listeners << [target.to_s, block]
            else
              self.class.events.each do |id|
                name = "on_#{id.tr('.', '_')}"
                listeners << [id, target.method(name)] if target.respond_to?(name)
              end
            end
            self
          end

          def publish(id, payload = {})
            listeners.each { |event, block| block.call(Event.new(id, payload)) if event == id }
          end

          private

          def listeners = @listeners ||= []
        end
      end
    end
  end
end
