//! How objects begin that do their work on threads of their own.

use std::future::Future;

use magnus::{Error, Ruby};
use tokio::runtime::{Builder, Runtime};

use crate::entry::Kind;
use crate::promise::wait_for;
use crate::start::Failure;

/// Threads called `name`; `what` is what messages call them.
pub(crate) fn runtime(threads: usize, name: &str, what: &str) -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build();
    built.map_err(|error| {
        let message = format!("the {what} cannot be started: {error}");
        Failure::new(Kind::Start, "runtime", message)
    })
}

/// Waits for what is opened on `runtime`, which ends if nothing is.
///
/// # Errors
/// The failure to open it, `ended` if the runtime has ended meanwhile, and what an interrupt
/// raises.
pub(crate) fn open_on<T, F>(
    ruby: &Ruby,
    runtime: Runtime,
    opening: F,
    ended: fn() -> Failure,
) -> Result<(Runtime, T), Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    match wait_for(ruby, runtime.handle(), opening) {
        Ok(Some(Ok(opened))) => Ok((runtime, opened)),
        other => {
            runtime.shutdown_background();
            let failure = match other? {
                Some(Err(failure)) => failure,
                _ => ended(),
            };
            Err(failure.into_error(ruby))
        }
    }
}
