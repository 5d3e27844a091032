# frozen_string_literal: true

module Tasker
  # For the classes of applications that protected the engine's routes.
  module Authorization
    # Loads, with what is defined on top of it; nobody asks it.
    class BaseCoordinator
      # @param user [Object, nil]
      def initialize(user = nil)
        @user = user
      end

      protected

      # @return [Object, nil]
      attr_reader :user

      # @return [Boolean]
      def authorized?(_resource, _action, _context = {})
        false
      end
    end
  end

  Compat::EngineNames.announce(Authorization, Compat::EngineNames::NO_ROUTES)
end
