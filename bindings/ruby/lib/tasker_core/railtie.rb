# frozen_string_literal: true

require 'rails/railtie'
require 'active_support/ordered_options'
require_relative 'rails/host'

module TaskerCore
  # Joins the gem to a Rails application. It is loaded when there is one, be that before or
  # after the gem.
  class Railtie < ::Rails::Railtie
    # `dispatch` and `queue`, as of {Worker#initialize}.
    config.tasker_core = ActiveSupport::OrderedOptions.new

    initializer 'tasker_core.host' do |application|
      host = RailsHost.new(application)
      TaskerCore.host = host
      TaskerCore.around_handler { |handler, _execution| host.run(handler) }
    end

    # After those of the application, so that a value that its own file sets is refused
    # with that file's line.
    config.after_initialize do
      ::Tasker.configuration.refresh
      TaskerCore.host.configuration
    end

    # Once at the end of the start, and after each reload.
    config.to_prepare { TaskerCore.host.reloaded }

    rake_tasks { load File.expand_path('../tasks/tasker.rake', __dir__) }

    generators do
      require_relative '../generators/tasker/task_handler/task_handler_generator'
      require_relative '../generators/tasker/step_handler/step_handler_generator'
      require_relative '../generators/tasker/workflow/workflow_generator'
    end
  end
end
