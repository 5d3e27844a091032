# frozen_string_literal: true

require_relative '../../bench/report'

RSpec.describe RubyReport do
  it 'is what its records say, page and pictures' do
    described_class.render(described_class.read).each do |path, text|
      expect(File.read(File.join(described_class.documents, path))).to eq(text), path
    end
  end

  it 'says what was missed and what was not measured' do
    records = [{ 'machine' => { 'cores' => 2 } }, { 'bench' => 'workflow', 'rounds' => 3, 'added_percent' => 8.3, 'added_p99_ms' => 0.7 }]
    page = described_class.page(records, [])
    expect(page).to match(/plain loop +\| 8.3 % more +\| ≤ 10 % more +\| ≤ 5 % more +\| gate met/)
    expect(page).to match(/p99 beyond the loop's +\| 0.7 ms +\| ≤ 0.2 ms +\| +\| missed/)
    expect(page).to match(/idle worker without Rails +\| +\| ≤ 60 MB +\| +\| not measured/)
  end

  it 'sets thousands apart' do
    expect([0, 999, 1000, 1_234_567, 0.25, -1500].map { |value| described_class.number(value) }).to eq(%w[0 999 1,000 1,234,567 0.25 -1,500])
  end
end
