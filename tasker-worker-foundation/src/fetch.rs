//! The fetcher: one loop per namespace that claims steps and dispatches them.
//!
//! It claims as many as there is room for whenever it is woken: by whoever enqueued
//! something, or by the poll. Room is taken before the claim: a worker
//! never holds a step it cannot start.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tasker_shared::domain::{Namespace, Outcome};
use tasker_shared::messaging::Channel;
use tasker_shared::store::{Claim, ClaimConnection, Claimed, Definition, StoreError};
use tasker_shared::supervise::{within, Contest, LoopHealth, Pause};
use tasker_shared::telemetry;
use tokio_util::sync::CancellationToken;

use crate::running::{Room, Running};
use crate::seam::{Completion, ProgressSlot, SavedContext, StepEvent, TaskFacts};
use crate::service::Shared;
use crate::start::{execution_of, hand_out, Start};

/// Claims steps of `namespace` until the worker drains.
pub(crate) async fn run(shared: Arc<Shared>, namespace: Namespace, health: Arc<LoopHealth>) {
    let wake = shared
        .store
        .hub()
        .signal(&Channel::Steps(namespace.clone()));
    let mut connection: Option<ClaimConnection> = None;
    let mut pause = Pause::default();
    let mut contest = Contest::default();
    while !shared.drain.is_cancelled() {
        let room = tokio::select! {
            room = room(&shared) => room,
            () = shared.drain.cancelled() => return,
        };
        let turn = turn(&shared, &namespace, &mut connection, room);
        match within(shared.store.patience(), turn).await {
            Ok(Turn { claimed, again }) => {
                health.turned();
                pause.reset();
                let idle = async {
                    contest.rest_after(claimed > 0).await;
                    // What is enqueued from now on raises the wake: no claim for nothing.
                    let _waiting = again.is_none().then(|| shared.waiting.enter(&namespace));
                    wake.raised_within(again).await;
                };
                tokio::select! {
                    () = idle => {}
                    () = shared.drain.cancelled() => return,
                }
            }
            Err(error) => {
                health.failed(&error);
                connection = None;
                tokio::select! {
                    () = tokio::time::sleep(pause.lengthen()) => {}
                    () = shared.drain.cancelled() => return,
                }
            }
        }
    }
}

/// Room for at least one step and at most a batch.
async fn room(shared: &Shared) -> Vec<Room> {
    let step = shared.step_room.clone().acquire_owned().await;
    let handler = shared.handler_room.clone().acquire_owned().await;
    let (Ok(step), Ok(handler)) = (step, handler) else {
        return Vec::new();
    };
    let first = Room {
        handler: Some(handler),
        _step: step,
    };
    let spare = shared.spare_room(shared.options.claim_batch_max - 1);
    std::iter::once(first).chain(spare).collect()
}

/// What one claim came to.
#[derive(Default)]
struct Turn {
    claimed: usize,
    /// When to claim again without a wake, as for [`Claim::again`].
    again: Option<Duration>,
}

/// Claims as many steps as there is room for.
async fn turn(
    shared: &Shared,
    namespace: &Namespace,
    connection: &mut Option<ClaimConnection>,
    room: Vec<Room>,
) -> Result<Turn, StoreError> {
    if connection.is_none() {
        *connection = Some(if shared.dispatch.hands_on() {
            ClaimConnection::open_to_hand_on(&shared.store, namespace).await?
        } else {
            ClaimConnection::open(&shared.store, namespace).await?
        });
    }
    let Some(open) = connection else {
        return Ok(Turn::default());
    };
    let claim = open.claim(room.len()).await?;
    let turn = Turn {
        claimed: claim.steps.len(),
        again: claim.again,
    };
    if turn.claimed == 0 {
        return Ok(turn);
    }
    metrics::counter!(telemetry::CLAIMS_TOTAL, "namespace" => namespace.to_string())
        .increment(turn.claimed as u64);
    let events = take_in_hand(shared, namespace, claim, room).await?;
    hand_out(shared, events);
    Ok(turn)
}

/// Puts the steps of a claim in hand and makes their events, in the claim's order.
///
/// # Errors
/// If a template cannot be read; the steps go back then.
pub(crate) async fn take_in_hand(
    shared: &Shared,
    namespace: &Namespace,
    mut claim: Claim,
    room: Vec<Room>,
) -> Result<Vec<StepEvent>, StoreError> {
    let claimed = std::mem::take(&mut claim.steps);
    let definitions = match definitions_of(shared, &claimed).await {
        Ok(definitions) => definitions,
        Err(error) => {
            give_back(shared, namespace, claimed, room);
            return Err(error);
        }
    };
    let mut batch = Batch::new(claim);
    let mut events = Vec::with_capacity(claimed.len());
    for (step, room) in claimed.into_iter().zip(room) {
        let definition = &definitions[&step.attempt.definition_id];
        let start = batch.start(definition, step);
        events.push(start.event(shared, definition, namespace, room));
    }
    Ok(events)
}

type Definitions = HashMap<i64, Arc<Definition>>;

async fn definitions_of(shared: &Shared, claimed: &[Claimed]) -> Result<Definitions, StoreError> {
    let mut definitions = Definitions::new();
    for step in claimed {
        let id = step.attempt.definition_id;
        if let std::collections::hash_map::Entry::Vacant(vacant) = definitions.entry(id) {
            vacant.insert(shared.store.definition(id).await?);
        }
    }
    Ok(definitions)
}

/// Gives claimed steps back uncounted: what they need could not be read.
fn give_back(shared: &Shared, namespace: &Namespace, claimed: Vec<Claimed>, room: Vec<Room>) {
    let started = Instant::now();
    let mut completions = Vec::with_capacity(claimed.len());
    for (step, room) in claimed.into_iter().zip(room) {
        let execution = execution_of(&step.attempt);
        shared.in_hand.add(
            execution,
            Running {
                attempt: step.attempt,
                namespace: namespace.clone(),
                facts: None,
                cancelled: CancellationToken::new(),
                progress: ProgressSlot::default(),
                started,
                deadline: started + shared.options.default_timeout,
                answered: false,
                room,
            },
        );
        completions.push(Completion {
            execution,
            outcome: Outcome::HandedBack,
        });
    }
    shared.sink.complete(completions);
}

/// What the steps of one claim share.
struct Batch {
    contexts: HashMap<i64, Value>,
    tasks: HashMap<i64, Arc<TaskFacts>>,
    /// (named step of the parent, results) by child.
    parents: HashMap<i64, Vec<(i32, Arc<Value>)>>,
}

impl Batch {
    fn new(claim: Claim) -> Self {
        let mut parents: HashMap<i64, Vec<(i32, Arc<Value>)>> = HashMap::new();
        for parent in claim.parents {
            let results = Arc::new(parent.results);
            for child in parent.children {
                parents
                    .entry(child)
                    .or_default()
                    .push((parent.named_step_id, results.clone()));
            }
        }
        Self {
            contexts: claim.contexts,
            tasks: HashMap::new(),
            parents,
        }
    }

    fn facts(&mut self, definition: &Definition, step: &Claimed) -> Arc<TaskFacts> {
        let task_id = step.attempt.task_id;
        let contexts = &mut self.contexts;
        let facts = self.tasks.entry(task_id).or_insert_with(|| {
            Arc::new(TaskFacts {
                task_id,
                namespace: definition.template.namespace.to_string(),
                name: definition.template.name.to_string(),
                version: definition.template.version.to_string(),
                context: contexts.remove(&task_id).unwrap_or(Value::Null),
                correlation_id: step.correlation_id.clone(),
                traceparent: step.traceparent.clone(),
                saved_context: SavedContext::default(),
            })
        });
        facts.clone()
    }

    /// What the step begins with.
    fn start(&mut self, definition: &Definition, step: Claimed) -> Start {
        let facts = self.facts(definition, &step);
        let name_of = |id: i32| definition.step(id).map(|t| t.name.to_string());
        let parents = self
            .parents
            .remove(&step.attempt.step_id)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(id, results)| name_of(id).map(|name| (name, results)))
            .collect();
        Start {
            attempt: step.attempt,
            inputs: step.inputs,
            previous_results: step.previous_results,
            parents,
            facts,
        }
    }
}
