//! Result consumers: apply what workers send.
//!
//! Each consumer has a connection of its own and takes batch after batch while
//! there is any; then it waits for a wake. Several consumers share the
//! queue by SKIP LOCKED, in this process and in others.

use std::sync::Arc;

use tasker_shared::announce::count;
use tasker_shared::messaging::Channel;
use tasker_shared::store::{ResultConnection, ResultsTaken, Store, StoreError};
use tasker_shared::supervise::{within, Contest, LoopHealth, Pause};
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(store: Store, health: Arc<LoopHealth>, shutdown: CancellationToken) {
    let hub = store.hub();
    let wake = hub.signal(&Channel::Results);
    let mut connection: Option<ResultConnection> = None;
    let mut pause = Pause::default();
    let mut contest = Contest::default();
    while !shutdown.is_cancelled() {
        let (mut found, mut again) = (false, None);
        let failed = match within(store.patience(), turn(&store, &mut connection)).await {
            Ok(taken) => {
                health.turned();
                pause.reset();
                count(&taken.advanced);
                (found, again) = (taken.messages > 0, taken.again);
                None
            }
            Err(error) => {
                health.failed(&error);
                connection = None;
                Some(error)
            }
        };
        if let Some(error) = failed.filter(|error| !error.is_transient()) {
            // Something in the queue cannot be applied: find it, or the whole
            // queue stands still behind it.
            if let Err(error) = isolate(&store, &error).await {
                health.failed(&error);
            }
            continue;
        }
        if connection.is_none() {
            tokio::select! {
                () = tokio::time::sleep(pause.lengthen()) => {}
                () = shutdown.cancelled() => return,
            }
            continue;
        }
        // Otherwise the timer of this process looks at the queue, for all consumers.
        let idle = async {
            contest.rest_after(found).await;
            wake.raised_within(again).await;
        };
        tokio::select! {
            () = idle => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn turn(
    store: &Store,
    connection: &mut Option<ResultConnection>,
) -> Result<ResultsTaken, StoreError> {
    if connection.is_none() {
        *connection = Some(ResultConnection::open(store).await?.waking());
    }
    match connection {
        Some(connection) => connection.process().await,
        None => Ok(ResultsTaken::default()),
    }
}

/// Applies messages one by one; the first that fails by itself is set aside.
async fn isolate(store: &Store, cause: &StoreError) -> Result<(), StoreError> {
    tracing::error!(error = %cause, "a batch of reports cannot be applied; looking for the one to blame");
    loop {
        let mut connection = ResultConnection::open(store).await?.waking();
        match connection.process_one().await {
            Ok(taken) if taken.messages == 0 => return Ok(()),
            Ok(taken) => count(&taken.advanced),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                let mut connection = ResultConnection::open(store).await?;
                connection.set_aside_one(&error.to_string()).await?;
                tracing::error!(%error, "a message of reports was set aside in tasker.unreadable_messages");
                return Ok(());
            }
        }
    }
}
