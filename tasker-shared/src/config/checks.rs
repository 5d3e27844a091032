//! Checks that need more than one value.

use std::net::SocketAddr;

use super::error::ConfigProblem;
use super::origin::Origin;
use super::sections::Config;

/// Adds a problem for every combination that could not work or must not happen.
pub(super) fn check(
    config: &Config,
    origin_of: &dyn Fn(&str) -> Origin,
    problems: &mut Vec<ConfigProblem>,
) {
    let Config {
        engine,
        orchestration,
        worker,
        ..
    } = config;
    let mut refuse = |key: &str, code, message: String| {
        problems.push(ConfigProblem::of_key(&origin_of(key), key, code, message));
    };
    if is_open(orchestration.bind, orchestration.allow_public) {
        let message = public(
            "orchestration",
            orchestration.bind,
            "submit and cancel tasks",
        );
        refuse("orchestration.bind", "public_bind", message);
    }
    if is_open(worker.bind, worker.allow_public) {
        let message = public("worker", worker.bind, "read its state and metrics");
        refuse("worker.bind", "public_bind", message);
    }
    if orchestration.body_max_bytes < engine.context_max_bytes {
        let message = format!(
            "is {}, less than engine.context_max_bytes ({}): a context within its limit could \
             not be submitted",
            orchestration.body_max_bytes, engine.context_max_bytes
        );
        refuse("orchestration.body_max_bytes", "inconsistent", message);
    }
    if engine.results_inline_max_bytes > engine.result_max_bytes {
        let message = format!(
            "is {}, more than engine.result_max_bytes ({})",
            engine.results_inline_max_bytes, engine.result_max_bytes
        );
        refuse("engine.results_inline_max_bytes", "inconsistent", message);
    }
}

fn is_open(bind: SocketAddr, allow_public: bool) -> bool {
    !bind.ip().is_loopback() && !allow_public
}

fn public(section: &str, bind: SocketAddr, harm: &str) -> String {
    format!(
        "is {bind}, which other machines can reach, and the API asks nobody who they are: \
         whoever reaches it could {harm}. Bind to a loopback address such as 127.0.0.1:{}, or set \
         {section}.allow_public = true when a proxy or a private network keeps strangers out",
        bind.port()
    )
}
