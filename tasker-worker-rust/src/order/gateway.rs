//! `charge_payment`: takes the money through a simulated payment gateway.
//!
//! The simulation plays the nastiest fault of a real gateway: in the first
//! `fail_first_attempts` attempts of the step (of its `handler_config`) the
//! gateway takes the money, but its answer comes too late. The handler cannot
//! tell that from a charge that never happened, so it asks for another attempt;
//! the idempotency token makes the gateway answer with the charge it has
//! already made, and the customer pays once. By the attempt number, not by
//! chance, so that each run shows the same. The account `tok_declined` is
//! declined, for good.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{json, Value};
use tasker_shared::domain::StepError;
use tasker_worker_foundation::{StepContext, StepHandler};

use super::ledger::{stable_id, Ledger};
use super::model::{Charge, Order, Payment, ValidOrder};
use super::money::Money;
use super::refuse;
use crate::input;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Simulation {
    #[serde(default)]
    fail_first_attempts: i32,
}

/// The handler, and with it the gateway it talks to.
#[derive(Debug, Default)]
pub(super) struct ChargePayment {
    charges: Ledger<Charge>,
}

impl ChargePayment {
    fn charge(
        &self,
        token: &str,
        payment: &Payment,
        amount: Money,
        currency: String,
    ) -> Result<Charge, StepError> {
        if payment.token == "tok_declined" {
            return Err(refuse(
                "PAYMENT_DECLINED",
                "the gateway declined the payment".into(),
            ));
        }
        let charge = self.charges.once(token, || Charge {
            charge_id: stable_id("ch", token, 0),
            amount,
            currency,
            method: payment.method,
        });
        if charge.amount != amount {
            let message = format!(
                "this token has paid {} already, not {amount}",
                charge.amount
            );
            return Err(refuse("TOKEN_REUSED", message));
        }
        Ok(charge)
    }
}

#[async_trait]
impl StepHandler for ChargePayment {
    async fn call(&self, step: &StepContext) -> Result<Value, StepError> {
        let Order { payment, .. } = input::context(step)?;
        let order: ValidOrder = input::parent(step, "validate_order")?;
        let simulation: Simulation = input::config(step)?;
        let charge = self.charge(
            &step.idempotency_token(),
            &payment,
            order.total,
            order.currency,
        )?;
        if step.attempt() <= simulation.fail_first_attempts {
            let error =
                StepError::retryable("the payment gateway did not answer in time (simulated)");
            let facts = json!({ "attempt": step.attempt(), "amount": order.total });
            return Err(error.with_code("GATEWAY_TIMEOUT").with_context(facts));
        }
        input::answer(&charge)
    }
}
