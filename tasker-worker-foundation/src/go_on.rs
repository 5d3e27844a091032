//! Going on: in direct mode the worker that ends a step starts its children with the
//! same statement, as far as it has room to spare and the handlers for them.
//!
//! What waits in the queue has the same claim to that room: the fetcher takes it for
//! them at the same time, so only room that nobody waits for is left for this. And it
//! is for the few: see [`FEW_REPORTS`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use tasker_shared::announce::announce;
use tasker_shared::domain::Outcome;
use tasker_shared::store::{self, AdvanceConnection, Definition, Report, StoreError, Taken};

use crate::running::Room;
use crate::seam::TaskFacts;
use crate::service::Shared;
use crate::start::{hand_out, Start};

/// Reports in a batch after which the worker goes on. With more of them it is busy, and
/// what it can do in a second depends on this statement: the fetcher then starts steps
/// beside it, in a process of the server of its own. Going on after all batches made
/// chains slower by a twentieth with 500 tasks in flight; a lone chain gains a third.
const FEW_REPORTS: usize = 4;

/// Applies reports and starts what the worker goes on with. `facts` are those of the
/// tasks the reports are of.
pub(crate) async fn advance(
    shared: &Shared,
    connection: &mut AdvanceConnection,
    reports: &[Report],
    facts: &[Option<Arc<TaskFacts>>],
) -> Result<(), StoreError> {
    let mut parents = Parents::default();
    let mut wanted = 0;
    if reports.len() <= FEW_REPORTS && !shared.drain.is_cancelled() {
        for (report, facts) in reports.iter().zip(facts) {
            if let (Outcome::Success { results }, Some(facts)) = (&report.outcome, facts) {
                let id = report.attempt.definition_id;
                let definition = shared.store.definition(id).await?;
                let named = report.attempt.named_step_id;
                let children = runnable_children(shared, &definition, named);
                if children > 0 {
                    wanted += children;
                    let parent = Parent {
                        definition,
                        results,
                        facts,
                    };
                    parents.insert(report.attempt.step_id, parent);
                }
            }
        }
    }
    let rooms = shared.spare_room(wanted.min(shared.options.claim_batch_max));
    let room = store::Room {
        steps: rooms.len(),
        after: parents.keys().copied().collect(),
    };
    let (advanced, taken) = connection.advance_and_take(reports.to_vec(), &room).await?;
    announce(shared.store.hub(), &advanced);
    start(shared, &mut parents, taken, rooms);
    Ok(())
}

/// A reported step whose children may be started.
struct Parent<'a> {
    definition: Arc<Definition>,
    results: &'a Value,
    facts: &'a Arc<TaskFacts>,
}

/// By step id.
type Parents<'a> = HashMap<i64, Parent<'a>>;

/// Children with no other parent, if the worker has handlers for all of them. If it
/// lacks one, the others are left as well: who enqueues says nothing of classes.
fn runnable_children(shared: &Shared, definition: &Definition, named_step_id: i32) -> usize {
    let Some(index) = definition.index_of(named_step_id) else {
        return 0;
    };
    let graph = &definition.graph;
    let mut runnable = 0;
    for &child in graph.children(index) {
        let child = child as usize;
        if graph.in_degree(child) == 1 {
            let class = &definition.template.steps[child].handler_class;
            if !shared.dispatch.has_handler(class) {
                return 0;
            }
            runnable += 1;
        }
    }
    runnable
}

fn start(shared: &Shared, parents: &mut Parents<'_>, taken: Vec<Taken>, rooms: Vec<Room>) {
    let mut results: HashMap<i64, Arc<Value>> = HashMap::new();
    let mut events = Vec::with_capacity(taken.len());
    for (step, room) in taken.into_iter().zip(rooms) {
        let Some(parent) = parents.get(&step.parent_id) else {
            continue;
        };
        let definition = &parent.definition;
        let left = results
            .entry(step.parent_id)
            .or_insert_with(|| Arc::new(parent.results.clone()))
            .clone();
        let index = definition.index_of(step.attempt.named_step_id);
        let only_parent = index.and_then(|i| definition.graph.parents(i).first());
        let name = only_parent.map(|&i| definition.template.steps[i as usize].name.to_string());
        let start = Start {
            attempt: step.attempt,
            inputs: step.inputs,
            previous_results: step.previous_results,
            parents: name
                .map(|name| (name, left))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            facts: parent.facts.now(),
        };
        events.push(start.event(shared, definition, definition.namespace(), room));
    }
    hand_out(shared, events);
}
