# frozen_string_literal: true

# All benchmarks of the gem as a page with pictures, made of one run's records and of
# nothing else:
#
#   ruby bench/report.rb run [rounds of the soak]   measures (release build) and writes
#   ruby bench/report.rb                            writes the page anew from its records
#
# `make bench-ruby` does the first. The charts are drawn by tasker-bench.

$LOAD_PATH.unshift(File.expand_path('../spec', __dir__))
require 'etc'
require 'fileutils'
require 'json'
require 'open3'
require 'rbconfig'
require 'support/stack'

# Makes the files of the report, in memory.
module RubyReport
  FOLDER = 'benchmarks-ruby'
  RECORDS = "#{FOLDER}/records.jsonl".freeze
  PAGE = "#{FOLDER}.md".freeze
  SCRIPTS = { 'native.rb' => [], 'workflow.rb' => %w[4000 16], 'memory.rb' => [], 'feed.rb' => [],
              'soak.rb' => %w[60 100 16] }.freeze

  # A figure that was promised: how it is called, where it is found, its unit and bounds.
  Target = Struct.new(:what, :bench, :value, :unit, :better, :gate, :aim, keyword_init: true) do
    def met(measured)
      return 'not measured' if measured.nil?
      return 'missed' unless within?(measured, gate)

      aim && !within?(measured, aim) ? 'gate met' : 'met'
    end

    def within?(measured, bound)
      better == :more ? measured >= bound : measured <= bound
    end

    def bound(value)
      value ? "#{better == :more ? '≥' : '≤'} #{RubyReport.number(value)} #{unit}" : ''
    end
  end

  TARGETS = [
    Target.new(what: 'events from Rust to Ruby and back, 150 B', bench: 'native', value: ->(r) { r['events_per_second'] if r['goal'] == 50_000 },
               unit: '/s', better: :more, gate: 50_000),
    Target.new(what: 'the same, 1 KB of nested JSON', bench: 'native', value: ->(r) { r['events_per_second'] if r['goal'] == 15_000 },
               unit: '/s', better: :more, gate: 15_000),
    Target.new(what: 'steps that do nothing, through the database', bench: 'workflow', value: ->(r) { r['steps_per_second'] },
               unit: '/s', better: :more, gate: 2500),
    Target.new(what: 'handlers of 1 ms, against a plain loop', bench: 'workflow', value: ->(r) { r['added_percent'] if r['rounds'] },
               unit: '% more', better: :less, gate: 10, aim: 5),
    Target.new(what: 'between two of these handlers, p99 beyond the loop\'s', bench: 'workflow', value: ->(r) { r['added_p99_ms'] if r['rounds'] },
               unit: 'ms', better: :less, gate: 0.2),
    Target.new(what: 'memory of an idle worker without Rails', bench: 'memory', value: ->(r) { r['idle_worker_mb'] },
               unit: 'MB', better: :less, gate: 60)
  ].freeze

  module_function

  def documents
    File.expand_path('../../../docs', __dir__)
  end

  # Runs the scripts and gives their lines, after one that tells of the machine.
  def measure(rounds)
    ENV.key?('TASKER_TEST_ADMIN_URL') or abort 'bench/report.rb: run it as `make bench-ruby` does, on a private cluster'
    scripts = rounds ? SCRIPTS.merge('soak.rb' => [rounds, *SCRIPTS['soak.rb'].drop(1)]) : SCRIPTS
    environment = { 'TASKER_TEST_PROFILE' => 'release' }
    lines = scripts.flat_map do |script, arguments|
      warn "bench/#{script} #{arguments.join(' ')}"
      # Not where the checkout has its configuration.
      text, status = Open3.capture2(environment, RbConfig.ruby, File.join(__dir__, script), *arguments, chdir: __dir__)
      status.success? || warn("bench/#{script} ended with #{status.exitstatus}")
      text.lines.map { |line| JSON.parse(line) }
    end
    [machine, *lines]
  end

  def machine
    cpu = File.read('/proc/cpuinfo')[/^model name\s*:\s*(.+)$/, 1]
    memory = File.read('/proc/meminfo')[/^MemTotal:\s+(\d+)/, 1].to_i / 1024.0 / 1024.0
    connection = PG.connect(Stack.server)
    { 'machine' => { 'processor' => cpu, 'cores' => Etc.nprocessors, 'memory' => "#{memory.round(1)} GiB",
                     'Ruby' => RUBY_DESCRIPTION, 'PostgreSQL' => connection.exec('SHOW server_version').getvalue(0, 0),
                     **%w[fsync autovacuum].to_h { |name| [name, connection.exec("SHOW #{name}").getvalue(0, 0)] },
                     'measured' => Time.now.utc.strftime('%Y-%m-%d') } }
  ensure
    connection&.close
  end

  # { path below docs => text }
  def render(records)
    charts = { 'rates' => rates(records), 'soak' => soak(records) }.compact
    files = charts.to_h { |name, chart| ["#{FOLDER}/#{name}.svg", draw(chart)] }
    files.merge(PAGE => page(records, charts.keys))
  end

  def read
    File.readlines(File.join(documents, RECORDS)).map { |line| JSON.parse(line) }
  end

  def write(records)
    FileUtils.mkdir_p(File.join(documents, FOLDER))
    lines = records.map { |record| "#{JSON.generate(record)}\n" }.join
    { RECORDS => lines, **render(records) }.each { |path, text| File.write(File.join(documents, path), text) }
  end

  def measured(records, target)
    records.filter_map { |record| target.value.call(record) if record['bench'] == target.bench }.first
  end

  def rates(records)
    found = TARGETS.select { |target| target.unit == '/s' }.filter_map do |target|
      value = measured(records, target)
      { name: target.what, values: [value, target.gate] } if value
    end
    { kind: 'bars', title: 'Ruby: events and steps a second', names: %w[measured gate], rows: found.map { |row| row.merge(name: short(row[:name])) } } if found.any?
  end

  # What fits beside a bar.
  def short(name)
    { 'events from Rust to Ruby and back, 150 B' => 'events of 150 B', 'the same, 1 KB of nested JSON' => 'events of 1 KB',
      'steps that do nothing, through the database' => 'steps, end to end' }.fetch(name)
  end

  def rounds(records)
    records.select { |record| record['bench'] == 'soak' && record['round'] }
  end

  def soak(records)
    rounds = rounds(records)
    return if rounds.size < 2

    series = { 'RSS' => 'rss_kb', 'Ruby objects' => 'heap_kb' }.map do |name, key|
      { name: name, points: rounds.map { |round| [round['round'], (round[key] / 1024.0).round(2)] } }
    end
    { kind: 'lines', title: 'Memory of a worker at full load, after each round', x: 'round', y: 'MB', series: series }
  end

  def draw(chart)
    svg, status = Open3.capture2(Stack.program('tasker-bench'), 'chart', stdin_data: JSON.generate(chart))
    status.success? ? svg : raise("tasker-bench draws no #{chart[:title].inspect}")
  end

  def page(records, charts)
    parts = [INTRODUCTION, '## The machine', table(%w[what value], machine_rows(records)), '## Targets', WORDS,
             table(%w[target measured gate aim met?], target_rows(records))]
    parts << '![Events and steps a second, measured and promised](benchmarks-ruby/rates.svg)' if charts.include?('rates')
    parts += ['## Events of orchestration', FEED, feed_words(records), '## At full load, round after round', SOAK, soak_words(records)]
    parts << '![Memory after each round](benchmarks-ruby/soak.svg)' if charts.include?('soak')
    "#{parts.join("\n\n")}\n"
  end

  def machine_rows(records)
    records.first.fetch('machine').map { |name, value| [name, value.to_s] }
  end

  def target_rows(records)
    TARGETS.map do |target|
      value = measured(records, target)
      [target.what, value ? "#{number(value)} #{target.unit}" : '', target.bound(target.gate), target.bound(target.aim), target.met(value)]
    end
  end

  def feed_words(records)
    feed = records.find { |record| record['bench'] == 'feed' } or return 'Not measured.'
    "#{number(feed['feed_events_per_second'])} events a second, those of #{number(feed['steps_per_second'])} steps."
  end

  def soak_words(records)
    rounds = rounds(records)
    return 'Not measured.' if rounds.empty?

    verdict = records.reverse_each.find { |record| record['bench'] == 'soak' && record['verdict'] }
    steps = rounds.sum { |round| round['steps'] }
    seconds = rounds.sum { |round| round['steps'].fdiv(round['steps_per_second']) }
    "#{rounds.size} rounds, #{number(steps)} steps in #{number(seconds.round)} s: **#{verdict ? verdict['verdict'] : 'not ended'}**."
  end

  def number(value)
    whole, decimals = value.to_s.split('.')
    [whole.reverse.scan(/\d{1,3}/).join(',').reverse, decimals].compact.join('.').then { |text| value.negative? ? "-#{text}" : text }
  end

  def table(head, rows)
    widths = [head, *rows].transpose.map { |cells| [3, *cells.map(&:length)].max }
    line = ->(cells) { "| #{cells.zip(widths).map { |cell, width| cell.ljust(width) }.join(' | ')} |" }
    [line.call(head), "| #{widths.map { |width| '-' * width }.join(' | ')} |", *rows.map(&line)].join("\n")
  end

  INTRODUCTION = <<~TEXT.chomp
    <!-- Written by make bench-ruby; do not edit. -->

    # Benchmarks of the Ruby gem

    What it costs that handlers are written in Ruby. One run of `make bench-ruby` measured all of
    it and wrote this page. All figures there are: [benchmarks-ruby/records.jsonl](benchmarks-ruby/records.jsonl).
  TEXT

  WORDS = <<~TEXT.chomp
    Everything ran on that one machine at the same time: PostgreSQL, orchestrator, worker. An
    event that goes from Rust to Ruby and back is converted both ways and takes no database
    (`bench/native.rb`). A step through the database is claimed, run, reported and audited
    (`bench/workflow.rb`, 16 handlers at once). Handlers of 1 ms hold the processor, so what is
    between the end of one and the start of the next is all that the gem, and the rest of the
    machine, takes from them; of three rounds the figure in the middle counts. The usual gap is 6
    to 12 µs of code, as fast as the machine just is. What makes one in a hundred longer is
    mostly memory: on this virtual machine the first touch of 128 KiB that are new, or were not
    used for some seconds, takes 0.15 ms, and more memory is touched between two handlers than in
    a loop. The rest are turns that PostgreSQL and other threads of the worker take on the same
    processor.
  TEXT

  FEED = <<~TEXT.chomp
    A feed reads all events of finished tasks, chains of ten steps, from the beginning of the
    audit trail, and a block counts them (`bench/feed.rb`).
  TEXT

  SOAK = <<~TEXT.chomp
    Rounds of tasks of 500 steps in both styles of handlers, a tenth of the steps failing once
    (`bench/soak.rb`). After each round garbage is collected and what is left is counted; later
    rounds must have no more than earlier ones.
  TEXT
end

if $PROGRAM_NAME == __FILE__
  records = ARGV.first == 'run' ? RubyReport.measure(ARGV[1]) : RubyReport.read
  RubyReport.write(records)
end
