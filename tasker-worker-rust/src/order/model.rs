//! What the steps of an order hand on: the context and each step's results.
//!
//! Results are part of the workflow's contract: they are stored, shown by the
//! API and read by later steps, so fields are only ever added.

#![allow(
    clippy::struct_field_names,
    reason = "the names are those of the stored JSON"
)]

use serde::{Deserialize, Serialize};

use super::money::Money;

/// The task's context.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) order_id: String,
    pub(super) customer: Customer,
    pub(super) shipping_address: Address,
    pub(super) items: Vec<Item>,
    pub(super) payment: Payment,
    /// What the customer was told to pay, shipping and tax included.
    pub(super) total: Money,
}

#[derive(Debug, Deserialize)]
pub(super) struct Customer {
    pub(super) name: String,
    pub(super) email: String,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Address {
    pub(super) street: String,
    pub(super) postal_code: String,
    pub(super) city: String,
    /// Two letters of ISO 3166.
    pub(super) country: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Item {
    pub(super) sku: String,
    pub(super) quantity: i64,
    pub(super) unit_price: Money,
}

#[derive(Debug, Deserialize)]
pub(super) struct Payment {
    pub(super) method: PaymentMethod,
    /// The gateway's name for the customer's card or account.
    pub(super) token: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaymentMethod {
    Card,
    BankTransfer,
}

/// Results of `validate_order`.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ValidOrder {
    pub(super) order_id: String,
    pub(super) currency: String,
    pub(super) lines: Vec<Line>,
    pub(super) subtotal: Money,
    pub(super) tax: Money,
    pub(super) shipping_fee: Money,
    pub(super) total: Money,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Line {
    pub(super) sku: String,
    pub(super) name: String,
    pub(super) quantity: u32,
    pub(super) unit_price: Money,
    pub(super) amount: Money,
    pub(super) weight_grams: u64,
}

/// Results of `reserve_inventory`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Reservation {
    pub(super) reservation_id: String,
    pub(super) lines: Vec<Line>,
    pub(super) weight_grams: u64,
}

/// Results of `charge_payment`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Charge {
    pub(super) charge_id: String,
    pub(super) amount: Money,
    pub(super) currency: String,
    pub(super) method: PaymentMethod,
}

/// Results of `ship_order`.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Shipment {
    pub(super) order_id: String,
    pub(super) shipment_id: String,
    pub(super) carrier: String,
    pub(super) parcels: Vec<Parcel>,
    pub(super) lines: Vec<Line>,
    pub(super) address: Address,
    pub(super) reservation_id: String,
    pub(super) charge: Charge,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Parcel {
    pub(super) tracking_number: String,
    pub(super) weight_grams: u64,
}

/// Results of `notify_customer`.
#[derive(Debug, Serialize)]
pub(super) struct Notice {
    pub(super) channel: &'static str,
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) body: String,
}
