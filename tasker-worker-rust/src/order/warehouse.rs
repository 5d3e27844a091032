//! `reserve_inventory`: puts the goods aside in a simulated warehouse.
//!
//! The warehouse serves an idempotency token once, so a step that runs a second
//! time finds the reservation of the first instead of making another.

use async_trait::async_trait;
use serde_json::{json, Value};
use tasker_shared::domain::StepError;
use tasker_worker_foundation::{StepContext, StepHandler};

use super::ledger::{stable_id, Ledger};
use super::model::{Line, Reservation, ValidOrder};
use super::{catalogue, refuse};
use crate::input;

/// The handler, and with it the warehouse it talks to.
#[derive(Debug, Default)]
pub(super) struct ReserveInventory {
    reservations: Ledger<Reservation>,
}

impl ReserveInventory {
    fn reserve(&self, token: &str, lines: Vec<Line>) -> Result<Reservation, StepError> {
        for line in &lines {
            let in_stock = catalogue::find(&line.sku).map_or(0, |product| product.in_stock);
            if line.quantity > in_stock {
                let message = format!(
                    "{} of {} ordered, {in_stock} in stock",
                    line.quantity, line.sku
                );
                let facts =
                    json!({ "sku": line.sku, "ordered": line.quantity, "in_stock": in_stock });
                return Err(refuse("OUT_OF_STOCK", message).with_context(facts));
            }
        }
        Ok(self.reservations.once(token, || Reservation {
            reservation_id: stable_id("rs", token, 0),
            weight_grams: lines.iter().map(|line| line.weight_grams).sum(),
            lines,
        }))
    }
}

#[async_trait]
impl StepHandler for ReserveInventory {
    async fn call(&self, step: &StepContext) -> Result<Value, StepError> {
        let order: ValidOrder = input::parent(step, "validate_order")?;
        input::answer(&self.reserve(&step.idempotency_token(), order.lines)?)
    }
}
