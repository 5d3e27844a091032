//! `ship_order`: packs what was reserved and paid into parcels.
//!
//! Tracking numbers are derived from the step's idempotency token: a second
//! execution books the same parcels again, not more of them.

use serde::Deserialize;
use serde_json::Value;
use tasker_shared::domain::StepError;
use tasker_worker_foundation::StepContext;

use super::ledger::stable_id;
use super::model::{Charge, Order, Parcel, Reservation, Shipment};
use super::refuse;
use crate::input;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Packing {
    max_parcel_grams: u64,
    /// Two letters of ISO 3166.
    home_country: String,
}

pub(super) fn ship_order(step: &StepContext) -> Result<Value, StepError> {
    let order: Order = input::context(step)?;
    let packing: Packing = input::config(step)?;
    let reservation: Reservation = input::parent(step, "reserve_inventory")?;
    let charge: Charge = input::parent(step, "charge_payment")?;
    if charge.amount != order.total {
        let message = format!("{} was paid of {}", charge.amount, order.total);
        return Err(refuse("NOT_PAID_IN_FULL", message));
    }
    let token = step.idempotency_token();
    let domestic = order.shipping_address.country == packing.home_country;
    input::answer(&Shipment {
        order_id: order.order_id,
        shipment_id: stable_id("sh", &token, 0),
        carrier: if domestic {
            "Parcel Post"
        } else {
            "Air Freight"
        }
        .into(),
        parcels: pack(reservation.weight_grams, packing.max_parcel_grams, &token)?,
        lines: reservation.lines,
        address: order.shipping_address,
        reservation_id: reservation.reservation_id,
        charge,
    })
}

/// As few parcels as the limit allows, of even weight.
fn pack(weight_grams: u64, max_parcel_grams: u64, token: &str) -> Result<Vec<Parcel>, StepError> {
    if max_parcel_grams == 0 {
        return Err(refuse(
            "INVALID_CONFIG",
            "max_parcel_grams must not be 0".into(),
        ));
    }
    let count = weight_grams.div_ceil(max_parcel_grams).max(1);
    let (even, rest) = (weight_grams / count, weight_grams % count);
    let parcel = |number: u64| Parcel {
        tracking_number: stable_id("tn", token, number as usize),
        weight_grams: even + u64::from(number < rest),
    };
    Ok((0..count).map(parcel).collect())
}

#[cfg(test)]
mod tests {
    use super::pack;

    #[test]
    fn parcels_keep_the_limit_and_weigh_as_much_as_the_goods() {
        for (weight, count) in [(0, 1), (1, 1), (20_000, 1), (20_001, 2), (59_999, 3)] {
            let parcels = pack(weight, 20_000, "token").unwrap();
            assert_eq!(parcels.len(), count, "{weight}");
            assert_eq!(
                parcels
                    .iter()
                    .map(|parcel| parcel.weight_grams)
                    .sum::<u64>(),
                weight
            );
            assert!(parcels.iter().all(|parcel| parcel.weight_grams <= 20_000));
        }
        assert!(pack(1, 0, "token").is_err());
    }
}
