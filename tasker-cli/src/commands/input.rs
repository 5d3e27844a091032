//! Arguments that several nouns share: JSON from the command line, a file or
//! stdin, who acts and why, and a step by name or id.

use std::fs;
use std::io::Read as _;

use clap::Args;
use serde_json::Value;
use tasker_client::Client;
use tasker_shared::domain::{parse_json, JsonLimits};
use tasker_shared::wire::OperatorRequest;

use crate::failure::{Exit, Failure};

/// More than the service takes by default: what it refuses, it refuses itself.
const LIMITS: JsonLimits = JsonLimits {
    max_bytes: 64 * 1024 * 1024,
    max_depth: 120,
};

/// `--json` of commands that answer with a document.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Format {
    /// Print the answer of the service as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who acts and why, for the audit trail.
#[derive(Debug, Clone, Args)]
pub(crate) struct Operator {
    /// Reason for the audit trail
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Who acts, for the audit trail
    #[arg(long, env = "USER", hide_env_values = true)]
    pub(crate) operator: Option<String>,
}

impl Operator {
    pub(crate) fn request(self) -> OperatorRequest {
        OperatorRequest {
            reason: self.reason,
            operator: self.operator,
        }
    }
}

/// Reads JSON given as it is, as `@file`, or as `-` for stdin.
pub(crate) fn json(option: &str, text: &str) -> Result<Value, Failure> {
    let (bytes, place) = if text == "-" {
        let mut bytes = vec![];
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::usage(format!("stdin cannot be read: {error}")))?;
        (bytes, "stdin".to_owned())
    } else if let Some(path) = text.strip_prefix('@') {
        let bytes = fs::read(path)
            .map_err(|error| Failure::usage(format!("{path} cannot be read: {error}")))?;
        (bytes, path.to_owned())
    } else {
        (text.as_bytes().to_vec(), option.to_owned())
    };
    parse_json(&bytes, &LIMITS).map_err(|error| {
        Failure::usage(format!("{place} is not usable JSON: {error}"))
            .remedy(format!("{option} takes JSON, @FILE, or - for stdin"))
    })
}

/// The id of a step given by its id or its name.
pub(crate) async fn step_id(client: &Client, task_id: i64, step: &str) -> Result<i64, Failure> {
    let steps = client.steps(task_id).await?;
    let by_name = steps.iter().find(|s| s.name == step);
    let found = by_name.or_else(|| steps.iter().find(|s| Ok(s.step_id) == step.parse()));
    if let Some(found) = found {
        return Ok(found.step_id);
    }
    let names: Vec<&str> = steps.iter().map(|s| s.name.as_str()).take(20).collect();
    let more = if steps.len() > names.len() {
        ", ..."
    } else {
        ""
    };
    Err(
        Failure::new(Exit::Usage, format!("task {task_id} has no step {step:?}"))
            .remedy(format!("its steps: {}{more}", names.join(", "))),
    )
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn json_is_checked_before_it_is_sent() {
        assert_eq!(json("--context", "{\"a\": 1}").unwrap()["a"], 1);
        let refused = json("--context", "{\"a\": 1, \"a\": 2}")
            .unwrap_err()
            .text();
        assert!(
            refused.starts_with("error: --context is not usable JSON: "),
            "{refused}"
        );
        assert!(json("--context", "@/nowhere/at/all").is_err());
    }
}
