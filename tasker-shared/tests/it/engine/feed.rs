//! Events of orchestration, read from the audit trail.

mod order;
mod plans;
mod sharing;

use std::collections::BTreeMap;

use tasker_shared::store::feed::{Event, Feed, FeedOptions, FeedStart};

use super::harness::Engine;

/// A subscription from the beginning to everything, unless told otherwise.
pub(super) async fn feed(engine: &Engine, change: impl FnOnce(&mut FeedOptions)) -> Feed {
    let mut options = FeedOptions {
        name: "tests".to_owned(),
        events: None,
        start: FeedStart::Beginning,
        batch_max: 1_000,
    };
    change(&mut options);
    let mut feed = Feed::open(&engine.store, options).await.unwrap();
    assert_eq!(feed.take("tests").await.unwrap(), None);
    feed
}

/// Everything there is to be told, each batch handled.
pub(super) async fn read(feed: &mut Feed) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in 0..10_000 {
        let look = feed.look().await.unwrap().expect("the lease is ours");
        let told = look.events.len() as i64;
        events.extend(look.events);
        if look.moved {
            assert!(feed.handled(told, 0).await.unwrap());
        } else if !look.more {
            return events;
        }
    }
    panic!("it has no end: {} events", events.len());
}

pub(super) fn identifiers(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.identifier).collect()
}

/// The ids of each task's events, in their order.
pub(super) fn by_task(events: &[Event]) -> BTreeMap<i64, Vec<String>> {
    let mut tasks: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for event in events {
        tasks
            .entry(event.task_id)
            .or_default()
            .push(event.id.clone());
    }
    tasks
}
