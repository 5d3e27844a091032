# frozen_string_literal: true

require 'json'

module Tasker
  # What `mount Tasker::Engine` finds. The engine's routes are not here, so that every
  # request is answered with 410 (gone) and a sentence.
  class Engine
    SENTENCE = 'the routes of the engine Tasker are gone: the REST API, health and metrics are served by the orchestration service'
    private_constant :SENTENCE

    # @param _environment [Hash] of Rack
    # @return [Array] status, headers, body
    def self.call(_environment)
      [410, { 'content-type' => 'application/json' }, [JSON.generate('error' => SENTENCE)]]
    end
  end

  Compat::EngineNames.announce(Engine, 'answers every request with 410 (gone): the REST API, health and metrics are ' \
                                       'served by the orchestration service (TASKER_URL); take it out of the routes')
end
