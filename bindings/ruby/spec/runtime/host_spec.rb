# frozen_string_literal: true

require 'spec_helper'
require 'tmpdir'
require 'tasker'
require 'tasker_core/host'

RSpec.describe TaskerCore::Host do
  it 'runs 16 handlers at once where nobody says another number' do
    Dir.mktmpdir do |directory|
      expect(described_class.new.settings(directory)['worker.concurrency']).to eq('16')
      FileUtils.mkdir_p(File.join(directory, 'worker'))
      File.write(File.join(directory, 'worker/base.toml'), "[worker]\nconcurrency = 40\n")
      expect(described_class.new.settings(directory)).to eq({})
    end
  end

  it 'reads configuration files in any encoding, whatever the locale is' do
    before = [Encoding.default_external, $VERBOSE]
    $VERBOSE = nil
    Encoding.default_external = Encoding::US_ASCII
    Dir.mktmpdir do |directory|
      FileUtils.mkdir_p(File.join(directory, 'worker'))
      File.binwrite(File.join(directory, 'worker/base.toml'), "# Gr\u00f6\u00dfe \xFF\n[worker]\nconcurrency = 40\n")
      expect(described_class.new.settings(directory)).to eq({})
    end
  ensure
    Encoding.default_external, $VERBOSE = before
  end
end
