# frozen_string_literal: true

class CreateTickets < ActiveRecord::Migration[6.1]
  def change
    create_table :tickets do |t|
      t.bigint :number, null: false, index: { unique: true }
      t.string :customer, null: false
      t.string :faults, null: false
      t.decimal :price, precision: 10, scale: 2
      t.string :order
      t.datetime :closed_at
      t.timestamps
    end
  end
end
