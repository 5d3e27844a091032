# frozen_string_literal: true

require_relative '../compat/no_database'
require_relative '../compat/reach'

module Tasker
  # A kind of notes on tasks, known by its name.
  #
  # In a handler or a hook, where a worker is at hand, types can be found and made; which
  # other workers do so at the same time makes no difference.
  class AnnotationType
    extend Compat::NoDatabase

    # One that is to be made.
    Draft = Struct.new(:name, :description)

    class << self
      # The type of this name, made if there is none. The description is that of the one
      # which was there.
      #
      # @param attributes [Hash] name, description
      # @yieldparam draft [Draft] to set the description of one that is made
      # @return [AnnotationType]
      # @raise [TaskerCore::RecordError] naming the field that is refused
      def find_or_create_by!(attributes, &block)
        find_by(name: name_of(attributes)) || make(attributes, &block).first
      end
      alias find_or_create_by find_or_create_by!

      # @return [AnnotationType]
      # @raise [TaskerCore::RecordError] if one of this name is there
      def create!(attributes, &block)
        type, made = make(attributes, &block)
        return type if made

        raise TaskerCore::RecordError.new("name: there is an annotation type #{type.name.inspect} already; use find_or_create_by!",
                                          code: 'refused')
      end

      # @return [AnnotationType, nil] nil, and a line in the log, where {.create!} raises
      def create(attributes, &block)
        create!(attributes, &block)
      rescue TaskerCore::RecordError => e
        Tasker.logger.error("no annotation type was made: #{e.message}")
        nil
      end

      # @param attributes [Hash] by name only
      # @return [AnnotationType, nil]
      def find_by(attributes)
        row = Compat::Reach.rows(self, :find_by).annotation_type(name_of(attributes))
        row && new(row)
      end

      # @return [Boolean]
      def exists?(attributes)
        !find_by(attributes).nil?
      end

      private

      def make(attributes)
        draft = Draft.new(name_of(attributes), attributes.to_h.symbolize_keys[:description])
        yield draft if block_given?
        description = draft.description && TaskerCore::Encoding.plain(draft.description.to_s, root: 'description')
        row, made = Compat::Reach.rows(self, :create!).make_annotation_type(name_of(name: draft.name), description)
        [new(row), made]
      end

      def name_of(attributes)
        attributes = attributes.to_h.symbolize_keys
        unknown = attributes.keys - %i[name description]
        return TaskerCore::Encoding.plain(attributes[:name].to_s, root: 'name') if unknown.empty?

        raise UnsupportedError, "#{name}: annotation types have a name and a description, and no #{unknown.first}; find them by name"
      end
    end

    # @return [Integer]
    attr_reader :annotation_type_id
    # @return [String]
    attr_reader :name
    # @return [String, nil]
    attr_reader :description
    # @return [Time]
    attr_reader :created_at, :updated_at

    alias id annotation_type_id

    # @api private
    def initialize(row)
      @annotation_type_id, @name, @description = row.values_at('annotation_type_id', 'name', 'description')
      @created_at, @updated_at = row.values_at('created_at', 'updated_at').map { |time| Time.zone.parse(time) }
    end

    def persisted?
      true
    end

    def ==(other)
      other.is_a?(AnnotationType) && other.annotation_type_id == annotation_type_id
    end
    alias eql? ==

    def hash
      [self.class, annotation_type_id].hash
    end
  end

  # A note on a task. What it says is encoded by ActiveSupport's rules, as results are.
  class TaskAnnotation
    extend Compat::NoDatabase

    class << self
      # @param attributes [Hash] task or task_id, annotation_type or annotation_type_id, annotation
      # @return [TaskAnnotation]
      # @raise [TaskerCore::RecordError] if there is no such task or type, or the note is too much
      # @raise [TaskerCore::EncodingError] if it is no JSON, naming the place
      def create!(attributes)
        given = attributes.to_h.symbolize_keys
        unknown = given.keys - %i[task task_id annotation_type annotation_type_id annotation]
        raise UnsupportedError, "#{name}: annotations have no #{unknown.first}" if unknown.any?

        rows = given[:task].respond_to?(:rows) ? given[:task].rows : Compat::Reach.rows(self, :create!)
        note = TaskerCore::Encoding.plain(given[:annotation], root: 'annotation')
        row = rows.annotate(id_of(given, :task), id_of(given, :annotation_type), note)
        new(row, task: given[:task])
      end

      # @return [TaskAnnotation, nil] nil, and a line in the log, where {.create!} raises
      def create(attributes)
        create!(attributes)
      rescue TaskerCore::RecordError, TaskerCore::EncodingError => e
        Tasker.logger.error("no annotation was made: #{e.message}")
        nil
      end

      private

      def id_of(given, what)
        id = given[:"#{what}_id"] || (given[what].respond_to?(:id) ? given[what].id : given[what])
        id = Integer(id, 10) if id.is_a?(String) && id.match?(/\A\d+\z/)
        return id if id.is_a?(Integer) && id.bit_length < 64

        problem = id.nil? ? 'is missing' : "#{id.inspect} is no id"
        raise TaskerCore::RecordError.new("#{what}: #{problem}; give #{what}: or #{what}_id:", code: 'refused')
      end
    end

    # @return [Integer]
    attr_reader :task_annotation_id, :task_id
    # @return [AnnotationType]
    attr_reader :annotation_type
    # @return [Object] JSON
    attr_reader :annotation
    # @return [Time]
    attr_reader :created_at, :updated_at

    alias id task_annotation_id

    # @api private
    def initialize(row, task: nil)
      @task = task
      @task_annotation_id, @task_id, @annotation = row.values_at('task_annotation_id', 'task_id', 'annotation')
      @annotation_type = AnnotationType.new(row.fetch('annotation_type'))
      @created_at, @updated_at = row.values_at('created_at', 'updated_at').map { |time| Time.zone.parse(time) }
    end

    # @return [Task, nil] where it was given
    attr_reader :task

    # @return [Integer]
    def annotation_type_id
      annotation_type.annotation_type_id
    end

    # @return [String]
    def annotation_type_name
      annotation_type.name
    end

    def persisted?
      true
    end

    # The annotations of a task, read when they are first looked at.
    class OfTask
      include Enumerable
      include Compat::NoDatabase::List

      # @param task [Task]
      def initialize(task)
        @task = task
      end

      # @yieldparam annotation [TaskAnnotation]
      def each(&block)
        to_a.each(&block)
      end

      # @return [Array<TaskAnnotation>] oldest first
      def to_a
        @rows ||= @task.rows.annotations(@task.task_id).map { |row| TaskAnnotation.new(row, task: @task) }
      end

      # @return [TaskAnnotation]
      def create!(attributes)
        made = TaskAnnotation.create!(attributes.merge(task: @task))
        @rows = nil
        made
      end

      # @return [TaskAnnotation, nil]
      def create(attributes)
        made = TaskAnnotation.create(attributes.merge(task: @task))
        @rows = nil
        made
      end

      # @return [Integer]
      def size
        to_a.size
      end
      alias length size

      def empty?
        to_a.empty?
      end

      # @return [TaskAnnotation, nil] the latest
      def last
        to_a.last
      end

      # @return [self]
      def reload
        @rows = nil
        self
      end
    end
  end
end
