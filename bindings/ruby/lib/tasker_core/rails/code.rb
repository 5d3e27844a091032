# frozen_string_literal: true

module TaskerCore
  class RailsHost < Host
    # Loads the files of a directory: through the autoloader that looks after it, so that
    # they are reloaded as everything else, or plainly where none does.
    #
    # @api private
    module Code
      module_function

      # @param directory [String]
      # @return [void]
      # @raise [ConfigurationError] naming the file that fails
      def load(directory)
        loader = ::Rails.autoloaders.main
        roots = loader ? loader.dirs : []
        if loader.respond_to?(:eager_load_dir) && inside?(directory, roots)
          attempt(directory) { loader.eager_load_dir(directory) }
        else
          Dir.glob(File.join(directory, '**/*.rb')).sort.each { |file| attempt(file) { load_file(file, roots, loader) } }
        end
      end

      # Zeitwerk loads single directories from 2.6.2 on; before, naming the constant does.
      # The innermost root counts: app/tasks/concerns is one of its own.
      def load_file(file, roots, loader)
        root = roots.select { |one| inside?(file, [one]) }.max_by(&:size)
        return require_dependency(file) if root.nil?

        names = file.delete_prefix("#{root}/").delete_suffix('.rb').split('/')
        names.map { |name| loader.inflector.camelize(name, file) }.join('::').constantize
      end

      def inside?(path, roots)
        roots.any? { |root| path == root || path.start_with?("#{root}/") }
      end

      def attempt(path)
        yield
      rescue StandardError, ScriptError => e
        place = path.delete_prefix("#{::Tasker.root}/")
        raise ConfigurationError, "#{place}: loading failed: #{e.message} (#{e.class})"
      end
    end
  end
end
