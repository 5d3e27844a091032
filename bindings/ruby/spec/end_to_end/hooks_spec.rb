# frozen_string_literal: true

require_relative 'setting'

# Hooks of task handlers, with workflows in the style of the engine's own examples.
RSpec.describe Tasker::TaskHandler, :end_to_end do
  let(:seen) { Thread::Queue.new }

  after { Tasker::HandlerFactory.instance.clear }

  # A task handler with its steps: [name, parent, more].
  def workflow(name, handler, *steps, &body)
    space = namespace
    klass = Class.new
    stub_const("EndToEnd::#{name.camelize}", klass)
    klass.class_eval do
      include Tasker::TaskHandler
      register_handler(name, namespace_name: space, version: '1.0.0')
      define_step_templates do |templates|
        steps.each do |step, parent, more|
          templates.define(name: step, dependent_system: 'spec-system', handler_class: handler, depends_on_step: parent,
                           default_retry_limit: 1, **(more || {}))
        end
      end
    end
    klass.class_eval(&body)
    klass
  end

  def handles(name, base = Tasker::StepHandler::Base, &body)
    stub_const("EndToEnd::#{name}", Class.new(base, &body))
  end

  def annotations(task_id)
    rows = stack.sql('SELECT y.name, y.description, a.annotation FROM tasker_task_annotations a JOIN tasker_annotation_types y ' \
                     'USING (annotation_type_id) WHERE a.task_id = $1 ORDER BY a.task_annotation_id', task_id)
    rows.map { |row| [row['name'], row['description'], JSON.parse(row['annotation'])] }
  end

  # Once they are there: where no single step comes last, after the end of the task.
  def annotated(task_id, number)
    eventually("there are #{number} annotations") { annotations(task_id).then { |found| found if found.size >= number } }
  end

  # What the workflow of four steps (a chain of three, and a root) writes at its end.
  let(:annotating) do
    seen = self.seen
    space = namespace
    proc do
      define_method(:update_annotations) do |task, sequence, steps|
        type = Tasker::AnnotationType.find_or_create_by!(name: "dummy of #{space}", description: 'dummy annotation')
        steps.each do |step|
          Tasker::TaskAnnotation.create(task: task, annotation_type_id: type.annotation_type_id, task_id: task.task_id,
                                        annotation: { dummy: 'value', step_name: step.name })
        end
        seen << [task.status, sequence.steps.map(&:status)]
      end
    end
  end
  let(:dummy) { handles('Dummy') { def process(task, *) = { dummy: task.context['dummy'] } } }

  it 'annotates a complete task of several last steps once, after its end' do
    workflow('dummy_task', dummy, ['step-one'], ['step-two'], %w[step-three step-two], %w[step-four step-three], &annotating)
    worker
    task_id = submit('dummy_task', 'dummy' => true)
    expect(wait(task_id)['state']).to eq('complete')
    written = annotated(task_id, 4)
    expect(written.map { |name, description, note| [name, description, note['dummy']] }.uniq)
      .to eq([["dummy of #{namespace}", 'dummy annotation', 'value']])
    expect(written.map { |*, note| note['step_name'] }).to match_array(%w[step-one step-two step-three step-four])
    expect(take(seen)).to eq(['complete', ['complete'] * 4])
    # The next task's annotations are written after whatever else was to come of the first.
    second = submit('dummy_task', 'dummy' => true)
    annotated(second, 4)
    expect(take(seen)).to eq(['complete', ['complete'] * 4])
    expect(annotations(task_id).size).to eq(4)
    expect(seen).to be_empty
  end

  %w[queued direct].each do |mode|
    it "annotates a task of one last step before it ends, in #{mode} mode" do
      workflow('chain', dummy, ['one'], %w[two one], %w[three two], &annotating)
      worker(set: stack.settings('engine.mode' => mode))
      task_id = submit('chain', 'dummy' => 1)
      expect(wait(task_id)['state']).to eq('complete')
      # They are there with the end, and not some time after it.
      expect(annotations(task_id).map { |*, note| note['step_name'] }).to eq(%w[one two three])
      expect(take(seen)).to eq(['in_progress', ['complete'] * 3])
    end
  end

  it 'runs five API handlers whose last one fails for good: the hook rewrites the context of what succeeded' do
    seen = self.seen
    api = handles('Register', Tasker::StepHandler::Api) do
      def process(task, sequence, step)
        raise Tasker::PermanentError.new('user not found', error_code: 'USER_NOT_FOUND') if step.name == 'update_user_status'

        known = sequence.steps.map(&:name).select { |name| sequence.find_step_by_name(name).complete? }
        { status: 201, body: { user: task.context['user_info']['email'], known: known.size }.to_json }
      end

      def process_results(step, response, _initial)
        step.results = JSON.parse(response[:body]).merge(created_at: Time.current)
      end
    end
    config = Tasker::StepHandler::Api::Config.new(url: 'https://users.example')
    more = { handler_config: config }
    workflow('user_registration', api, ['create_user', nil, more], ['billing', 'create_user', more], ['preferences', 'create_user', more],
             ['welcome', nil, more.merge(depends_on_steps: %w[billing preferences])], ['update_user_status', 'welcome', more]) do
      define_method(:update_annotations) do |task, _sequence, steps|
        seen << steps.map(&:name)
        durations = steps.to_h { |step| [step.name, (step.updated_at - step.created_at).class.name] }
        task.context.merge!('workflow_completed' => false, 'users' => steps.map { |step| step.results['user'] }.uniq, 'kinds' => durations)
        task.save! if task.respond_to?(:save!)
      end
    end
    worker
    task_id = submit('user_registration', 'user_info' => { 'email' => 'a@b.example' })
    task = wait(task_id)
    expect(states(task).values).to eq(%w[complete complete complete complete error])
    expect(results(task)['update_user_status']).to include(
      'error' => 'user not found', 'error_class' => 'Tasker::PermanentError',
      'error_details' => include('error_code' => 'USER_NOT_FOUND', 'error_message' => 'user not found')
    )
    names = take(seen)
    expect([names.first, names[1, 2].sort, names.last]).to eq(['create_user', %w[billing preferences], 'welcome'])
    context = eventually('the context is stored') { stack.task(task_id)['context'].then { |now| now if now.key?('users') } }
    expect(context).to include('user_info' => { 'email' => 'a@b.example' }, 'workflow_completed' => false,
                               'users' => ['a@b.example'], 'kinds' => names.to_h { |name| [name, 'Float'] })
    expect(stack.task(task_id)['state']).to eq('error')
  end

  it 'sets defaults of a step before its handler, and stores what is saved' do
    handler = handles('Reads') { def process(_task, _sequence, step) = { inputs: step.inputs } }
    workflow('defaults', handler, ['one'], %w[two one]) do
      define_method(:establish_step_dependencies_and_defaults) do |task, steps|
        steps.each { |step| step.update!(inputs: { of: step.name, n: task.context['n'] }) }
      end
    end
    worker
    task_id = submit('defaults', 'n' => 1)
    expected = %w[one two].to_h { |name| [name, { 'inputs' => { 'of' => name, 'n' => 1 } }] }
    expect(results(wait(task_id))).to eq(expected)
    stored = stack.sql('SELECT inputs FROM tasker_workflow_steps WHERE task_id = $1 ORDER BY workflow_step_id', task_id)
    expect(stored.map { |row| JSON.parse(row['inputs']) }).to eq([{ 'of' => 'one', 'n' => 1 }, { 'of' => 'two', 'n' => 1 }])
  end

  it 'changes no outcome by hooks that raise' do
    workflow('raising', dummy, ['one'], %w[two one]) do
      def establish_step_dependencies_and_defaults(*) = raise('no defaults')
      def update_annotations(*) = exit(7)
    end
    before = Tasker::Compat::Hooks.statistics
    worker
    expect(states(wait(submit('raising')))).to eq('one' => 'complete', 'two' => 'complete')
    after = Tasker::Compat::Hooks.statistics
    expect([after[:called] - before[:called], after[:failed] - before[:failed]]).to eq([3, 3])
  end

  it 'annotates a task that an operator has ended, and once more when it has gone on to its end' do
    broken = true
    handler = handles('Breaks') { define_method(:process) { |_task, _sequence, step| raise 'broken' if broken && step.name == 'two' } }
    workflow('mended', handler, ['one'], %w[two one], &annotating)
    worker
    task_id = submit('mended')
    expect(wait(task_id)['state']).to eq('error')
    expect(annotated(task_id, 1).map { |*, note| note['step_name'] }).to eq(['one'])
    broken = false
    stack.request(Net::HTTP::Post, "/v1/tasks/#{task_id}/retry", {})
    expect(wait(task_id)['state']).to eq('complete')
    # As in the engine, of what this run has done.
    expect(annotations(task_id).map { |*, note| note['step_name'] }).to eq(%w[one two])
  end
end
