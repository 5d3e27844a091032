//! What a reader of events asks of the server.

use tasker_shared::store::feed::{Feed, FeedOptions, FeedStart};

use super::meter::Meter;

#[tokio::test]
async fn a_look_is_one_statement_and_so_is_a_move_whatever_there_is_to_read() {
    let mut meter = Meter::new(|_| {}).await;
    let options = FeedOptions {
        name: "ends".to_owned(),
        events: Some(vec!["workflow.task_finalization_completed".to_owned()]),
        start: FeedStart::Beginning,
        batch_max: 100,
    };
    let mut feed = Feed::open(&meter.engine.store, options).await.unwrap();
    let (held, took) = meter.of(async |_| feed.take("tests").await.unwrap()).await;
    assert_eq!((held, took.statements.len()), (None, 2));

    let (look, idle) = meter
        .of(async |_| feed.look().await.unwrap().unwrap())
        .await;
    assert!(look.events.is_empty() && !look.moved);
    assert_eq!(idle.statements.len(), 1, "{:?}", idle.statements);

    meter
        .engine
        .submit("chain", &[("a", &[]), ("b", &["a"])])
        .await;
    for _ in 0..9 {
        meter.engine.submit_again("chain").await;
    }
    meter.engine.run_to_the_end().await;
    let (look, full) = meter
        .of(async |_| feed.look().await.unwrap().unwrap())
        .await;
    assert_eq!(look.events.len(), 10);
    assert_eq!(full.statements.len(), 1, "{:?}", full.statements);
    let (moved, spent) = meter.of(async |_| feed.handled(10, 0).await.unwrap()).await;
    assert!(moved);
    assert_eq!(spent.statements.len(), 1, "{:?}", spent.statements);
}

#[tokio::test]
async fn a_reader_of_everything_takes_three_statements_for_a_batch() {
    let mut meter = Meter::new(|_| {}).await;
    meter
        .engine
        .submit("chain", &[("a", &[]), ("b", &["a"])])
        .await;
    meter.engine.run_to_the_end().await;
    let options = FeedOptions {
        name: "all".to_owned(),
        events: None,
        start: FeedStart::Beginning,
        batch_max: 100,
    };
    let mut feed = Feed::open(&meter.engine.store, options).await.unwrap();
    feed.take("tests").await.unwrap();
    let (look, spent) = meter
        .of(async |_| feed.look().await.unwrap().unwrap())
        .await;
    assert_eq!(
        look.events.last().unwrap().identifier,
        "workflow.task_finalization_completed"
    );
    // The trail, and the steps of its tasks for the rounds.
    assert_eq!(spent.statements.len(), 2, "{:?}", spent.statements);
    let (_, spent) = meter.of(async |_| feed.handled(1, 0).await.unwrap()).await;
    assert_eq!(spent.statements.len(), 1, "{:?}", spent.statements);
}
