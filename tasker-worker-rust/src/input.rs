//! Typed reading of what a handler is given.
//!
//! A context, a configuration or a parent's result of the wrong shape cannot
//! become right by another attempt: all of these refuse for good, and say which
//! part was wrong.

use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{json, Value};
use tasker_shared::domain::StepError;
use tasker_worker_foundation::StepContext;

/// The task's context as `T`.
pub(crate) fn context<T: DeserializeOwned>(step: &StepContext) -> Result<T, StepError> {
    read(step.context(), "context", "INVALID_CONTEXT")
}

/// The step's `handler_config` as `T`; a missing one reads like an empty map.
pub(crate) fn config<T: DeserializeOwned>(step: &StepContext) -> Result<T, StepError> {
    let empty = json!({});
    let config = if step.config().is_null() {
        &empty
    } else {
        step.config()
    };
    read(config, "handler_config", "INVALID_CONFIG")
}

/// The results of the parent `name` as `T`.
pub(crate) fn parent<T: DeserializeOwned>(step: &StepContext, name: &str) -> Result<T, StepError> {
    let results = step.result_of(name).ok_or_else(|| {
        let message = format!("step `{}` needs `{name}` as a parent", step.step_name());
        StepError::permanent(message).with_code("MISSING_PARENT")
    })?;
    read(
        results,
        &format!("results of `{name}`"),
        "INVALID_PARENT_RESULTS",
    )
}

/// A handler's answer as JSON.
pub(crate) fn answer<T: Serialize>(results: &T) -> Result<Value, StepError> {
    serde_json::to_value(results).map_err(|error| {
        StepError::permanent(format!("the results are no JSON: {error}"))
            .with_code("INVALID_RESULTS")
    })
}

fn read<T: DeserializeOwned>(value: &Value, what: &str, code: &str) -> Result<T, StepError> {
    T::deserialize(value)
        .map_err(|error| StepError::permanent(format!("{what}: {error}")).with_code(code))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::{config, parent};
    use crate::testing::Step;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Number {
        n: Option<u8>,
    }

    #[test]
    fn a_missing_configuration_reads_like_an_empty_one() {
        assert_eq!(
            config::<Number>(&Step::new("s").build()).unwrap(),
            Number { n: None }
        );
    }

    #[test]
    fn a_wrong_shape_is_refused_for_good_and_says_where() {
        let step = Step::new("s").parent("p", json!({"n": "many"})).build();
        let error = parent::<Number>(&step, "p").unwrap_err();
        assert_eq!(error.error_code.as_deref(), Some("INVALID_PARENT_RESULTS"));
        assert!(
            error.message.starts_with("results of `p`: "),
            "{}",
            error.message
        );
        let error = parent::<Number>(&step, "q").unwrap_err();
        assert_eq!(error.error_code.as_deref(), Some("MISSING_PARENT"));
    }
}
