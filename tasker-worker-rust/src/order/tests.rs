//! The order workflow, step by step, through the registered handlers.

use serde_json::{json, Value};
use tasker_shared::domain::{FailureKind, StepError};
use tasker_worker_foundation::StepHandler;

use super::gateway::ChargePayment;
use crate::testing::Step;

fn order() -> Value {
    json!({
        "order_id": "A-1001",
        "customer": {"name": "Ada Lovelace", "email": "ada@example.org"},
        "shipping_address": {"street": "12 Main St", "postal_code": "10001", "city": "New York", "country": "US"},
        "items": [
            {"sku": "KB-104", "quantity": 2, "unit_price": "49.90"},
            {"sku": "MS-220", "quantity": 1, "unit_price": "25.50"}
        ],
        "payment": {"method": "card", "token": "tok_visa"},
        "total": "150.36"
    })
}

fn terms() -> Value {
    json!({"currency": "USD", "tax_rate": "0.20", "shipping_fee": "4.90", "free_shipping_from": "100.00"})
}

async fn validate(order: Value) -> Result<Value, StepError> {
    let step = Step::new("validate_order").context(order).config(terms());
    step.run("OrderFulfilment::ValidateOrder").await
}

async fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut order = order();
    change(&mut order);
    let error = validate(order).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Permanent, "{error}");
    error.error_code.unwrap()
}

#[tokio::test]
async fn the_shop_recomputes_what_the_order_costs() {
    let valid = validate(order()).await.unwrap();
    assert_eq!(valid["subtotal"], "125.30");
    assert_eq!(valid["tax"], "25.06");
    assert_eq!(valid["shipping_fee"], "0.00");
    assert_eq!(valid["total"], "150.36");
    assert_eq!(valid["lines"][0]["weight_grams"], 1960);
}

#[tokio::test]
async fn a_small_order_pays_for_its_shipping() {
    let mut small = order();
    small["items"] = json!([{"sku": "CB-002", "quantity": 1, "unit_price": "9.99"}]);
    small["total"] = json!("16.89");
    assert_eq!(validate(small).await.unwrap()["shipping_fee"], "4.90");
}

#[tokio::test]
async fn orders_against_the_rules_are_refused_for_good() {
    assert_eq!(
        refusal(|o| o["items"][0]["sku"] = json!("XX-1")).await,
        "UNKNOWN_SKU"
    );
    assert_eq!(
        refusal(|o| o["items"][0]["quantity"] = json!(-2)).await,
        "INVALID_QUANTITY"
    );
    assert_eq!(
        refusal(|o| o["items"][0]["quantity"] = json!(0)).await,
        "INVALID_QUANTITY"
    );
    assert_eq!(
        refusal(|o| o["items"][0]["quantity"] = json!(i64::MAX)).await,
        "INVALID_QUANTITY"
    );
    assert_eq!(
        refusal(|o| o["items"][0]["quantity"] = json!(u32::MAX)).await,
        "TOTAL_TOO_HIGH"
    );
    assert_eq!(
        refusal(|o| o["items"][0]["unit_price"] = json!("-49.90")).await,
        "PRICE_MISMATCH"
    );
    assert_eq!(
        refusal(|o| o["items"][0]["unit_price"] = json!("0.01")).await,
        "PRICE_MISMATCH"
    );
    assert_eq!(refusal(|o| o["items"] = json!([])).await, "EMPTY_ORDER");
    assert_eq!(
        refusal(|o| o["total"] = json!("150.35")).await,
        "TOTAL_MISMATCH"
    );
    assert_eq!(
        refusal(|o| o["total"] = json!(150.36)).await,
        "INVALID_CONTEXT"
    );
    assert_eq!(
        refusal(|o| o["customer"]["email"] = json!("ada@example.org\nBcc: x@y.z")).await,
        "INVALID_EMAIL"
    );
}

#[tokio::test]
async fn more_than_the_stock_is_refused_for_good() {
    let mut large = order();
    large["items"] = json!([{"sku": "MN-270", "quantity": 41, "unit_price": "219.00"}]);
    large["total"] = json!("10774.80");
    let valid = validate(large).await.unwrap();
    let step = Step::new("reserve_inventory").parent("validate_order", valid);
    let error = step
        .run("OrderFulfilment::ReserveInventory")
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.error_code.as_deref()),
        (FailureKind::Permanent, Some("OUT_OF_STOCK"))
    );
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_found_again_and_not_repeated() {
    let valid = validate(order()).await.unwrap();
    let gateway = ChargePayment::default();
    let attempt = |attempt| {
        Step::new("charge_payment")
            .context(order())
            .config(json!({"fail_first_attempts": 1}))
            .parent("validate_order", valid.clone())
            .attempt(attempt)
            .build()
    };
    let error = gateway.call(&attempt(1)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.error_code.as_deref()),
        (FailureKind::Retryable, Some("GATEWAY_TIMEOUT"))
    );
    let charge = gateway.call(&attempt(2)).await.unwrap();
    assert_eq!(charge["amount"], "150.36");
    assert_eq!(gateway.call(&attempt(3)).await.unwrap(), charge);
    let elsewhere = ChargePayment::default().call(&attempt(2)).await.unwrap();
    assert_eq!(elsewhere, charge, "another worker gets the same charge");
}

#[tokio::test]
async fn a_token_pays_one_amount_only() {
    let mut valid = validate(order()).await.unwrap();
    let gateway = ChargePayment::default();
    let step = |valid: &Value| {
        Step::new("charge_payment")
            .context(order())
            .parent("validate_order", valid.clone())
            .build()
    };
    gateway.call(&step(&valid)).await.unwrap();
    valid["total"] = json!("1.00");
    let error = gateway.call(&step(&valid)).await.unwrap_err();
    assert_eq!(error.error_code.as_deref(), Some("TOKEN_REUSED"));
}

#[tokio::test]
async fn a_declined_payment_is_refused_for_good() {
    let valid = validate(order()).await.unwrap();
    let mut declined = order();
    declined["payment"]["token"] = json!("tok_declined");
    let step = Step::new("charge_payment")
        .context(declined)
        .parent("validate_order", valid);
    let error = step
        .run("OrderFulfilment::ChargePayment")
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.error_code.as_deref()),
        (FailureKind::Permanent, Some("PAYMENT_DECLINED"))
    );
}

#[tokio::test]
async fn an_order_goes_all_the_way_and_the_customer_reads_of_it() {
    let valid = validate(order()).await.unwrap();
    let step = |name: &str| Step::new(name).context(order());
    let reserve = step("reserve_inventory").parent("validate_order", valid.clone());
    let reservation = reserve
        .run("OrderFulfilment::ReserveInventory")
        .await
        .unwrap();
    let charge = step("charge_payment").parent("validate_order", valid);
    let charge = charge.run("OrderFulfilment::ChargePayment").await.unwrap();
    let ship = step("ship_order")
        .config(json!({"max_parcel_grams": 20_000, "home_country": "US"}))
        .parent("reserve_inventory", reservation)
        .parent("charge_payment", charge.clone());
    let shipment = ship.run("OrderFulfilment::ShipOrder").await.unwrap();
    assert_eq!(shipment["carrier"], "Parcel Post");
    assert_eq!(shipment["parcels"][0]["weight_grams"], 2070);
    let notify = step("notify_customer").parent("ship_order", shipment);
    let notice = notify.run("OrderFulfilment::NotifyCustomer").await.unwrap();
    assert_eq!(notice["to"], "ada@example.org");
    let body = notice["body"].as_str().unwrap();
    for part in [
        "Dear Ada Lovelace",
        "2 x Mechanical keyboard",
        "Paid: 150.36 USD",
        charge["charge_id"].as_str().unwrap(),
    ] {
        assert!(body.contains(part), "{part} is missing in:\n{body}");
    }
}
