//! Following a task.

use std::time::Duration;

use serde_json::json;
use tasker_client::{Client, ClientError};
use tasker_shared::domain::State;

use crate::server::Server;

fn task(state: &str, complete_steps: i64) -> String {
    json!({
        "task_id": 7, "namespace": "n", "name": "t", "version": "1.0.0", "state": state, "complete": false,
        "tags": [], "context": {}, "priority": 0, "driven_by_core": true,
        "requested_at": "2024-01-01T00:00:00Z", "created_at": "2024-01-01T00:00:00Z",
        "state_since": "2024-01-01T00:00:00Z",
        "step_counts": {"total": 2, "pending": 0, "in_progress": 0, "complete": complete_steps, "error": 0,
                        "cancelled": 0, "resolved_manually": 0},
    })
    .to_string()
}

#[tokio::test]
async fn every_change_is_told_once_and_passing_faults_are_survived() {
    let server = Server::start(&[
        (200, "", task("in_progress", 0)),
        (200, "", task("in_progress", 0)),
        (502, "", "bad gateway".to_owned()),
        (200, "", task("in_progress", 1)),
        (200, "", task("complete", 2)),
    ])
    .await;
    let client = Client::new(&server.base).unwrap();
    let mut seen = Vec::new();
    let update = |task: &tasker_shared::wire::TaskView| {
        seen.push((task.state, task.step_counts.unwrap().complete));
    };
    let last = client.wait(7, Duration::MAX, update).await.unwrap();
    assert_eq!(last.state, State::Complete);
    assert_eq!(
        seen,
        [
            (State::InProgress, 0),
            (State::InProgress, 1),
            (State::Complete, 2)
        ]
    );
}

#[tokio::test]
async fn the_deadline_ends_the_wait_with_the_last_state_known() {
    let server = Server::start(&[(200, "", task("in_progress", 1))]).await;
    let client = Client::new(&server.base).unwrap();
    let error = client
        .wait(7, Duration::from_millis(100), |_| {})
        .await
        .unwrap_err();
    let ClientError::Deadline {
        task_id: 7,
        last: Some(last),
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(last.state, State::InProgress);
}

#[tokio::test]
async fn a_task_that_is_not_there_is_not_waited_for() {
    let problem =
        json!({"type": "x", "title": "t", "status": 404, "detail": "d", "code": "TSK-1004"})
            .to_string();
    let server = Server::start(&[(404, "", problem)]).await;
    let client = Client::new(&server.base).unwrap();
    let error = client
        .wait(7, Duration::from_secs(60), |_| {})
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(404));
}
