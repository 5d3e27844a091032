# frozen_string_literal: true

require 'yaml'

module Tasker
  # The YAML files of workflows: read as the Rails engine reads them (Psych, safe
  # loading), the environment's block merged in, and checked.
  #
  # @api private
  module WorkflowFile
    TYPES = {
      'name' => String, 'task_handler_class' => String, 'step_templates' => Array, 'namespace_name' => String,
      'module_namespace' => String, 'default_dependent_system' => String, 'named_steps' => Array, 'schema' => Hash,
      'environments' => Hash
    }.freeze
    STEP_TYPES = {
      'name' => String, 'handler_class' => String, 'description' => String, 'dependent_system' => String,
      'depends_on_step' => String, 'depends_on_steps' => Array, 'default_retry_limit' => Integer, 'handler_config' => Hash,
      'custom_events' => Array
    }.freeze
    STEP_FLAGS = %w[default_retryable skippable].freeze
    REQUIRED = %w[name task_handler_class step_templates].freeze
    STEP_REQUIRED = %w[name handler_class].freeze
    private_constant :TYPES, :STEP_TYPES, :STEP_FLAGS, :REQUIRED, :STEP_REQUIRED

    module_function

    # @param path [String, Pathname]
    # @return [Hash{String=>Object}]
    # @raise [InvalidTaskHandlerConfig] naming file and line
    def read(path)
      parse(File.read(path.to_s, encoding: 'UTF-8'), path.to_s)
    rescue SystemCallError => e
      raise InvalidTaskHandlerConfig, "#{path}: the file cannot be read: #{e.message}"
    end

    # @return [Hash{String=>Object}]
    def parse(text, source)
      map = YAML.safe_load(text, permitted_classes: [Symbol], filename: source)
      return map if map.is_a?(Hash)

      raise InvalidTaskHandlerConfig, "#{source}: a workflow is a map of fields, not #{map.class}"
    rescue Psych::SyntaxError => e
      raise InvalidTaskHandlerConfig, "#{source}:#{e.line}: not valid YAML: #{e.problem} #{e.context}".strip
    rescue Psych::BadAlias
      raise InvalidTaskHandlerConfig, "#{source}: anchors and aliases (& and *) are not allowed; write it out"
    rescue Psych::DisallowedClass => e
      raise InvalidTaskHandlerConfig, "#{source}: #{e.message}; quote dates and times, and remove tags"
    end

    # Maps are merged deeply, steps by name; other values of the block replace.
    #
    # @return [Hash{String=>Object}] without the blocks
    def merge(map, environment)
      base = map.except('environments')
      blocks = map['environments']
      block = blocks[environment] if blocks.is_a?(Hash)
      block.is_a?(Hash) ? merge_maps(base, block) : base
    end

    def merge_maps(base, over)
      base.merge(over) do |key, mine, theirs|
        if key == 'step_templates' && mine.is_a?(Array) && theirs.is_a?(Array) then merge_steps(mine, theirs)
        elsif mine.is_a?(Hash) && theirs.is_a?(Hash) then merge_maps(mine, theirs)
        else theirs
        end
      end
    end

    def merge_steps(steps, overrides)
      steps.map do |step|
        next step unless step.is_a?(Hash)

        matching = overrides.select { |over| over.is_a?(Hash) && over['name'] == step['name'] }
        matching.inject(step) { |one, over| merge_maps(one, over) }
      end
    end

    # @param map [Hash{String=>Object}] merged
    # @return [void]
    # @raise [InvalidTaskHandlerConfig] listing every mistake
    def check!(map, source)
      problems = problems(map)
      return if problems.empty?

      raise InvalidTaskHandlerConfig, problems.map { |problem| "#{source}: #{problem}" }.join("\n")
    end

    # @return [Array<String>]
    def problems(map)
      found = missing(map, REQUIRED, '') + wrong_types(map, TYPES, '')
      steps = map['step_templates']
      return found unless steps.is_a?(Array)

      steps.each_with_index { |step, index| found.concat(step_problems(step, index)) }
      found + unlisted(map, steps)
    end

    def step_problems(step, index)
      return ["step_templates[#{index}] must be a map of fields, not #{step.inspect[0, 60]}"] unless step.is_a?(Hash)

      label = step['name'].is_a?(String) ? "step #{step['name']}: " : "step_templates[#{index}]: "
      flags = STEP_FLAGS.reject { |key| [nil, true, false].include?(step[key]) }
      missing(step, STEP_REQUIRED, label) + wrong_types(step, STEP_TYPES, label) +
        flags.map { |key| "#{label}#{key} must be true or false, not #{step[key].inspect[0, 60]}" }
    end

    def missing(map, keys, label)
      keys.select { |key| map[key].nil? }.map { |key| "#{label}#{key} is missing" }
    end

    def wrong_types(map, types, label)
      types.filter_map do |key, type|
        value = map[key]
        next if value.nil? || value.is_a?(type)

        "#{label}#{key} must be #{type == Array ? 'a list' : type == Hash ? 'a map' : "a #{type}"}, not #{value.inspect[0, 60]}"
      end
    end

    def unlisted(map, steps)
      listed = map['named_steps']
      return [] unless listed.is_a?(Array)

      steps.grep(Hash).flat_map do |step|
        names = [step['name'], step['depends_on_step'], *step['depends_on_steps']].compact - listed
        names.uniq.map { |name| "step #{step['name']}: #{name} is not in named_steps; add it there, or remove named_steps" }
      end
    end
  end
end
