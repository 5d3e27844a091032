# frozen_string_literal: true

require 'rbconfig'

namespace :tasker do
  # The program, not a worker in this process: it ends as supervisors expect, and boots
  # the application once.
  desc 'Run a worker with the handlers of this application (tasker-worker --require ./config/environment.rb)'
  task :worker do
    gem = File.expand_path('../..', __dir__)
    exec(RbConfig.ruby, '-I', File.join(gem, 'lib'), File.join(gem, 'exe/tasker-worker'),
         '--require', Rails.root.join('config/environment.rb').to_s)
  end

  desc 'Print what is left to do to run workflows with Tasker Core'
  task :install do
    puts <<~TEXT
      1. Tables. The orchestration service (program: tasker-orchestrator) and workers bring the
         schema up to date when they start; with database.migrate_on_start = false, run
         `tasker migrate`. There are no migrations to copy.
      2. Database. A worker takes DATABASE_URL, else the one of config/database.yml.
      3. Settings, if there are any: `Tasker.configure { |config| ... }` in
         config/initializers/tasker.rb.
      4. Workflows: rails generate tasker:task_handler shop/process_order (the engine's style), or
         rails generate tasker:workflow shop/process_order.
      5. A worker: tasker-worker --require ./config/environment.rb, or rails tasker:worker. It
         registers the workflows when it starts.
    TEXT
  end

  namespace :templates do
    desc 'Check the workflows of this application; TASKER_URL has the orchestration service check them too'
    task check: :environment do
      require 'tasker_core/rails/template_tasks'
      TaskerCore::RailsHost::TemplateTasks.new.check
    rescue TaskerCore::Error => e
      abort e.message
    end

    desc 'Register the workflows of this application with the orchestration service at TASKER_URL'
    task register: :environment do
      require 'tasker_core/rails/template_tasks'
      TaskerCore::RailsHost::TemplateTasks.new.register
    rescue TaskerCore::Error => e
      abort e.message
    end
  end
end
