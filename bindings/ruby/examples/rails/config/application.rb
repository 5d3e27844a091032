# frozen_string_literal: true

require_relative 'boot'
require 'rails'
require 'active_record/railtie'
require 'tasker_core'

module Workbench
  class Application < Rails::Application
    config.load_defaults 6.1
    config.eager_load = Rails.env.production?
    config.cache_classes = !Rails.env.development?
    config.time_zone = 'Europe/Vienna'
    config.filter_parameters = %i[phone]
    config.logger = ActiveSupport::TaggedLogging.new(ActiveSupport::Logger.new($stderr))
    config.log_level = :info
    config.active_record.dump_schema_after_migration = false
    config.secret_key_base = 'an application without a browser signs nothing'
  end
end
