//! What every entry from Ruby needs: panics become exceptions, and a process that was
//! forked from the one with the worker is told so.
//!
//! The exceptions are classes of `lib/tasker_core/errors.rb`, looked up when one is
//! raised: a process that never fails never needs them.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering};

use magnus::{kwargs, prelude::*, Error, Exception, RClass, RModule, Ruby};

/// Runs the body of a method. A panic becomes `TaskerCore::NativePanic`.
pub(crate) fn entry<T>(body: impl FnOnce(&Ruby) -> Result<T, Error>) -> Result<T, Error> {
    // SAFETY: methods are called by Ruby, on its threads and with its lock.
    #[allow(unsafe_code)]
    let ruby = unsafe { Ruby::get_unchecked() };
    match catch_unwind(AssertUnwindSafe(|| body(&ruby))) {
        Ok(result) => result,
        Err(panic) => Err(of_panic(&ruby, &*panic)),
    }
}

/// As [`entry`], for what only the process that made it may use: `owner` is its id.
pub(crate) fn entry_of<T>(
    owner: u32,
    body: impl FnOnce(&Ruby) -> Result<T, Error>,
) -> Result<T, Error> {
    entry(|ruby| {
        if owner == std::process::id() {
            return body(ruby);
        }
        let message = "this belongs to the parent process, and its threads are not here: \
                       start a worker in the child, or a feed";
        Err(raise(ruby, Kind::Fork, "fork", message))
    })
}

/// The process that started a worker, 0 before; never taken back.
static STARTED_IN: AtomicU32 = AtomicU32::new(0);

/// Refuses to start a worker in a process whose parent has started one: locks that the
/// parent's threads held at the fork are held for ever in the child.
pub(crate) fn claim_process(ruby: &Ruby) -> Result<(), Error> {
    let id = std::process::id();
    let before = STARTED_IN.compare_exchange(0, id, Ordering::Relaxed, Ordering::Relaxed);
    if before.is_ok() || before == Err(id) {
        return Ok(());
    }
    let message = "the parent of this process has started a worker before it forked: start workers in the \
                   child processes only (with Puma in on_worker_boot, with Spring and other forking servers \
                   in after_fork)";
    Err(raise(ruby, Kind::Fork, "fork", message))
}

/// Whether this process was forked from the one with this id.
pub(crate) fn is_child_of(owner: u32) -> bool {
    owner != std::process::id()
}

/// The classes of `lib/tasker_core/errors.rb` that are raised from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Configuration,
    Database,
    Start,
    Fork,
    Encoding,
    Record,
    Panic,
}

impl Kind {
    fn class_name(self) -> &'static str {
        match self {
            Self::Configuration => "ConfigurationError",
            Self::Database => "DatabaseError",
            Self::Start => "StartError",
            Self::Fork => "ForkError",
            Self::Encoding => "EncodingError",
            Self::Record => "RecordError",
            Self::Panic => "NativePanic",
        }
    }
}

/// An exception of the gem, with a stable code.
pub(crate) fn raise(
    ruby: &Ruby,
    kind: Kind,
    code: &'static str,
    message: impl Into<Cow<'static, str>>,
) -> Error {
    let message = message.into();
    let made = || -> Result<Exception, Error> {
        let tasker: RModule = ruby.class_object().const_get("TaskerCore")?;
        let class: RClass = tasker.const_get(kind.class_name())?;
        class.funcall("new", (&*message, kwargs!(ruby, "code" => code)))
    };
    match made() {
        Ok(exception) => exception.into(),
        // Without the library only the words are left.
        Err(_) => Error::new(ruby.exception_runtime_error(), message.clone()),
    }
}

fn of_panic(ruby: &Ruby, panic: &(dyn Any + Send)) -> Error {
    raise(ruby, Kind::Panic, "native_panic", panic_message(panic))
}

/// What a panic says, for whoever has to find its cause.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned());
    format!("the native extension panicked: {text}")
}
