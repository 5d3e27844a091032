# frozen_string_literal: true

require_relative '../tasker/support/helper'
require_relative 'workflows'
require 'tasker_core/templates'

# What the Rails engine stored and published for two workflows (runs.json), against
# workflows of the same shape that run here. `<volatile Class>` stands for any value of
# the class; of the engine's three copies of an event, each is published once here.
RSpec.describe 'Golden runs of the Rails engine', :tasker do
  runs = JSON.parse(File.read(File.join(__dir__, 'runs.json')))

  def same?(expected, actual)
    case expected
    when /\A<volatile (\w+)>\z/ then actual.is_a?(Object.const_get(Regexp.last_match(1)))
    when Hash
      return actual.is_a?(Array) && actual.size == expected['__array_len'] && same?(expected['__first'], actual.first) if expected.key?('__array_len')

      actual.is_a?(Hash) && actual.keys.sort == expected.keys.sort && expected.all? { |key, value| same?(value, actual[key]) }
    when Array then actual.is_a?(Array) && actual.size == expected.size && expected.zip(actual).all? { |one, other| same?(one, other) }
    else expected == actual
    end
  end

  runs.each do |run|
    describe run['label'] do
      let(:map) do
        GoldenWorkflows.define(run)
        JSON.parse(TaskerCore::Templates.collect([]).to_native.find { |native| native['yaml'].include?(%("#{run['name']}")) }['yaml'])
      end
      let(:published) { [] }
      let(:engine) do
        Tasker::Events.sink = ->(identifier, payload) { published << [identifier, payload] }
        MiniEngine.new(map, run['context']).run
      end

      after do
        Tasker::Events.sink = nil
        GoldenWorkflows.remove
      end

      it 'stores the results that the engine stored' do
        expect(engine).to be_complete
        run['steps'].each do |step|
          expect(same?(step['results'], engine[step['name']].results)).to be(true),
            "#{step['name']}: #{JSON.pretty_generate(engine[step['name']].results)}"
        end
      end

      it 'publishes the events that the engine published, each once, with their keys' do
        engine
        run['step_events'].each do |name, events|
          of_step = published.select { |_, payload| payload[:step_name] == name }
          expect(of_step.map(&:first)).to eq(%w[step.execution_requested step.before_handle step.completed]), name
          of_step.each do |identifier, payload|
            # The engine's copy of its state machine has the transition too, and here each has.
            transition = identifier == 'step.before_handle' ? [] : %w[from_state to_state transitioned_at]
            expect(payload.keys.map(&:to_s)).to match_array(events.fetch(identifier) + transition), "#{name} #{identifier}"
          end
        end
      end

      it 'has the graph and the limits that the engine stored' do
        edges = map['step_templates'].flat_map do |step|
          [step['depends_on_step'], *step['depends_on_steps']].compact.map { |parent| [parent, step['name'], 'provides'] }
        end
        expect(edges).to match_array(run['edges'])
        run['steps'].each do |step|
          template = map['step_templates'].find { |one| one['name'] == step['name'] }
          expect(template.fetch('default_retry_limit', 3)).to eq(step['retry_limit'])
          expect(template['dependent_system']).to eq(step['dependent_system'])
          expect(engine[step['name']].execution.inputs).to eq(step['inputs'])
        end
      end
    end
  end
end
