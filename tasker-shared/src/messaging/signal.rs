//! A flag to wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

/// Something has happened since it was last looked at. Raised twice before
/// anybody looks it is raised once; raised before anybody waits it is kept.
/// Clones are the same signal, which one waiter at a time consumes.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<Notify>);

impl Signal {
    pub fn raise(&self) {
        self.0.notify_one();
    }

    /// Waits until it is raised, `limit` at most; false if time ran out. Cancel safe.
    pub async fn wait(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.0.notified()).await.is_ok()
    }

    /// Waits until it is raised. Cancel safe.
    pub async fn raised(&self) {
        self.0.notified().await;
    }

    /// Waits until it is raised, `limit` at most if there is one. Cancel safe.
    pub async fn raised_within(&self, limit: Option<Duration>) {
        let over = async {
            match limit {
                // No timer for nothing: it would round up to a millisecond.
                Some(Duration::ZERO) => {}
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.raised() => {}
            () = over => {}
        }
    }
}
