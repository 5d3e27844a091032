# frozen_string_literal: true

module Workshop
  # Its steps are in config/tasker/tasks/workshop/repair_bicycle.yaml.
  class RepairBicycle < Tasker::ConfiguredTask
  end
end
