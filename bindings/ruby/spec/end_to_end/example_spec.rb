# frozen_string_literal: true

require_relative 'setting'

RSpec.describe 'examples/plain', :end_to_end do
  let(:example) { File.join(EndToEnd::GEM, 'examples/plain') }

  it 'runs as its README says' do
    service = program('--require', File.join(example, 'handlers.rb'), '--templates', File.join(example, 'config/tasks'),
                      environment: { 'RAILS_ENV' => 'test' })
    service.wait_for(/worker started/)
    task = wait(stack.submit('library/overdue_reminder', { 'loan_id' => 7, 'today' => '2024-03-15' }))
    expect(task['state']).to eq('complete')
    expect(results(task)).to include(
      'work_out_fee' => { 'days' => 14, 'fee' => '2.00' }, 'choose_language' => { 'language' => 'en' },
      'write_reminder' => include('to' => 'Ada', 'text' => 'Notes on the Engine is 14 days late. The fee is 2.00.')
    )
    expect(stack.step(task['task_id'], 'choose_language')['attempts']).to eq(2)
    expect(service.output).to include('writing a reminder')

    failed = wait(stack.submit('library/overdue_reminder', { 'loan_id' => 9, 'today' => '2024-03-15' }))
    expect(failed['state']).to eq('error')
    expect(results(failed)['look_up_loan']).to include('error' => 'there is no such loan', 'error_class' => 'Tasker::PermanentError')
    service.signal('TERM')
    expect(service.wait).to have_attributes(exitstatus: 0)
  end
end
