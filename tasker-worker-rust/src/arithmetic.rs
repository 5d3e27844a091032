//! Small steps whose final value proves the order they ran in.
//!
//! A step without parents starts from `even_number` of the task's context; any
//! other from the results of its parents. Every step answers
//! `{"value": n, "parents": {"name": n, ...}}`.
//!
//! - `Examples::Square`: the square of the sum of the parents' values.
//! - `Examples::Add`: the sum of the parents' values plus `add` of its config.
//! - `Examples::Multiply`: the product of the parents' values.
//!
//! An odd number and an overflow of 64 bits are refused for good.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tasker_shared::domain::StepError;
use tasker_worker_foundation::{HandlerRegistry, StepContext};

use crate::input;

pub(crate) fn handlers() -> HandlerRegistry {
    HandlerRegistry::new()
        .register_fn("Examples::Square", |step| async move {
            calculate(&step, square)
        })
        .register_fn("Examples::Add", |step| async move { add(&step) })
        .register_fn("Examples::Multiply", |step| async move {
            calculate(&step, product)
        })
}

#[derive(Deserialize)]
struct Start {
    even_number: i64,
}

#[derive(Deserialize, Serialize)]
struct Number {
    value: i64,
    parents: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddConfig {
    #[serde(default)]
    add: i64,
}

fn sum(values: &[i64]) -> Option<i64> {
    values
        .iter()
        .try_fold(0_i64, |sum, &value| sum.checked_add(value))
}

fn square(values: &[i64]) -> Option<i64> {
    sum(values)?.checked_pow(2)
}

fn product(values: &[i64]) -> Option<i64> {
    values
        .iter()
        .try_fold(1_i64, |product, &value| product.checked_mul(value))
}

fn add(step: &StepContext) -> Result<Value, StepError> {
    let AddConfig { add } = input::config(step)?;
    calculate(step, |values| sum(values)?.checked_add(add))
}

fn calculate(step: &StepContext, rule: impl Fn(&[i64]) -> Option<i64>) -> Result<Value, StepError> {
    let parents = parent_values(step)?;
    let values = if parents.is_empty() {
        vec![start(step)?]
    } else {
        parents.values().copied().collect()
    };
    let value = rule(&values).ok_or_else(|| {
        let message = format!("the result of {values:?} does not fit into 64 bits");
        StepError::permanent(message).with_code("OVERFLOW")
    })?;
    input::answer(&Number { value, parents })
}

fn parent_values(step: &StepContext) -> Result<BTreeMap<String, i64>, StepError> {
    let value_of = |name: &String| Ok((name.clone(), input::parent::<Number>(step, name)?.value));
    step.results().keys().map(value_of).collect()
}

fn start(step: &StepContext) -> Result<i64, StepError> {
    let Start { even_number } = input::context(step)?;
    if even_number % 2 != 0 {
        let message = format!("even_number is {even_number}, which is odd");
        return Err(StepError::permanent(message).with_code("NOT_EVEN"));
    }
    Ok(even_number)
}

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use crate::testing::Step;

    fn number(value: i64) -> Value {
        json!({"value": value, "parents": {}})
    }

    #[tokio::test]
    async fn a_root_starts_from_the_context() {
        let step = Step::new("root").context(json!({"even_number": 6}));
        assert_eq!(step.run("Examples::Square").await, Ok(number(36)));
    }

    #[tokio::test]
    async fn the_rules_differ_on_the_same_parents() {
        let step = || Step::new("s").parent("a", number(3)).parent("b", number(4));
        for (class, value) in [
            ("Examples::Square", 49),
            ("Examples::Multiply", 12),
            ("Examples::Add", 7),
        ] {
            let expected = json!({"value": value, "parents": {"a": 3, "b": 4}});
            assert_eq!(step().run(class).await, Ok(expected), "{class}");
        }
        let added = step()
            .config(json!({"add": 10}))
            .run("Examples::Add")
            .await
            .unwrap();
        assert_eq!(added["value"], 17);
    }

    #[tokio::test]
    async fn odd_numbers_and_overflows_are_refused_for_good() {
        let odd = Step::new("s")
            .context(json!({"even_number": 7}))
            .run("Examples::Square")
            .await;
        assert_eq!(odd.unwrap_err().error_code.as_deref(), Some("NOT_EVEN"));
        let huge = Step::new("s")
            .parent("a", number(i64::MAX))
            .run("Examples::Square")
            .await;
        assert_eq!(huge.unwrap_err().error_code.as_deref(), Some("OVERFLOW"));
    }
}
