# frozen_string_literal: true

# A bicycle in the workshop.
class Ticket < ActiveRecord::Base
  validates :customer, presence: true
  validates :number, uniqueness: true
end
