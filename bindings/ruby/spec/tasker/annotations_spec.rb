# frozen_string_literal: true

require_relative 'support/helper'

RSpec.describe 'Annotations', :tasker do
  let(:execution) { FakeExecution.new }
  let(:task) { Tasker::Compat::Records.new(execution).task }

  def within(&block)
    Tasker::Compat::Reach.with(execution, &block)
  end

  it 'have types that are found by name, or made' do
    within do
      expect(Tasker::AnnotationType.find_by(name: 'audit')).to be_nil
      made = Tasker::AnnotationType.find_or_create_by!(name: 'audit', description: 'who did what')
      expect(made).to have_attributes(id: 1, annotation_type_id: 1, name: 'audit', description: 'who did what', created_at: be_present)
      expect(Tasker::AnnotationType.find_or_create_by!(name: 'audit', description: 'another')).to eq(made)
      expect(Tasker::AnnotationType.find_by({ name: 'audit' })).to eq(made)
      expect(Tasker::AnnotationType.exists?(name: 'audit')).to be(true)
    end
  end

  it 'have types whose description a block may give, when one is made' do
    within do
      2.times { |n| Tasker::AnnotationType.find_or_create_by!(name: 'audit') { |type| type.description = "made #{n}" } }
      expect(Tasker::AnnotationType.find_by(name: 'audit').description).to eq('made 0')
    end
  end

  it 'have types with unique names' do
    within do
      Tasker::AnnotationType.create!(name: 'audit')
      expect { Tasker::AnnotationType.create!(name: 'audit') }.to raise_error(TaskerCore::RecordError, /name: .*"audit" already/)
      expect(Tasker::AnnotationType.create(name: 'audit')).to be_nil
      expect { Tasker::AnnotationType.create!(name: '') }.to raise_error(TaskerCore::RecordError, /\Aname: /)
      expect { Tasker::AnnotationType.find_by(id: 1) }.to raise_error(Tasker::UnsupportedError, /by name/)
    end
  end

  it 'are made of a task and a type, or of their ids, and encoded as results are' do
    within do
      type = Tasker::AnnotationType.create!(name: 'audit')
      made = Tasker::TaskAnnotation.create!(task: task, annotation_type: type, annotation: { at: Date.new(2024, 1, 2), n: BigDecimal('1') })
      expect(made).to have_attributes(task: task, task_id: 7, annotation_type_id: 1, annotation_type_name: 'audit',
                                      annotation: { 'at' => '2024-01-02', 'n' => '1.0' }, id: 1, created_at: be_present)
      Tasker::TaskAnnotation.create(task_id: 7, annotation_type_id: 1, annotation: %w[plain])
      task.task_annotations.create(annotation_type: type, annotation: nil)
      expect(task.task_annotations.map(&:annotation)).to eq([made.annotation, ['plain'], nil])
      expect([task.annotations.size, task.annotations.last.annotation, task.annotation_types.uniq]).to eq([3, nil, [type]])
    end
  end

  it 'that cannot be are refused by name' do
    within do
      type = Tasker::AnnotationType.create!(name: 'audit')
      refused = { { annotation_type: type } => /task: is missing/, { task: task } => /annotation_type: is missing/,
                  { task: 'x', annotation_type: type } => /task: "x" is no id/,
                  { task: task, annotation_type_id: 2**70 } => /annotation_type: \d+ is no id/,
                  { task: task, annotation_type_id: 9 } => /no such annotation type/ }
      refused.each do |given, message|
        expect { Tasker::TaskAnnotation.create!({ annotation: {} }.merge(given)) }.to raise_error(TaskerCore::RecordError, message)
        expect(Tasker::TaskAnnotation.create({ annotation: {} }.merge(given))).to be_nil
      end
      expect { task.task_annotations.create!(annotation_type: type, annotation: { a: (1..).lazy }) }
        .to raise_error(TaskerCore::EncodingError, /annotation/)
      expect { Tasker::TaskAnnotation.create!(task: task, note: 1) }.to raise_error(Tasker::UnsupportedError, /no note/)
    end
    expect(execution.rows.notes).to be_empty
  end

  it 'are within reach in the thread of a handler only' do
    expect { Tasker::AnnotationType.find_or_create_by!(name: 'a') }
      .to raise_error(Tasker::UnsupportedError, /in the thread of a handler or a hook/)
    expect { Tasker::TaskAnnotation.where(task_id: 1) }.to raise_error(Tasker::UnsupportedError, /task\.task_annotations/)
    seen = nil
    klass = handler { define_method(:process) { |*| seen = Tasker::AnnotationType.find_or_create_by!(name: 'a').name } }
    run(klass)
    expect(seen).to eq('a')
    fiber = handler('Fibered') { define_method(:process) { |*| Fiber.new { Tasker::AnnotationType.create!(name: 'b').id }.resume } }
    expect(run(fiber).results).to eq(1)
    expect { Tasker::AnnotationType.find_by(name: 'a') }.to raise_error(Tasker::UnsupportedError)
  end
end
