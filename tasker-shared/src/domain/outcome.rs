//! What a handler reports, and what the engine makes of it.
//!
//! [`decide`] is the whole retry rule: a pure function from an outcome, the
//! attempt it belongs to and the step's limits to the change the store applies.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{json, Map, Value};

use super::json::{check_json, JsonLimits};
use super::retry::{Backoff, RetryPolicy};

/// Why an attempt failed, as the engine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The handler asked for another attempt, or failed without saying.
    Retryable,
    /// The handler said another attempt cannot help.
    Permanent,
    /// The handler outlived the step's timeout.
    Timeout,
    /// The handler panicked or threw something that is not an error.
    Panic,
    /// The worker vanished: its lease ran out.
    Lost,
}

impl FailureKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::Permanent => "permanent",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::Lost => "lost",
        }
    }
}

/// The error of one attempt: what a handler returns, and what is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepError {
    pub kind: FailureKind,
    pub message: String,
    /// Name of the error's class, in the handler's language.
    pub error_class: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<String>,
    /// Pause the handler asks for before the next attempt, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// What the step's results become, null included; the engine adds no key to them.
    /// None: [`StepError::result_keys`] are added to what is there.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub results: Option<Value>,
}

/// Null that is there, as opposed to a key that is not.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl StepError {
    fn new(kind: FailureKind, class: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            error_class: class.to_owned(),
            error_code: None,
            backtrace: None,
            retry_after_ms: None,
            context: None,
            results: None,
        }
    }

    /// Another attempt may succeed.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Retryable, "Tasker::RetryableError", message)
    }

    /// Another attempt may succeed, but not before `delay`.
    pub fn retryable_after(message: impl Into<String>, delay: Duration) -> Self {
        let mut error = Self::retryable(message);
        error.retry_after_ms = Some(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        error
    }

    /// No further attempt can succeed.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, "Tasker::PermanentError", message)
    }

    /// The attempt ran longer than the step's timeout.
    pub fn timeout(limit: Duration) -> Self {
        let message = format!(
            "the handler did not finish within {} s",
            limit.as_secs_f64()
        );
        Self::new(FailureKind::Timeout, "Tasker::StepTimeout", message)
    }

    /// The handler panicked.
    pub fn panic(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Panic, "Tasker::HandlerPanic", message)
    }

    /// The lease of the attempt ran out without a report.
    pub fn lost() -> Self {
        let message = "the worker stopped renewing its lease before it reported an outcome";
        Self::new(FailureKind::Lost, "Tasker::LeaseExpired", message)
    }

    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.error_code = Some(code.into());
        self
    }

    #[must_use]
    pub fn with_class(mut self, class: impl Into<String>) -> Self {
        self.error_class = class.into();
        self
    }

    #[must_use]
    pub fn with_context(mut self, context: Value) -> Self {
        self.context = Some(context);
        self
    }

    #[must_use]
    pub fn with_results(mut self, results: Value) -> Self {
        self.results = Some(results);
        self
    }

    /// The error with results that can be stored, and the size of them as JSON. Results
    /// beyond `limits` are left out, and the message says why: the engine's keys are
    /// added to the earlier ones then.
    #[must_use]
    pub fn storable_results(mut self, limits: &JsonLimits) -> (Self, usize) {
        let checked = self.results.as_ref().map(|r| check_json(r, limits));
        match checked {
            None => (self, 0),
            Some(Ok(bytes)) => (self, bytes),
            Some(Err(problem)) => {
                self.results = None;
                let left_out =
                    format!(" (the results of the failed step were left out: {problem})");
                self.message.push_str(&left_out);
                (self, 0)
            }
        }
    }

    /// The error as it can be stored, whatever a handler put into it, but for its
    /// results, which have limits of their own: without U+0000, without a context that breaks the rules for JSON, and as at most
    /// `limits.max_bytes` of JSON (1,024 or more). What is too large goes in this order:
    /// the backtrace, the context, the end of the message.
    #[must_use]
    pub fn storable(mut self, limits: &JsonLimits) -> Self {
        let results = self.results.take();
        without_nul(&mut self.message);
        if let Some(backtrace) = &mut self.backtrace {
            without_nul(backtrace);
        }
        short_name(&mut self.error_class);
        if let Some(code) = &mut self.error_code {
            short_name(code);
        }
        if let Some(Err(problem)) = self.context.as_ref().map(|c| check_json(c, limits)) {
            self.context = Some(json!(format!("(left out: {problem})")));
        }
        let fits = |error: &Self| {
            serde_json::to_vec(error).is_ok_and(|text| text.len() <= limits.max_bytes)
        };
        let told = "(cut: the error was too large)";
        if !fits(&self) {
            self.backtrace = self.backtrace.map(|_| told.to_owned());
        }
        if !fits(&self) {
            self.context = self.context.map(|_| json!(told));
        }
        let mut kept = self.message.len();
        while !fits(&self) && kept > 0 {
            kept /= 2;
            cut(&mut self.message, kept);
            self.message.push_str(" (cut)");
        }
        self.results = results;
        self
    }

    /// The keys a failure adds to the step's `results`, named as in Rails.
    pub fn result_keys(&self) -> Value {
        let mut keys = Map::new();
        keys.insert("error".into(), json!(self.message));
        keys.insert("error_class".into(), json!(self.error_class));
        keys.insert(
            "backtrace".into(),
            json!(self.backtrace.as_deref().unwrap_or("")),
        );
        if let Some(code) = &self.error_code {
            keys.insert("error_code".into(), json!(code));
        }
        if let Some(context) = &self.context {
            keys.insert("error_context".into(), context.clone());
        }
        Value::Object(keys)
    }
}

/// Longest class or code of an error that is stored.
const MAX_NAME_BYTES: usize = 128;

fn short_name(name: &mut String) {
    name.retain(|c| !c.is_control());
    cut(name, MAX_NAME_BYTES);
}

fn without_nul(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{FFFD}");
    }
}

/// Cuts `text` to at most `max` bytes, between characters.
fn cut(text: &mut String, max: usize) {
    let mut end = max.min(text.len());
    // `str::floor_char_boundary` is not stable in the Rust version we support.
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

impl std::fmt::Display for StepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.error_class, self.message)
    }
}

impl std::error::Error for StepError {}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The handler returned a result.
    Success { results: Value },
    /// The handler failed, timed out, panicked or vanished.
    Failure { error: StepError },
    /// The attempt was given back unfinished: it does not count.
    HandedBack,
    /// The worker has no handler of that name: the attempt does not count.
    NoHandler { handler_class: String },
}

impl Outcome {
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Success { .. } => "success",
            Self::Failure { error } => error.kind.as_str(),
            Self::HandedBack => "handed_back",
            Self::NoHandler { .. } => "no_handler",
        }
    }
}

/// The limits in force for the attempt that is being judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// The attempt, from 1.
    pub attempt: u32,
    /// Executions allowed in all.
    pub retry_limit: u32,
    /// Whether a failed step may run again at all.
    pub retryable: bool,
    /// The longest pause a handler is granted, so that a hostile header cannot
    /// park a step for ever.
    pub max_requested_delay_ms: u64,
    /// How often the step came to a worker without its handler lately, this time included.
    pub offered: u32,
}

/// What the store does to the step.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Store the results, unblock children.
    Complete { results: Value },
    /// Record the failure and try again after `delay_ms`.
    Retry { error: StepError, delay_ms: u64 },
    /// Record the failure for good, and how long the handler asked to wait: the Rails
    /// engine shows it whether or not another attempt follows.
    Fail {
        error: StepError,
        asked_ms: Option<u64>,
    },
    /// Uncount the attempt and enqueue the step again at once.
    HandBack,
    /// Uncount the attempt and look for a worker again after `delay_ms`.
    Park {
        handler_class: String,
        delay_ms: u64,
    },
}

/// Pauses before a step is offered again that came to a worker without its handler.
const OFFERS: RetryPolicy = RetryPolicy {
    backoff: Backoff::Exponential,
    base_ms: 50,
    max_ms: 5_000,
    jitter: false,
};

/// Judges an outcome: the only place where it is decided whether a failed
/// attempt is followed by another.
pub fn decide(
    outcome: Outcome,
    limits: AttemptLimits,
    policy: &RetryPolicy,
    rng: &mut impl rand::Rng,
) -> Change {
    match outcome {
        Outcome::Success { results } => Change::Complete { results },
        Outcome::HandedBack => Change::HandBack,
        Outcome::NoHandler { handler_class } => Change::Park {
            handler_class,
            delay_ms: OFFERS.ceiling_ms(limits.offered),
        },
        Outcome::Failure { error } => {
            let exhausted = limits.attempt >= limits.retry_limit;
            let asked_ms = error
                .retry_after_ms
                .map(|asked| asked.min(limits.max_requested_delay_ms));
            if error.kind == FailureKind::Permanent || !limits.retryable || exhausted {
                return Change::Fail { error, asked_ms };
            }
            let delay_ms = match (error.kind, asked_ms) {
                // The lease that ran out has been pause enough.
                (FailureKind::Lost, _) => 0,
                (_, Some(asked)) => asked,
                (_, None) => policy.delay_ms(limits.attempt, rng),
            };
            Change::Retry { error, delay_ms }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{rngs::StdRng, SeedableRng};

    const DAY_MS: u64 = 86_400_000;

    fn limits(attempt: u32, retry_limit: u32, retryable: bool) -> AttemptLimits {
        AttemptLimits {
            attempt,
            retry_limit,
            retryable,
            max_requested_delay_ms: DAY_MS,
            offered: 0,
        }
    }

    fn judge(error: StepError, limits: AttemptLimits) -> Change {
        let mut rng = StdRng::seed_from_u64(7);
        decide(
            Outcome::Failure { error },
            limits,
            &RetryPolicy::default(),
            &mut rng,
        )
    }

    #[test]
    fn a_permanent_error_is_never_retried() {
        let change = judge(StepError::permanent("no such card"), limits(1, 3, true));
        assert!(matches!(change, Change::Fail { .. }));
    }

    #[test]
    fn the_last_allowed_attempt_fails_for_good() {
        assert!(matches!(
            judge(StepError::retryable("x"), limits(2, 3, true)),
            Change::Retry { .. }
        ));
        assert!(matches!(
            judge(StepError::retryable("x"), limits(3, 3, true)),
            Change::Fail { .. }
        ));
    }

    #[test]
    fn a_step_that_is_not_retryable_fails_at_once() {
        assert!(matches!(
            judge(StepError::retryable("x"), limits(1, 3, false)),
            Change::Fail { .. }
        ));
    }

    #[test]
    fn a_requested_delay_prevails_up_to_a_day() {
        let hour = StepError::retryable_after("429", Duration::from_secs(3600));
        assert!(matches!(
            judge(hour, limits(1, 3, true)),
            Change::Retry {
                delay_ms: 3_600_000,
                ..
            }
        ));
        let years = StepError::retryable_after("429", Duration::from_secs(u64::MAX / 1000));
        let Change::Retry { delay_ms, .. } = judge(years, limits(1, 3, true)) else {
            panic!("retry expected");
        };
        assert_eq!(delay_ms, DAY_MS);
    }

    #[test]
    fn a_requested_delay_is_kept_where_no_attempt_follows() {
        let hour = StepError::retryable_after("429", Duration::from_secs(3600));
        for limits in [limits(3, 3, true), limits(1, 3, false)] {
            let change = judge(hour.clone(), limits);
            let Change::Fail { asked_ms, .. } = change else {
                panic!("an end expected, not {change:?}");
            };
            assert_eq!(asked_ms, Some(3_600_000));
        }
    }

    #[test]
    fn a_lost_attempt_counts_and_is_repeated_at_once() {
        assert!(matches!(
            judge(StepError::lost(), limits(1, 3, true)),
            Change::Retry { delay_ms: 0, .. }
        ));
        assert!(matches!(
            judge(StepError::lost(), limits(3, 3, true)),
            Change::Fail { .. }
        ));
    }

    #[test]
    fn a_step_without_a_handler_is_offered_soon_and_then_ever_more_rarely() {
        let pause = |offered| {
            let outcome = Outcome::NoHandler {
                handler_class: "Far::Away".to_owned(),
            };
            let limits = AttemptLimits {
                offered,
                ..limits(1, 3, true)
            };
            let mut rng = StdRng::seed_from_u64(7);
            match decide(outcome, limits, &RetryPolicy::default(), &mut rng) {
                Change::Park { delay_ms, .. } => delay_ms,
                other => panic!("parked expected, not {other:?}"),
            }
        };
        assert_eq!(
            [1, 2, 3, 7, 8, u32::MAX].map(pause),
            [50, 100, 200, 3_200, 5_000, 5_000]
        );
    }

    const SMALL: JsonLimits = JsonLimits {
        max_bytes: 1_024,
        max_depth: 8,
    };

    #[test]
    fn an_error_within_the_limits_is_stored_as_it_is() {
        let mut error = StepError::permanent("no such card").with_context(json!({"card": 4}));
        error.backtrace = Some("at line 7".to_owned());
        assert_eq!(error.clone().storable(&SMALL), error);
    }

    #[test]
    fn of_an_error_that_is_too_large_the_message_stays_longest() {
        let mut error = StepError::permanent("why").with_context(json!("x".repeat(600)));
        error.backtrace = Some("y".repeat(600));
        let stored = error.clone().storable(&SMALL);
        assert_eq!(
            (stored.message, stored.context),
            (error.message.clone(), error.context.clone())
        );
        assert_eq!(
            stored.backtrace.as_deref(),
            Some("(cut: the error was too large)")
        );
        error.message = "é".repeat(600);
        let stored = error.storable(&SMALL);
        assert!(stored.message.starts_with("éé") && stored.message.ends_with(" (cut)"));
    }

    #[test]
    fn a_context_that_is_no_storable_json_is_left_out_with_the_reason() {
        let deep = (0..500).fold(json!(1), |inner, _| json!([inner]));
        for (context, why) in [(deep, "nested deeper"), (json!({"a": "\0"}), "U+0000")] {
            let stored = StepError::permanent("no")
                .with_context(context)
                .storable(&SMALL);
            let told = stored.context.unwrap();
            assert!(told.as_str().unwrap().contains(why), "{told}");
        }
    }

    #[test]
    fn results_of_a_failure_have_limits_of_their_own() {
        let large = json!("x".repeat(2_000));
        let error = StepError::permanent("why").with_results(large.clone());
        let stored = error.clone().storable(&SMALL);
        assert_eq!(
            stored, error,
            "the limits of an error are not those of results"
        );
        let wide = JsonLimits {
            max_bytes: 4_000,
            max_depth: 8,
        };
        assert_eq!(
            error.clone().storable_results(&wide),
            (error.clone(), 2_002)
        );
        let (cut, bytes) = error.storable_results(&SMALL);
        assert_eq!((cut.results, bytes), (None, 0));
        assert!(
            cut.message.starts_with("why (the results"),
            "{}",
            cut.message
        );
        assert!(
            cut.message.contains("2002 bytes of JSON"),
            "{}",
            cut.message
        );
    }

    #[test]
    fn results_of_null_are_not_no_results() {
        for results in [None, Some(Value::Null), Some(json!({"a": 1}))] {
            let mut error = StepError::permanent("no");
            error.results = results;
            let text = serde_json::to_string(&error).unwrap();
            assert_eq!(
                serde_json::from_str::<StepError>(&text).unwrap(),
                error,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_error_can_be_made_storable(
            message in "\\PC{0,20}[\\x00-\\x1fa-zé\"]{0,3000}",
            class in "[\\x00-\\x1f\"a-z]{0,3000}",
            code in "[\\x00-\\x1f\"a-z]{0,3000}",
            backtrace in proptest::option::of("[\\x00-\\x1f\"a-z]{0,3000}"),
        ) {
            let mut error = StepError::retryable(message).with_class(class).with_code(code);
            error.backtrace = backtrace;
            let stored = serde_json::to_value(error.storable(&SMALL)).unwrap();
            prop_assert!(check_json(&stored, &SMALL).is_ok(), "{}", stored);
        }

        #[test]
        fn no_attempt_beyond_the_limit_is_ever_granted(attempt in 1u32..200, limit in 0u32..120, retryable: bool) {
            let change = judge(StepError::retryable("x"), limits(attempt, limit, retryable));
            if matches!(change, Change::Retry { .. }) {
                prop_assert!(attempt < limit && retryable);
            }
        }
    }
}
