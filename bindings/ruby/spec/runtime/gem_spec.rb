# frozen_string_literal: true

require 'open3'
require 'rbconfig'
require 'tmpdir'

RSpec.describe 'tasker_core.gemspec' do
  let(:root) { File.expand_path('../..', __dir__) }

  def run(*command, directory, **variables)
    Open3.capture2e(variables.transform_keys(&:to_s), RbConfig.ruby, *command, chdir: directory)
  end

  it 'makes no gem without extension: plain `gem build` is refused and names `rake gem`' do
    Dir.mktmpdir do |directory|
      output, status = run('-S', 'gem', 'build', 'tasker_core.gemspec', '--output', File.join(directory, 'made.gem'), root)
      expect(output).to include('build it with `rake gem`')
      expect(status).not_to be_success
      expect(Dir.children(directory)).to eq([])
    end
  end

  it 'has Bundler compile the extension in a checkout, from the crates of the repository' do
    expect(Gem::Specification.load(File.join(root, 'tasker_core.gemspec')).extensions).to eq(['ext/tasker_core/extconf.rb'])
    Dir.mktmpdir do |directory|
      output, status = run(File.join(root, 'ext/tasker_core/extconf.rb'), directory, CARGO: 'true')
      expect(status).to be_success, output
      expect(File.read(File.join(directory, 'Makefile'))).to match(%r{'true' build.*--manifest-path '#{root}/ext/tasker_core/Cargo\.toml'}m)
    end
  end
end
