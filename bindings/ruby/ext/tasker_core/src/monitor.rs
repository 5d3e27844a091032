//! State under a lock, and waiting for it to change without Ruby's lock.
//!
//! A waiting Ruby thread sleeps on a pipe, as it would on a socket, and a change writes
//! into it. So Ruby does for it what it does for any reader: another thread runs, and an
//! interrupt (a signal, `Thread#raise`, `Thread#kill`, the end of the process) ends the
//! wait at once. Nothing is polled.
//!
//! Rejected: `rb_thread_call_without_gvl` around a condition variable. Until Ruby 3.3
//! signals are handled by whichever thread sleeps in Ruby's own way; a main thread that
//! sleeps in another way while no other thread is left is deaf to SIGTERM.
//!
//! INVARIANT: the lock is held for moments only and never while Ruby's lock is awaited,
//! so it may be taken with or without that.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use magnus::rb_sys::protect;
use magnus::{Error, Ruby};

/// See the module.
#[derive(Default)]
pub(crate) struct Monitor<S> {
    inside: Mutex<Inside<S>>,
    /// For threads that are not Ruby's.
    changed: Condvar,
}

#[derive(Default)]
struct Inside<S> {
    state: S,
    /// Of the Ruby threads that wait.
    bells: Vec<Arc<Bell>>,
    /// Of those that have waited; making one costs more than most waits.
    idle: Vec<Arc<Bell>>,
}

/// Pipes kept for later waits.
const IDLE_MAX: usize = 4;

/// Wakes one Ruby thread.
struct Bell {
    hear: PipeReader,
    ring: PipeWriter,
    /// Whether the pipe holds a byte. Changed under the monitor's lock only.
    rung: Mutex<bool>,
}

impl Bell {
    fn new() -> io::Result<Arc<Self>> {
        let (hear, ring) = io::pipe()?;
        Ok(Arc::new(Self {
            hear,
            ring,
            rung: Mutex::new(false),
        }))
    }

    fn rung(&self) -> MutexGuard<'_, bool> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        let mut rung = self.rung();
        // A pipe that holds one byte at most takes another without waiting.
        *rung = *rung || (&self.ring).write(&[1]).is_ok();
    }

    fn silence(&self) {
        let mut rung = self.rung();
        if *rung {
            *rung = (&self.hear).read(&mut [0]).is_err();
        }
    }
}

impl<S> Inside<S> {
    fn leave(&mut self, bell: &Arc<Bell>) {
        self.bells.retain(|other| !Arc::ptr_eq(other, bell));
        if self.idle.len() < IDLE_MAX {
            bell.silence();
            self.idle.push(bell.clone());
        }
    }
}

impl<S: Send> Monitor<S> {
    pub(crate) fn new(state: S) -> Self {
        Self {
            inside: Mutex::new(Inside {
                state,
                bells: Vec::new(),
                idle: Vec::new(),
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside<S>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes everybody who waits for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        let mut inside = self.lock();
        let changed = change(&mut inside.state);
        inside.bells.iter().for_each(|bell| bell.ring());
        drop(inside);
        self.changed.notify_all();
        changed
    }

    /// Looks at the state, or takes of it what nobody waits to see gone.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut self.lock().state)
    }

    /// As [`wait`](Self::wait), on a thread that is not Ruby's, for as long as it takes.
    pub(crate) fn wait_apart<T>(&self, mut ready: impl FnMut(&mut S) -> Option<T>) -> T {
        let mut inside = self.lock();
        loop {
            if let Some(answer) = ready(&mut inside.state) {
                return answer;
            }
            let waited = self.changed.wait(inside);
            inside = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until `ready` has an answer, and returns it; `None` once `deadline` is past.
    /// Called with Ruby's lock, which is given up meanwhile. `ready` is called under the
    /// lock of the state and must not call Ruby; once it has answered, nothing interrupts.
    ///
    /// # Errors
    /// What the interrupt of the Ruby thread raises, or an `IOError` if there is no pipe.
    pub(crate) fn wait<T>(
        &self,
        ruby: &Ruby,
        deadline: Option<Instant>,
        mut ready: impl FnMut(&mut S) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let bell = {
            let mut inside = self.lock();
            // Often there is no need to wait, and no need to give up Ruby's lock.
            if let Some(answer) = ready(&mut inside.state) {
                return Ok(Some(answer));
            }
            let bell = match inside.idle.pop() {
                Some(bell) => bell,
                None => Bell::new().map_err(|error| {
                    let message = format!("no pipe to wait on: {error}");
                    Error::new(ruby.exception_io_error(), message)
                })?,
            };
            inside.bells.push(bell.clone());
            bell
        };
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let heard = hear(&bell, left);
            let mut inside = self.lock();
            if let Err(interrupted) = heard {
                inside.leave(&bell);
                return Err(interrupted);
            }
            bell.silence();
            let answer = ready(&mut inside.state);
            if answer.is_some() || left.is_some_and(|left| left.is_zero()) {
                inside.leave(&bell);
                return Ok(answer);
            }
        }
    }
}

/// Waits for the bell as Ruby waits for any descriptor, at most for `left`.
fn hear(bell: &Bell, left: Option<Duration>) -> Result<(), Error> {
    let mut time = left.map(|left| rb_sys::timeval {
        tv_sec: left.as_secs() as _,
        tv_usec: left.subsec_micros().into(),
    });
    // Rounded up: a wait that ends too early is only begun again, over and over.
    if let Some(time) = time.as_mut().filter(|time| time.tv_usec < 999_999) {
        time.tv_usec += i64::from(left.is_some_and(|left| !left.is_zero()));
    }
    let time = time
        .as_mut()
        .map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let descriptor = bell.hear.as_raw_fd();
    protect(|| {
        // SAFETY: with Ruby's lock; descriptor and time outlive the call. Whatever it
        // raises `protect` catches, and the frames in between own nothing.
        // What Ruby would rather have called takes an IO object, which would have to be
        // kept alive from here.
        #[allow(unsafe_code, deprecated)]
        unsafe {
            rb_sys::rb_wait_for_single_fd(descriptor, rb_sys::RB_WAITFD_IN as i32, time);
        }
        rb_sys::Qnil.into()
    })?;
    Ok(())
}
