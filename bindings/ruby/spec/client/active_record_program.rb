# frozen_string_literal: true

# Submits in transactions of ActiveRecord; says which of them were kept.
require 'active_record'
require 'json'
require 'tasker_core'
require 'uri'

name = ARGV.fetch(0)
# ActiveRecord's own reader of addresses knows no parameters in the place of the host.
uri = URI(ENV.fetch('DATABASE_URL'))
address = { host: uri.hostname, port: uri.port, username: uri.user, password: uri.password, database: uri.path.delete_prefix('/') }
parameters = URI.decode_www_form(uri.query.to_s).to_h.transform_keys(&:to_sym)
ActiveRecord::Base.establish_connection(adapter: 'postgresql', **address.compact, **parameters)
records = ActiveRecord::Base
submit = ->(at, on = records) { TaskerCore.submit(name: name, context: { at: at }, connection: on) }
count = -> { records.connection.select_value("SELECT count(*) FROM tasker_tasks WHERE context ? 'at'") }

submitted = records.transaction { submit.call('class') }
records.transaction { submit.call('connection', records.connection) }
records.transaction do
  submit.call('rolled back')
  raise ActiveRecord::Rollback
end
records.transaction do
  submit.call('outer')
  records.transaction(requires_new: true) do
    submit.call('inner')
    raise ActiveRecord::Rollback
  end
end
# What ActiveRecord remembers of a query is forgotten with a submission.
seen = records.connection.cache do
  before = count.call
  submit.call('alone')
  count.call - before
end
puts JSON.generate('kept' => %w[class connection outer alone], 'seen' => seen, 'class' => submitted.class.name)
