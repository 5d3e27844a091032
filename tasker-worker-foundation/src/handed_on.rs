//! What was handed on: notices that other processes have adopted executions, and so has
//! room for more.
//!
//! They say so with a wake; a wake that is lost costs the time until the next renewal,
//! which finds the same. Nothing is looked for while nobody adopts.

use std::sync::Arc;
use std::time::Duration;

use tasker_shared::messaging::Channel;
use tasker_shared::store::StoreError;
use tasker_shared::supervise::{within, LoopHealth};

use crate::service::Shared;

/// Looks are this far apart at least. A look reads a row for every step that is out, and
/// adoptions come in streams.
const APART: Duration = Duration::from_millis(10);

/// Looks whenever somebody has adopted, until the worker has stopped.
pub(crate) async fn run(shared: Arc<Shared>, health: Arc<LoopHealth>) {
    let worker_id = shared.options.worker_id.clone();
    let adopted = shared.store.hub().signal(&Channel::Adopted(worker_id));
    let stopped = shared.stopped.clone();
    let looking = async {
        loop {
            adopted.raised().await;
            match within(shared.store.patience(), look(&shared)).await {
                Ok(()) => health.turned(),
                // The next wake or renewal will tell.
                Err(error) => health.failed(&error),
            }
            tokio::time::sleep(APART).await;
        }
    };
    tokio::select! {
        () = looking => {}
        () = stopped.cancelled() => {}
    }
}

async fn look(shared: &Shared) -> Result<(), StoreError> {
    for (namespace, leases) in shared.in_hand.leases() {
        let gone = shared.store.gone(&namespace, &leases).await?;
        shared.in_hand.lose(&namespace, &gone);
    }
    Ok(())
}
