//! `notify_customer`: writes the message that tells the customer what comes.
//!
//! The message is the step's result; no mail leaves the process. Text of the
//! customer goes into a header line, so control characters are taken out.

use std::fmt::Write;

use serde_json::Value;
use tasker_shared::domain::StepError;
use tasker_worker_foundation::StepContext;

use super::model::{Customer, Notice, Order, Shipment};
use crate::input;

pub(super) fn notify_customer(step: &StepContext) -> Result<Value, StepError> {
    let Order { customer, .. } = input::context(step)?;
    let shipment: Shipment = input::parent(step, "ship_order")?;
    input::answer(&Notice {
        channel: "email",
        subject: printable(&format!("Your order {} is on its way", shipment.order_id)),
        body: body(&customer, &shipment),
        to: customer.email,
    })
}

fn body(customer: &Customer, shipment: &Shipment) -> String {
    let mut text = format!(
        "Dear {},\n\nwe have shipped:\n\n",
        printable(&customer.name)
    );
    // Writing to a string cannot fail.
    for line in &shipment.lines {
        let _ = writeln!(
            text,
            "{:>6} x {:<24} {:>12}",
            line.quantity,
            line.name,
            line.amount.to_string()
        );
    }
    let charge = &shipment.charge;
    let _ = writeln!(
        text,
        "\nPaid: {} {} (reference {})",
        charge.amount, charge.currency, charge.charge_id
    );
    let address = &shipment.address;
    let place = format!(
        "{}, {} {}, {}",
        address.street, address.postal_code, address.city, address.country
    );
    let _ = writeln!(text, "To: {}", printable(&place));
    let _ = writeln!(text, "Carrier: {}", shipment.carrier);
    for parcel in &shipment.parcels {
        let _ = writeln!(
            text,
            "  parcel {} ({} g)",
            parcel.tracking_number, parcel.weight_grams
        );
    }
    text
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
