//! `validate_order`: is this an order the shop can take, at the price it says?
//!
//! The schema of the template has seen to the shape before the task was made.
//! What is checked here are the rules of the business; whoever breaks one is
//! refused for good, with a code and the item at fault.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{json, Value};
use tasker_shared::domain::StepError;
use tasker_worker_foundation::StepContext;

use super::catalogue;
use super::model::{Item, Line, Order, ValidOrder};
use super::money::Money;
use super::refuse;
use crate::input;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    currency: String,
    /// Share of the subtotal, such as "0.20".
    #[serde(with = "rust_decimal::serde::str")]
    tax_rate: Decimal,
    shipping_fee: Money,
    /// Subtotal from which shipping costs nothing.
    free_shipping_from: Money,
}

pub(super) fn validate_order(step: &StepContext) -> Result<Value, StepError> {
    let order: Order = input::context(step)?;
    let terms: Terms = input::config(step)?;
    if order.items.is_empty() {
        return Err(refuse("EMPTY_ORDER", "the order has no items".into()));
    }
    check_email(&order.customer.email)?;
    let lines = order
        .items
        .iter()
        .map(check_item)
        .collect::<Result<Vec<_>, _>>()?;
    let valid = price(order.order_id, lines, terms).ok_or_else(|| {
        refuse(
            "TOTAL_TOO_HIGH",
            "the total is beyond what the shop can book".into(),
        )
    })?;
    if valid.total != order.total {
        let message = format!(
            "the order says {}, the shop makes it {}",
            order.total, valid.total
        );
        let amounts = json!({
            "stated": order.total, "subtotal": valid.subtotal, "tax": valid.tax,
            "shipping_fee": valid.shipping_fee, "total": valid.total,
        });
        return Err(refuse("TOTAL_MISMATCH", message).with_context(amounts));
    }
    input::answer(&valid)
}

fn check_email(email: &str) -> Result<(), StepError> {
    let plain = email
        .split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'));
    if plain && !email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Ok(());
    }
    Err(refuse(
        "INVALID_EMAIL",
        format!("{email:?} is no address to write to"),
    ))
}

fn check_item(item: &Item) -> Result<Line, StepError> {
    let fault = |code: &str, message: String| {
        refuse(code, message).with_context(json!({ "sku": item.sku }))
    };
    let Some(product) = catalogue::find(&item.sku) else {
        return Err(fault(
            "UNKNOWN_SKU",
            format!("the shop has no article {:?}", item.sku),
        ));
    };
    let quantity = u32::try_from(item.quantity)
        .ok()
        .filter(|&quantity| quantity > 0)
        .ok_or_else(|| {
            let message = format!("{} of {} cannot be ordered", item.quantity, item.sku);
            fault("INVALID_QUANTITY", message)
        })?;
    if item.unit_price.is_negative() || item.unit_price.to_string() != product.unit_price {
        let message = format!(
            "{} costs {}, not {}",
            item.sku, product.unit_price, item.unit_price
        );
        return Err(fault("PRICE_MISMATCH", message));
    }
    let amount = item
        .unit_price
        .times(Decimal::from(quantity))
        .ok_or_else(|| {
            fault(
                "TOTAL_TOO_HIGH",
                format!(
                    "{quantity} of {} cost more than the shop can book",
                    item.sku
                ),
            )
        })?;
    Ok(Line {
        sku: product.sku.into(),
        name: product.name.into(),
        quantity,
        unit_price: item.unit_price,
        amount,
        weight_grams: product.weight_grams * u64::from(quantity),
    })
}

fn price(order_id: String, lines: Vec<Line>, terms: Terms) -> Option<ValidOrder> {
    let subtotal = lines
        .iter()
        .try_fold(Money::ZERO, |sum, line| sum.plus(line.amount))?;
    let tax = subtotal.times(terms.tax_rate)?;
    let free = subtotal >= terms.free_shipping_from;
    let shipping_fee = if free {
        Money::ZERO
    } else {
        terms.shipping_fee
    };
    let total = subtotal.plus(tax)?.plus(shipping_fee)?;
    Some(ValidOrder {
        order_id,
        currency: terms.currency,
        lines,
        subtotal,
        tax,
        shipping_fee,
        total,
    })
}
