# frozen_string_literal: true

require 'active_job'
require_relative 'jobs'

# Sidekiq does this in a Rails application.
ActiveJob::Base.include(Sidekiq::Worker::Options) unless ActiveJob::Base.respond_to?(:sidekiq_options)
ActiveJob::Base.queue_adapter = :sidekiq
