# frozen_string_literal: true

module TaskerCore
  # Whether the configuration files of the Rust core say something of a setting. What the
  # host would say then keeps quiet, for files name what they mean.
  #
  # Looks for the line, and does not read TOML: what it overlooks (an inline table) is
  # overruled by the host, and a variable overrules that.
  #
  # @api private
  module Files
    module_function

    # @param directory [String, nil] of the worker's configuration
    # @param setting [String] section and key
    # @return [Boolean]
    def name?(directory, setting)
      section, key = setting.split('.')
      directory ||= ENV['TASKER_CONFIG_DIR'] || 'config'
      files = Dir.glob(File.join(directory, '{shared,worker}', '{base,environments/*}.toml'))
      # As bytes: what is looked for is ASCII, and the locale of a service often is too.
      files.any? { |file| line?(File.foreach(file, mode: 'rb'), section, key) }
    end

    # An empty text is what a file says that means nothing.
    def line?(lines, section, key)
      here = false
      lines.any? do |line|
        here = Regexp.last_match(1) == section if line =~ /\A\s*\[([\w.]+)\]/
        here && line.match?(/\A\s*#{Regexp.escape(key)}\s*=\s*(?!""|'')\S/)
      end
    end
  end
end
