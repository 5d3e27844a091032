# frozen_string_literal: true

# Prints, as JSON, in what sig/ and the code differ.
#
# In a process of its own: the parser of RBS keeps classes where Ruby's garbage collector
# does not look, and other specs compact the heap.

$LOAD_PATH.unshift(File.expand_path('../../lib', __dir__))
require 'json'
require 'rbs'
require 'tasker_core/adopter'
require 'tasker_core/submission'
require 'tasker_core/worker'

loader = RBS::EnvironmentLoader.new
%w[logger monitor pathname].each { |library| loader.add(library: library) }
loader.add(path: Pathname(File.expand_path('../../sig', __dir__)))
environment = RBS::Environment.from_loader(loader).resolve_type_names
builder = RBS::DefinitionBuilder.new(env: environment)

# Every method that `sig` gives a class of ours, as [class name, kind, method].
ours = environment.class_decls.keys.select { |name| name.to_s.start_with?('::TaskerCore') }
declared = ours.flat_map do |name|
  %i[instance singleton].flat_map do |kind|
    definition = builder.public_send("build_#{kind}", name)
    definition.methods.filter_map do |method, facts|
      [name.to_s.delete_prefix('::'), kind, method] if facts.defined_in == name && facts.implemented_in == name
    end
  end
end

missing = declared.reject do |name, kind, method|
  # Subclasses define it.
  next true if [name, method] == ['TaskerCore::StepHandler', :call]
  next true unless Object.const_defined?(name)

  owner = Object.const_get(name)
  if kind == :singleton
    owner.respond_to?(method, true)
  else
    owner.method_defined?(method) || owner.private_method_defined?(method)
  end
end

unnamed = [TaskerCore::Worker, TaskerCore::Context, TaskerCore::Registry].flat_map do |owner|
  named = declared.filter_map { |name, kind, method| method if [name, kind] == [owner.name, :instance] }
  (owner.public_instance_methods(false) - named).map { |method| [owner.name, method] }
end

puts JSON.generate('declared' => declared.size, 'missing' => missing, 'unnamed' => unnamed)
