# frozen_string_literal: true

# Makes the Makefile by which RubyGems builds the extension from the source gem, and Bundler
# from a checkout: cargo does the work, with the crates and the Cargo.lock that are there.
#
# TASKER_CORE_PROFILE names another profile of cargo than release, CARGO another cargo.

require 'rbconfig'

here = __dir__
# Of the gem, and of the repository.
roots = %w[../.. ../../../..].map { |path| File.expand_path(path, here) }
root = roots.find { |path| File.file?(File.join(path, 'Cargo.lock')) } or
  abort "tasker_core: neither #{roots.join(' nor ')} holds a Cargo.lock; build the gem with `rake gem`"

cargo = ENV.fetch('CARGO', 'cargo')
unless system(cargo, '--version', out: File::NULL, err: File::NULL)
  abort 'tasker_core: this gem is compiled at its installation, and that takes cargo: install Rust 1.89 or newer as ' \
        'https://rustup.rs says, or a gem that is built for your platform'
end

profile = ENV.fetch('TASKER_CORE_PROFILE', 'release')
built_in = profile == 'dev' ? 'debug' : profile
target = ENV.fetch('CARGO_TARGET_DIR', File.join(here, 'target'))
config = RbConfig::MAKEFILE_CONFIG
extension = config['DLEXT']
library = File.join(target, built_in, "libtasker_core.#{RbConfig::CONFIG['SOEXT']}")

# On macOS what Ruby defines is found when the extension is loaded.
flags = RUBY_PLATFORM.include?('darwin') ? '-C link-arg=-undefined -C link-arg=dynamic_lookup' : ''

# RubyGems asks for the three targets and says where to install to in sitearchdir: as a
# variable of make from 3.4 on, before that through RbConfig.
File.write('Makefile', <<~MAKEFILE)
  sitearchdir = #{config['sitearchdir'].gsub('$', '$$')}
  DESTDIR =
  RUBY = #{RbConfig.ruby}

  all: tasker_core.#{extension}

  tasker_core.#{extension}:
  \tRUBY='$(RUBY)' CARGO_TARGET_DIR='#{target}' CARGO_ENCODED_RUSTFLAGS='#{flags.split.join("\u001f")}' '#{cargo}' build \\
  \t  --locked --profile '#{profile}' --manifest-path '#{File.join(here, 'Cargo.toml')}'
  \tcp '#{library}' $@

  install: all
  \tmkdir -p '$(DESTDIR)$(sitearchdir)/tasker_core'
  \tcp tasker_core.#{extension} '$(DESTDIR)$(sitearchdir)/tasker_core/'

  clean:
  \trm -f tasker_core.#{extension}

  .PHONY: all install clean
MAKEFILE
