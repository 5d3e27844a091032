# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe Tasker::Types, :tasker do
  describe Tasker::Types::TaskRequest do
    it 'has the defaults of the engine' do
      request = described_class.new(name: 'order', context: { id: 1 }, colour: 'red')
      expect(request.to_h).to match(
        name: 'order', namespace: 'default', version: '0.1.0', context: { id: 1 }, status: 'pending', initiator: 'unknown',
        source_system: 'unknown', reason: 'unknown', complete: false, tags: [], bypass_steps: [], requested_at: be_a(Time)
      )
      expect(request[:name]).to eq('order')
      expect(request.new(version: '2.0.0')).to have_attributes(name: 'order', version: '2.0.0')
    end

    it 'reads a time from text in ISO 8601' do
      request = described_class.new(name: 'order', context: {}, requested_at: '2024-01-02T03:04:05Z')
      expect(request.requested_at).to eq(Time.utc(2024, 1, 2, 3, 4, 5))
    end

    it 'refuses wrong types and missing attributes, naming them' do
      good = { name: 'order', context: {} }
      {
        { context: {} } => /name is missing/, { 'name' => 'a', context: {} } => /with a String key, use the Symbol :name/,
        good.merge(name: :order) => /name must be a String/, good.merge(context: []) => /context must be a Hash/,
        good.merge(tags: 'a') => /tags must be an Array of Strings/, good.merge(tags: [:a]) => /tags/,
        good.merge(complete: 'yes') => /complete must be true or false/, good.merge(requested_at: 'soon') => /requested_at must be a time/
      }.each { |attributes, message| expect { described_class.new(attributes) }.to raise_error(Tasker::Types::Error, message) }
    end

    it 'shares no default with the next one' do
      described_class.new(name: 'a', context: {}).tags << 'mine'
      expect(described_class.new(name: 'a', context: {}).tags).to eq([])
    end
  end

  it 'StepTemplate joins the two ways to name parents' do
    template = Tasker::Types::StepTemplate.new(name: 'a', handler_class: String, depends_on_step: 'b', depends_on_steps: %w[c b])
    expect(template.all_dependencies).to eq(%w[b c])
  end

  it 'StepSequence can be made of steps at hand, for tests of handlers' do
    step = Struct.new(:name, :results)
    sequence = Tasker::Types::StepSequence.new(steps: [step.new('a', 1), step.new('b', 2)])
    expect(sequence.find_step_by_name('b').results).to eq(2)
    expect(sequence.find_step_by_name('c')).to be_nil
    expect(sequence.steps.size).to eq(2)
  end
end
