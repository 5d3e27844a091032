# frozen_string_literal: true

# What Native::Rows reads and writes, in memory.
class FakeRows
  TIME = '2024-01-02T03:04:05.000000Z'

  attr_reader :notes, :contexts

  def initialize(task: nil, steps: [])
    @task = task
    @steps = steps
    @types = []
    @notes = []
    @contexts = []
  end

  def task(_task_id)
    @task && copy(@task)
  end

  def steps(_task_id)
    copy(@steps)
  end

  def transitions(_task_id)
    states = [['pending', 'in_progress', 10, false], ['in_progress', 'complete', 20, true]]
    own = states.map do |from, to, sort_key, latest|
      { 'from_state' => from, 'to_state' => to, 'sort_key' => sort_key, 'most_recent' => latest, 'metadata' => {}, 'created_at' => TIME }
    end
    [own.first, own.first.merge('step_id' => 1, 'step_name' => 'one'), own.last]
  end

  def save_context(_task_id, context)
    @contexts << context
    @task['context'] = context
    nil
  end

  def annotation_type(name)
    copy(@types.find { |type| type['name'] == name })
  end

  def make_annotation_type(name, description)
    raise TaskerCore::RecordError.new('name: has 0 characters', code: 'refused') if name.empty?

    present = annotation_type(name)
    return [present, false] if present

    @types << { 'annotation_type_id' => @types.size + 1, 'name' => name, 'description' => description, 'created_at' => TIME,
                'updated_at' => TIME }
    [annotation_type(name), true]
  end

  def annotate(task_id, type_id, note)
    type = @types.find { |one| one['annotation_type_id'] == type_id }
    raise TaskerCore::RecordError.new('there is no such annotation type', code: 'not_found') unless type

    @notes << { 'task_annotation_id' => @notes.size + 1, 'task_id' => task_id, 'annotation_type' => type, 'annotation' => note,
                'created_at' => TIME, 'updated_at' => TIME }
    copy(@notes.last)
  end

  def annotations(_task_id)
    copy(@notes)
  end

  private

  def copy(value)
    JSON.parse(JSON.generate([value])).first
  end
end
