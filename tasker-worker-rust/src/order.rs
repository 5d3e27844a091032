//! Order fulfilment: validate, then reserve and charge side by side, then ship,
//! then notify. Template `ecommerce/order_fulfilment`.
//!
//! The catalogue, the warehouse and the payment gateway are simulated inside
//! the process; everything else is done as it would be against real ones:
//! money is decimal and travels as JSON strings, each outside call carries the
//! step's idempotency token, what no further attempt can mend is refused for
//! good, and each step's results carry all that a later step needs.

mod catalogue;
mod gateway;
mod ledger;
mod model;
mod money;
mod notice;
mod shipping;
mod validation;
mod warehouse;

use tasker_shared::domain::StepError;
use tasker_worker_foundation::HandlerRegistry;

pub(crate) fn handlers() -> HandlerRegistry {
    HandlerRegistry::new()
        .register_fn("OrderFulfilment::ValidateOrder", |step| async move {
            validation::validate_order(&step)
        })
        .register(
            "OrderFulfilment::ReserveInventory",
            warehouse::ReserveInventory::default(),
        )
        .register(
            "OrderFulfilment::ChargePayment",
            gateway::ChargePayment::default(),
        )
        .register_fn("OrderFulfilment::ShipOrder", |step| async move {
            shipping::ship_order(&step)
        })
        .register_fn("OrderFulfilment::NotifyCustomer", |step| async move {
            notice::notify_customer(&step)
        })
}

/// What no further attempt can mend.
fn refuse(code: &str, message: String) -> StepError {
    StepError::permanent(message).with_code(code)
}

#[cfg(test)]
mod tests;
