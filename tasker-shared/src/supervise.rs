//! What every background loop needs: a sign of life, and pauses between tries.

use std::fmt::Display;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::signal::unix::{signal, SignalKind};
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;
use crate::wire::LoopStatus;

/// Sign of life of one loop, shown by the health routes.
#[derive(Debug)]
pub struct LoopHealth {
    name: String,
    last_turn: Mutex<Option<Instant>>,
    failures: AtomicU64,
}

impl LoopHealth {
    pub fn new(name: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            last_turn: Mutex::new(None),
            failures: AtomicU64::new(0),
        })
    }

    /// A turn went well.
    pub fn turned(&self) {
        *self
            .last_turn
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// A turn failed; the loop goes on after a pause.
    pub fn failed(&self, error: &dyn Display) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(loop_name = %self.name, %error, "a turn failed; trying again");
    }

    pub fn status(&self) -> LoopStatus {
        let last = *self
            .last_turn
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        LoopStatus {
            name: self.name.clone(),
            idle_ms: last.map(|at| at.elapsed().as_millis() as u64),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}

/// Growing pauses with full jitter between tries to reach something that is
/// away, so that many processes do not come back at the same moment.
#[derive(Debug, Clone)]
pub struct Pause {
    ceiling: Duration,
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

impl Default for Pause {
    fn default() -> Self {
        Self { ceiling: FIRST }
    }
}

impl Pause {
    /// The next pause: up to twice the one before, 5 s at most.
    pub fn lengthen(&mut self) -> Duration {
        let pause = self.ceiling.mul_f64(rand::random_range(0.5..1.0));
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        pause
    }

    /// Back to the shortest pause.
    pub fn reset(&mut self) {
        self.ceiling = FIRST;
    }
}

/// Runs one turn of a loop with a deadline.
///
/// # Errors
/// What the turn says, or `Timeout`; the turn's connection is then of no more use.
pub async fn within<T>(
    limit: Duration,
    turn: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, turn).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Timeout { after: limit }),
    }
}

/// Keeps readers of one queue out of each other's way. A wake wakes all of them and
/// one finds the work; who has lost several times in a row reacts later from then on,
/// twice as late with each further time, and leaves the field to the winner as long as
/// that keeps up. Who finds something comes back as gradually: a find now and then is
/// what a busy winner leaves, and taking it makes two small batches of a large one.
/// Without any rest four orchestrators moved a third less than one, with an even rest of
/// 10 ms a fifth less, with this one a ninth.
#[derive(Debug, Default)]
pub struct Contest {
    lost: u32,
}

impl Contest {
    /// Lets others go first after a look that found nothing, if that was not the first
    /// one. Cancel safe.
    pub async fn rest_after(&mut self, found: bool) {
        let pause = self.pause_after(found);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    fn pause_after(&mut self, found: bool) -> Duration {
        const LOST_OFTEN: u32 = 3;
        const PAUSE: Duration = Duration::from_millis(10);
        const DOUBLINGS: u32 = 3;
        self.lost = if found {
            self.lost / 2
        } else {
            (self.lost + 1).min(LOST_OFTEN + DOUBLINGS)
        };
        match self.lost.checked_sub(LOST_OFTEN) {
            Some(beyond) => PAUSE * (1 << beyond),
            None => Duration::ZERO,
        }
    }
}

/// A token that SIGTERM, SIGINT or SIGHUP cancels. A second signal ends the process at
/// once: whoever sends it does not want to wait for the drain.
///
/// # Errors
/// If signals cannot be caught.
pub fn shutdown_on_signals() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let token = CancellationToken::new();
    let first = token.clone();
    tokio::spawn(async move {
        loop {
            let code = tokio::select! {
                _ = terminate.recv() => SIGTERM_EXIT,
                _ = interrupt.recv() => SIGINT_EXIT,
                _ = hangup.recv() => SIGHUP_EXIT,
            };
            if first.is_cancelled() {
                std::process::exit(code);
            }
            first.cancel();
        }
    });
    Ok(token)
}

/// 128 + signal, as shells report it.
const SIGTERM_EXIT: i32 = 143;
const SIGINT_EXIT: i32 = 130;
const SIGHUP_EXIT: i32 = 129;

/// `interval` give or take a tenth, so that processes started together do not
/// poll together.
pub fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.9..1.1))
}

#[cfg(test)]
mod tests {
    use super::Contest;

    #[test]
    fn who_loses_again_and_again_lets_others_go_first_and_comes_back_gradually() {
        let mut contest = Contest::default();
        let mut rests = |found: bool, looks: usize| -> Vec<u128> {
            let looks = 0..looks;
            looks
                .map(|_| contest.pause_after(found).as_millis())
                .collect()
        };
        assert_eq!(rests(false, 8), [0, 0, 10, 20, 40, 80, 80, 80]);
        assert_eq!(rests(true, 3), [10, 0, 0]);
        assert_eq!(rests(false, 3), [0, 0, 10]);
    }
}
