# frozen_string_literal: true

module Tasker
  # Attributes that are assigned and saved at once, for what has `assign_attributes`, `save!`
  # and `save`.
  module Updating
    # @return [true]
    def update!(attributes)
      assign_attributes(attributes)
      save!
    end
    alias update_columns update!

    # @return [Boolean] as `save`
    def update(attributes)
      assign_attributes(attributes)
      save
    end
  end
end
