# frozen_string_literal: true

require 'erb'
require 'fileutils'
require 'json'
require 'open3'
require 'rbconfig'
require 'tmpdir'
require 'support/stack'

# Rails is loaded in processes of its own: it changes Ruby for good, and each example
# wants it fresh. Here: an application in a directory that is gone afterwards, and
# scripts run in it.
module RailsApplication
  GEM = File.expand_path('../../..', __dir__)
  LIB = File.join(GEM, 'lib')

  # What a script said, complained of, and how it ended.
  Ended = Struct.new(:output, :errors, :status) do
    def facts
      JSON.parse(output.lines.last)
    end
  end

  APPLICATION = <<~'RUBY'
    $LOAD_PATH.unshift(ENV.fetch('GEM_LIB'))
    require 'tasker_core' if ENV['GEM_FIRST']
    require 'rails'
    require 'active_record/railtie' if ENV['WITH_RECORD']
    require 'action_controller/railtie' if ENV['WITH_CONTROLLER']
    require 'tasker_core'
    class Sample < Rails::Application
      config.load_defaults 6.1
      config.eager_load = ENV['EAGER'] == '1'
      config.cache_classes = Rails.env != 'development'
      config.filter_parameters = %i[iban]
      config.logger = ActiveSupport::Logger.new($stderr)
      config.secret_key_base = 'none'
      config.active_record.dump_schema_after_migration = false if ENV['WITH_RECORD']
    end
  RUBY

  def app
    @app ||= Dir.mktmpdir('rails-app').tap do |directory|
      @app = directory
      write('config/application.rb', APPLICATION)
      write('config/environment.rb', "require_relative 'application'\nRails.application.initialize!\n")
      write('bin/rails', "APP_PATH = File.expand_path('../config/application', __dir__)\nrequire 'rails/commands'\n")
      write('Rakefile', "require_relative 'config/application'\nRails.application.load_tasks\n")
    end
  end

  def write(path, text)
    file = File.join(app, path)
    FileUtils.mkdir_p(File.dirname(file))
    File.write(file, text)
    file
  end

  # Runs a script in the application; it loads the environment itself.
  def script(code, **variables)
    execute(RbConfig.ruby, '-W0', '-I', LIB, '-I', File.join(GEM, 'spec'), '-e', "require 'json'\n#{code}", **variables)
  end

  # With the application initialized first.
  def booted(code, **variables)
    script("require './config/environment'\n#{code}", **variables)
  end

  def rails(*arguments, **variables)
    execute(RbConfig.ruby, '-W0', 'bin/rails', *arguments, **variables)
  end

  def execute(*command, **variables)
    Ended.new(*Open3.capture3(environment(variables), 'timeout', '-k', '1', '120', *command, chdir: app))
  end

  # The address of a stack's database as ActiveRecord understands it, which reads no host
  # from the query.
  def record_url(url)
    host, port = URI.decode_www_form(URI(url).query).to_h.values_at('host', 'port')
    host ? url.sub('@localhost/', "@#{ERB::Util.url_encode(host)}:#{port}/").sub(/\?.*/, '') : url
  end

  def environment(variables)
    Stack.clean_environment.merge('GEM_LIB' => LIB, 'RAILS_ENV' => 'test', 'RACK_ENV' => nil)
         .merge(variables.transform_keys(&:to_s))
  end
end

RSpec.configure do |config|
  config.include RailsApplication, :rails_application
  config.after(:each, :rails_application) { FileUtils.rm_rf(@app) if @app }
end
