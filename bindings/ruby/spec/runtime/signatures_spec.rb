# frozen_string_literal: true

require 'json'
require 'open3'
require 'rbconfig'

# The signatures are checked against what is there.
RSpec.describe 'sig/' do
  before(:all) do
    output, status = Open3.capture2e(RbConfig.ruby, File.expand_path('signatures_program.rb', __dir__))
    raise output unless status.success?

    @compared = JSON.parse(output.lines.last)
  end

  it 'is valid, with the libraries of its manifest' do
    expect(@compared['invalid']).to be_nil
  end

  it 'names only what is there' do
    expect(@compared['declared']).to be > 100
    expect(@compared['missing']).to eq([])
  end

  it 'names every public method of what handlers and hosts use' do
    expect(@compared['unnamed']).to eq([])
  end
end
