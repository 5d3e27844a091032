//! Identity of a task: what makes two requests the same one.

use std::fmt::Write;

use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use crate::config::IdentityStrategy;
use crate::domain::{Namespace, TemplateName};

/// What goes into the identity of a request without a key.
pub(super) struct IdentityFields<'a> {
    pub(super) name: &'a str,
    pub(super) initiator: &'a str,
    pub(super) source_system: &'a str,
    pub(super) context: &'a Value,
    pub(super) reason: &'a str,
    pub(super) bypass_steps: &'a [String],
    pub(super) requested_at: chrono::DateTime<chrono::Utc>,
}

/// Identity of a request with an idempotency key: the template's name without
/// its version, so that a new version registered between two tries of one
/// request does not make a second task.
pub(super) fn of_key(namespace: &Namespace, name: &TemplateName, key: &str) -> String {
    hex_sha256(format!("{namespace}\0{name}\0{key}").as_bytes())
}

/// Identity of a request without a key, by the strategy in force.
pub(super) fn of_request(strategy: IdentityStrategy, fields: &IdentityFields<'_>) -> String {
    match strategy {
        IdentityStrategy::Default => uuid::Uuid::new_v4().to_string(),
        IdentityStrategy::Hash => hex_sha256(rails_json(fields).as_bytes()),
    }
}

/// The text the Rails engine hashes: these keys in this order, the time cut to
/// the minute, and `ActiveSupport`'s escapes for what is unsafe inside HTML.
fn rails_json(fields: &IdentityFields<'_>) -> String {
    let object = json!({
        "name": fields.name,
        "initiator": fields.initiator,
        "source_system": fields.source_system,
        "context": fields.context,
        "reason": fields.reason,
        "bypass_steps": fields.bypass_steps,
        "requested_at": fields.requested_at.format("%Y-%m-%d %H:%M").to_string(),
    });
    let mut escaped = String::new();
    for character in object.to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn hex_sha256(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn the_hashed_text_is_the_one_rails_hashes() {
        let context = json!({"b": "<a>&", "a": [1, 2.5, null]});
        let fields = IdentityFields {
            name: "order",
            initiator: "unknown",
            source_system: "unknown",
            context: &context,
            reason: "test",
            bypass_steps: &["pay".to_owned()],
            requested_at: chrono::Utc.with_ymd_and_hms(2025, 7, 13, 9, 5, 59).unwrap(),
        };
        assert_eq!(
            rails_json(&fields),
            "{\"name\":\"order\",\"initiator\":\"unknown\",\"source_system\":\"unknown\",\
             \"context\":{\"b\":\"\\u003ca\\u003e\\u0026\",\"a\":[1,2.5,null]},\"reason\":\"test\",\
             \"bypass_steps\":[\"pay\"],\"requested_at\":\"2025-07-13 09:05\"}"
        );
    }

    #[test]
    fn keys_are_separate_per_template() {
        let namespace = Namespace::parse("a").unwrap();
        let one = of_key(&namespace, &TemplateName::parse("x").unwrap(), "k");
        let other = of_key(&namespace, &TemplateName::parse("y").unwrap(), "k");
        assert_ne!(one, other);
        assert_eq!(one.len(), 64);
    }
}
