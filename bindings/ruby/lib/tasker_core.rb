# frozen_string_literal: true

require_relative 'tasker_core/version'
require_relative 'tasker_core/errors'
require_relative 'tasker_core/logging'
require_relative 'tasker_core/encoding'
require_relative 'tasker_core/registry'
require_relative 'tasker_core/step_handler'
require_relative 'tasker_core/context'
require_relative 'tasker_core/templates'
require_relative 'tasker_core/client'
require_relative 'tasker_core/submission'
require_relative 'tasker_core/around'
require_relative 'tasker_core/host'
require_relative 'tasker_core/worker'
require_relative 'tasker_core/adopter'
require_relative 'tasker_core/event_feed'
require_relative 'tasker'

# Durable workflows on PostgreSQL: handlers in Ruby, everything else in Rust.
#
# {Worker} runs handlers in a process or has them run as jobs ({Dispatch}, {Adopter}),
# {StepHandler} is the base of new ones, {Client} submits tasks and follows them, and the
# namespace Tasker holds the API of the Rails engine for those there are.
module TaskerCore
  begin
    require_relative 'tasker_core/tasker_core'
  rescue LoadError => e
    raise LoadError, "the extension of tasker_core is not built for this Ruby (#{RUBY_VERSION}): " \
                     "`rake compile` in a checkout, `gem pristine tasker_core` for an installed gem (#{e.message})"
  end
end

# When an application is defined, or at once if there is one: the program `tasker-worker`
# loads this gem before the application, and Bundler after Rails.
ActiveSupport.on_load(:before_configuration) { require_relative 'tasker_core/railtie' }
