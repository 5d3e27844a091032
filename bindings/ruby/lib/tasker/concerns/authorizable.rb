# frozen_string_literal: true

module Tasker
  module Concerns
    # For the classes of users that the engine's routes knew. Nobody asks them.
    module Authorizable
      extend ActiveSupport::Concern

      class_methods do
        # @return [nil]
        def configure_tasker_authorization(_names = {})
          nil
        end
      end
    end
  end

  Compat::EngineNames.announce(Concerns::Authorizable, Compat::EngineNames::NO_ROUTES)
end
