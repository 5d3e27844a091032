//! An amount of money: decimal, two places, a string in JSON.
//!
//! Binary floating point cannot hold 0.10, so a JSON number is refused as an
//! amount, even one that happens to look right.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// Amounts from here on are refused: no order comes near, and no product of
/// two amounts below can overflow a decimal.
const LIMIT: i64 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Money(Decimal);

impl Money {
    pub(super) const ZERO: Self = Self(Decimal::ZERO);

    pub(super) fn is_negative(self) -> bool {
        self.0.is_sign_negative() && !self.0.is_zero()
    }

    /// `None` where the sum is no amount any more.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Self::within_limit(self.0.checked_add(other.0)?)
    }

    /// Rounded to two places, halves away from zero, as commerce does.
    pub(super) fn times(self, factor: Decimal) -> Option<Self> {
        let product = self.0.checked_mul(factor)?;
        Self::within_limit(
            product.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero),
        )
    }

    fn within_limit(amount: Decimal) -> Option<Self> {
        (amount.abs() < Decimal::from(LIMIT)).then_some(Self(amount))
    }
}

impl FromStr for Money {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let plain = unsigned
            .split_once('.')
            .is_some_and(|(whole, cents)| digits(whole) && digits(cents) && cents.len() == 2);
        let amount = plain.then(|| Decimal::from_str(text).ok()).flatten();
        amount.and_then(Self::within_limit).ok_or_else(|| {
            format!("`{text}` is no amount of money such as \"19.90\" below {LIMIT}")
        })
    }
}

impl TryFrom<String> for Money {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(amount: Money) -> Self {
        amount.to_string()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::Money;

    #[test]
    fn only_plain_decimal_strings_are_amounts() {
        for wrong in [
            "",
            "1",
            "1.5",
            "1.234",
            "1e2",
            "1_0.00",
            "+1.00",
            " 1.00",
            ".50",
            "1000000000.00",
        ] {
            assert!(wrong.parse::<Money>().is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Money>("19.90").is_err());
        let amount: Money = serde_json::from_str("\"19.90\"").unwrap();
        assert_eq!(serde_json::to_string(&amount).unwrap(), "\"19.90\"");
    }

    #[test]
    fn tenths_add_up_and_halves_round_away_from_zero() {
        let tenth: Money = "0.10".parse().unwrap();
        let sum = (0..3)
            .try_fold(Money::ZERO, |sum, _| sum.plus(tenth))
            .unwrap();
        assert_eq!(sum.to_string(), "0.30");
        let half: Money = "0.50".parse().unwrap();
        assert_eq!(half.times(Decimal::new(1, 2)).unwrap().to_string(), "0.01");
    }

    #[test]
    fn an_amount_beyond_the_limit_does_not_come_into_being() {
        let most: Money = "999999999.99".parse().unwrap();
        assert_eq!(most.plus("0.01".parse().unwrap()), None);
        assert_eq!(most.times(Decimal::MAX), None);
    }
}
