# frozen_string_literal: true

# Prints, as JSON, in what sig/ and the code differ.
#
# In a process of its own: the parser of RBS keeps classes where Ruby's garbage collector
# does not look, and other specs compact the heap.

$LOAD_PATH.unshift(File.expand_path('../../lib', __dir__))
require 'json'
require 'rbs'
require 'rbs/cli'
require 'stringio'
require 'yaml'
require 'tasker_core/adopter'
require 'tasker_core/submission'
require 'tasker_core/worker'
require 'tasker'

sig = File.expand_path('../../sig', __dir__)
libraries = YAML.load_file(File.join(sig, 'manifest.yaml')).fetch('dependencies').map { |library| library.fetch('name') }
loader = RBS::EnvironmentLoader.new
libraries.each { |library| loader.add(library: library) }
loader.add(path: Pathname(sig))
environment = RBS::Environment.from_loader(loader).resolve_type_names
builder = RBS::DefinitionBuilder.new(env: environment)

# What `rbs validate` says, which asks for every type that is named.
said = StringIO.new
begin
  RBS::CLI.new(stdout: said, stderr: said).run([*libraries.flat_map { |library| ['-r', library] }, '-I', sig, 'validate', '--silent'])
rescue StandardError => e
  invalid = "#{e.message}\n#{said.string}"
end

# Every method that `sig` gives a class of ours, as [class name, kind, method].
ours = environment.class_decls.keys.select { |name| name.to_s.start_with?('::Tasker') }
declared = ours.flat_map do |name|
  %i[instance singleton].flat_map do |kind|
    definition = builder.public_send("build_#{kind}", name)
    definition.methods.filter_map do |method, facts|
      [name.to_s.delete_prefix('::'), kind, method] if facts.defined_in == name && facts.implemented_in == name
    end
  end
end

# The classes of hosts define them.
theirs = [['TaskerCore::StepHandler', :call],
          *%i[get_step_handler establish_step_dependencies_and_defaults update_annotations].map { |hook| ['Tasker::TaskHandler', hook] }]

missing = declared.reject do |name, kind, method|
  next true if theirs.include?([name, method])
  next true unless Object.const_defined?(name)

  owner = Object.const_get(name)
  if kind == :singleton
    owner.respond_to?(method, true)
  else
    owner.method_defined?(method) || owner.private_method_defined?(method)
  end
end

unnamed = [TaskerCore::Worker, TaskerCore::Context, TaskerCore::Registry, Tasker::Events::CustomRegistry].flat_map do |owner|
  named = declared.filter_map { |name, kind, method| method if [name, kind] == [owner.name, :instance] }
  (owner.public_instance_methods(false) - named).map { |method| [owner.name, method] }
end

puts JSON.generate('declared' => declared.size, 'invalid' => invalid, 'missing' => missing, 'unnamed' => unnamed)
