# frozen_string_literal: true

require 'active_support/notifications'

module Tasker
  module Events
    # What gets every published event beside the subscribers of {Publisher}.
    module Fronts
      # Instruments every event for ActiveSupport, under its identifier with the library
      # behind it, as Rails names events:
      #
      #   ActiveSupport::Notifications.subscribe('task.completed.tasker') { |*, payload| ... }
      #   ActiveSupport::Notifications.subscribe(/\Astep\..*\.tasker\z/) { |event| ... }
      #
      # The payload is that of the event; `event_id` is added where there is one.
      #
      # @api private
      class Notifications
        # Says when somebody begins to listen, or ends.
        module Listening
          def subscribe(...)
            super
          ensure
            Publisher.instance.audience_changed
          end

          def unsubscribe(...)
            super
          ensure
            Publisher.instance.audience_changed
          end
        end

        # Says when others listen, for they listen to another object: of whatever class.
        module Replaced
          def notifier=(notifier)
            super
          ensure
            notifier.class.prepend(Listening)
            Publisher.instance.audience_changed
          end
        end
        private_constant :Listening, :Replaced

        def initialize
          ::ActiveSupport::Notifications.notifier.class.prepend(Listening)
          ::ActiveSupport::Notifications.singleton_class.prepend(Replaced)
          @names = Hash.new { |names, identifier| names[identifier] = "#{identifier}.tasker".freeze }
          Catalog::IDENTIFIERS.each { |identifier| @names[identifier] }
        end

        # @return [String] for log lines
        def name
          'ActiveSupport::Notifications'
        end

        # Nothing has to be registered there.
        # @return [void]
        def register(identifier)
          @names = @names.merge(identifier => "#{identifier}.tasker".freeze)
        end

        # @return [Boolean]
        def wants?(identifier)
          ::ActiveSupport::Notifications.notifier.listening?(@names[identifier])
        end

        # @param event [Event]
        # @return [void]
        def call(event)
          payload = event.event_id ? event.payload.merge(event_id: event.event_id) : event.payload.dup
          ::ActiveSupport::Notifications.instrument(@names[event.id], payload)
        end
      end
    end
  end
end
