# frozen_string_literal: true

require_relative 'lib/tasker_core/version'

# Two gems are made of this, by `rake gem`, see the Rakefile:
#
# * One for a platform, with the extension built for it and for one minor version of Ruby,
#   to which its binary interface belongs. Nothing is compiled at its installation.
# * A source gem, for all other places. The extension is a crate that builds on two crates
#   of this repository, which no registry has, so the source gem carries them: beside
#   ext/tasker_core lie tasker-shared and tasker-worker-foundation with what they include,
#   under a Cargo.toml and Cargo.lock that know these three. Installing it takes cargo,
#   libclang (rb-sys reads Ruby's headers with it) and the crates of Cargo.lock, from the
#   registry or cargo's cache. Rejected: crates by git, which would build something else
#   than was tested when a branch moves, and cannot be installed without the repository.
#
# `gem build` packs what lies below this file, and so would leave out the crates, the built
# extension and the licences. Bundler's `git:` has the whole repository, and compiles there.
abort 'tasker_core: `gem build` would make a gem without its extension; build it with `rake gem`' if defined?(Gem::Commands::BuildCommand)

Gem::Specification.new do |spec|
  spec.name = 'tasker_core'
  spec.version = TaskerCore::VERSION
  spec.summary = 'Durable workflows on PostgreSQL: handlers in Ruby, everything else in Rust'
  spec.description = 'Runs step handlers written in Ruby, those of the Rails engine Tasker among them, in a worker ' \
                     'whose claims, leases, retries and state are Rust and rows in PostgreSQL.'
  spec.authors = ['The Tasker Core authors']
  spec.homepage = 'https://github.com/tasker-systems/tasker-core'
  spec.licenses = ['MIT', 'Apache-2.0']
  spec.metadata = { 'rubygems_mfa_required' => 'true', 'source_code_uri' => spec.homepage }
  spec.required_ruby_version = '>= 3.1'
  spec.required_rubygems_version = '>= 3.3'

  spec.files = Dir.chdir(__dir__) do
    Dir['lib/**/*.{rb,rake,tt}', 'exe/*', 'sig/**/*.{rbs,yaml}', 'docs/*.md', 'README.md', 'LICENSE-*', '.yardopts'].select { |path| File.file?(path) }
  end
  spec.bindir = 'exe'
  spec.executables = Dir.chdir(__dir__) { Dir['exe/*'].map { |path| File.basename(path) } }
  spec.require_paths = ['lib']
  spec.extensions = ['ext/tasker_core/extconf.rb']
  spec.add_dependency 'activesupport', '>= 6.1'
end
