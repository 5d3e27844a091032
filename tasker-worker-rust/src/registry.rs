//! All handlers of this crate in one registry.
//!
//! Each module names its own classes; nothing is registered anywhere else.

use tasker_worker_foundation::HandlerRegistry;

use crate::{arithmetic, bench, failures, flight_weather, order};

/// Every handler of this crate, by `handler_class`.
pub fn registry() -> HandlerRegistry {
    HandlerRegistry::new()
        .merge(order::handlers())
        .merge(flight_weather::handlers())
        .merge(arithmetic::handlers())
        .merge(failures::handlers())
        .merge(bench::handlers())
}

#[cfg(test)]
mod tests {
    use super::registry;

    #[test]
    fn handlers_are_registered_under_these_classes() {
        let expected = [
            "Bench::Clock",
            "Bench::Noop",
            "Bench::Payload",
            "Bench::Sleep",
            "Examples::Add",
            "Examples::FailPermanently",
            "Examples::FailTimes",
            "Examples::Multiply",
            "Examples::Panic",
            "Examples::Square",
            "FlightWeather::Inspect",
            "FlightWeather::Merge",
            "FlightWeather::RenderReport",
            "FlightWeather::Summarise",
            "FlightWeather::VerifyReport",
            "OrderFulfilment::ChargePayment",
            "OrderFulfilment::NotifyCustomer",
            "OrderFulfilment::ReserveInventory",
            "OrderFulfilment::ShipOrder",
            "OrderFulfilment::ValidateOrder",
            "noop",
        ];
        assert_eq!(registry().classes(), expected);
    }
}
