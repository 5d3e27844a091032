//! How numbers are written: with as many digits as they deserve.

/// 7512.4 as "7,512".
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value <= -0.5 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits or more: 7,512, 130, 12.2, 1.06, 0.177.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => whole(value),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0.0, -0.2, 999.4, 999.6, 20_500.0, 1_234_567.0, -1500.0].map(whole),
            ["0", "0", "999", "1,000", "20,500", "1,234,567", "-1,500"]
        );
    }

    #[test]
    fn small_values_keep_their_decimals() {
        assert_eq!(
            [7511.6, 99.96, 99.94, 9.996, 1.063, 0.9996, 0.0412].map(short),
            ["7,512", "100", "99.9", "10.0", "1.06", "1.00", "0.041"]
        );
    }
}
