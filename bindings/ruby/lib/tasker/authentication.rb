# frozen_string_literal: true

module Tasker
  # For the classes of applications that protected the engine's routes.
  module Authentication
    # Loads, with what is defined on top of it; nobody asks it.
    module Interface
    end
  end

  Compat::EngineNames.announce(Authentication, Compat::EngineNames::NO_ROUTES)
end
