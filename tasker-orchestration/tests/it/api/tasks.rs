//! Submitting, reading and listing tasks.

use anyhow::Result;
use serde_json::json;
use tasker_client::{ClientError, GraphFormat, Include};
use tasker_shared::domain::State;
use tasker_shared::wire::{TaskFilter, TaskRequest};

use super::harness::{order, Api};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn keyed(order_id: i64, key: &str) -> TaskRequest {
    TaskRequest {
        idempotency_key: Some(key.to_owned()),
        ..order(order_id)
    }
}

#[tokio::test]
async fn a_submitted_task_can_be_read_back() -> Result<()> {
    let api = Api::with_order().await?;
    let request = TaskRequest {
        initiator: Some("anna".to_owned()),
        reason: Some("it's \"due\"; DROP TABLE x".to_owned()),
        tags: Some(vec!["a b".to_owned(), "ü".to_owned()]),
        priority: Some(7),
        correlation_id: Some("c-1".to_owned()),
        ..order(41)
    };
    let submitted = api.client.submit(&request).await?;
    assert!(!submitted.duplicate);
    let include = Include {
        steps: true,
        transitions: true,
    };
    let task = api.client.task(submitted.task.task_id, include).await?;
    assert_eq!(
        (
            task.namespace.as_str(),
            task.name.as_str(),
            task.version.as_str()
        ),
        ("api", "order", "1.0.0")
    );
    assert_eq!(task.context, json!({"order_id": 41}));
    assert_eq!(task.reason, request.reason);
    assert_eq!(Some(task.tags), request.tags);
    assert_eq!(
        (task.priority, task.correlation_id.as_deref()),
        (7, Some("c-1"))
    );
    let steps: Vec<String> = task
        .steps
        .unwrap()
        .into_iter()
        .map(|step| step.name)
        .collect();
    assert_eq!(steps, ["reserve", "ship"]);
    assert!(task.transitions.is_some());
    Ok(())
}

#[tokio::test]
async fn a_new_task_is_201_with_its_address_and_a_repetition_200() -> Result<()> {
    let api = Api::with_order().await?;
    let body = serde_json::to_string(&keyed(1, "k-1"))?;
    let first = api.post("/v1/tasks", body.clone()).await?;
    let id = first.json()["task_id"].as_i64().unwrap();
    assert_eq!(
        (first.status, first.header("location")),
        (201, format!("/v1/tasks/{id}").as_str())
    );
    assert_eq!(first.json()["duplicate"], json!(false));
    let second = api.post("/v1/tasks", body).await?;
    assert_eq!(
        (second.status, second.json()["task_id"].as_i64()),
        (200, Some(id))
    );
    assert_eq!(second.json()["duplicate"], json!(true));
    Ok(())
}

#[tokio::test]
async fn one_key_makes_one_task_however_many_ask_at_once() -> Result<()> {
    let api = Api::with_order().await?;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = api.client.clone();
        asking.spawn(async move { client.submit(&keyed(1, "one")).await });
    }
    let (mut ids, mut created) = (std::collections::BTreeSet::new(), 0);
    while let Some(answer) = asking.join_next().await {
        let submitted = answer??;
        ids.insert(submitted.task.task_id);
        created += usize::from(!submitted.duplicate);
    }
    assert_eq!((ids.len(), created), (1, 1));
    Ok(())
}

#[tokio::test]
async fn another_request_under_a_taken_key_is_a_conflict() -> Result<()> {
    let api = Api::with_order().await?;
    api.client.submit(&keyed(1, "k")).await?;
    let rows = api.rows().await?;
    let refused = api.client.submit(&keyed(2, "k")).await.unwrap_err();
    let ClientError::Problem { problem, .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((problem.status, problem.code.as_str()), (409, "TSK-2001"));
    assert_eq!(problem.errors[0].field, "/idempotency_key");
    assert_eq!(api.rows().await?, rows);
    Ok(())
}

#[tokio::test]
async fn a_batch_judges_each_item_by_itself() -> Result<()> {
    let api = Api::with_order().await?;
    let earlier = api.client.submit(&keyed(1, "seen")).await?.task.task_id;
    let items = json!({"tasks": [
        {"name": "order", "namespace": "api", "context": {"order_id": 10}},
        {"name": "order", "namespace": "api", "context": {"order_id": "ten"}},
        {"name": "order", "namespace": "api", "context": {"order_id": 1}, "idempotency_key": "seen"},
        {"name": "order", "namespace": "api", "context": {"order_id": 2}, "idempotency_key": "seen"},
        {"name": "nothing", "context": {"a": 1}},
        {"name": "order", "bogus": true, "context": {}},
        ["order", null, null, {}],
        {"name": "order", "namespace": "api", "context": {"order_id": 11}},
    ]});
    let answer = api.post("/v1/tasks/batch", items.to_string()).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: tasker_shared::wire::TaskBatchResponse = serde_json::from_str(&answer.text)?;
    assert_eq!((body.created, body.duplicates, body.refused), (2, 1, 5));
    let statuses: Vec<u16> = body.items.iter().map(|item| item.status).collect();
    assert_eq!(statuses, [201, 422, 200, 409, 422, 422, 422, 201]);
    assert_eq!(body.items[2].task_id, Some(earlier));
    assert_eq!(
        body.items[1].error.as_ref().unwrap().errors[0].field,
        "/context/order_id"
    );
    assert_eq!(
        body.items[5].error.as_ref().unwrap().errors[0].field,
        "/bogus"
    );
    Ok(())
}

#[tokio::test]
async fn a_batch_has_one_to_a_thousand_items() -> Result<()> {
    let api = Api::with_order().await?;
    assert_eq!(
        api.post("/v1/tasks/batch", r#"{"tasks": []}"#)
            .await?
            .problem()
            .status,
        422
    );
    let many = json!({"tasks": vec![json!({}); 1_001]}).to_string();
    let problem = api.post("/v1/tasks/batch", many).await?.problem();
    assert_eq!(
        (problem.status, problem.errors[0].field.as_str()),
        (422, "/tasks")
    );
    let full: Vec<_> = (0..1_000).map(order).collect();
    let answer = api.client.submit_batch(&full).await?;
    assert_eq!((answer.created, answer.refused), (1_000, 0));
    Ok(())
}

#[tokio::test]
async fn pages_show_every_task_once_newest_first() -> Result<()> {
    let api = Api::with_order().await?;
    let mut expected = Vec::new();
    for id in 0..7 {
        expected.push(api.client.submit(&order(id)).await?.task.task_id);
    }
    expected.reverse();
    let mut filter = TaskFilter {
        namespace: Some("api".to_owned()),
        limit: Some(3),
        ..TaskFilter::default()
    };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = api.client.tasks(&filter).await?;
        seen.extend(page.tasks.iter().map(|task| task.task_id));
        pages += 1;
        // A task submitted meanwhile is newer than the cursor and shifts nothing.
        api.client.submit(&order(100 + pages)).await?;
        match page.next_cursor {
            Some(cursor) => filter.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!((seen, pages), (expected, 3));
    Ok(())
}

#[tokio::test]
async fn lists_are_filtered_by_every_field() -> Result<()> {
    let api = Api::with_order().await?;
    let wanted = TaskRequest {
        initiator: Some("anna".to_owned()),
        tags: Some(vec!["red".to_owned()]),
        ..order(1)
    };
    let wanted = api.client.submit(&wanted).await?.task;
    let other = api.client.submit(&order(2)).await?.task;
    let found = |filter: TaskFilter| {
        let client = api.client.clone();
        async move {
            let page = client.tasks(&filter).await?;
            anyhow::Ok(
                page.tasks
                    .into_iter()
                    .map(|task| task.task_id)
                    .collect::<Vec<_>>(),
            )
        }
    };
    let none = TaskFilter::default;
    let text = |text: &str| Some(text.to_owned());
    for filter in [
        TaskFilter {
            tag: text("red"),
            ..none()
        },
        TaskFilter {
            initiator: text("anna"),
            ..none()
        },
    ] {
        assert_eq!(found(filter).await?, [wanted.task_id]);
    }
    for filter in [
        TaskFilter {
            namespace: text("api"),
            ..none()
        },
        TaskFilter {
            name: text("order"),
            version: text("1.0.0"),
            ..none()
        },
        TaskFilter {
            name: text("api/order"),
            ..none()
        },
        TaskFilter {
            state: Some(wanted.state),
            ..none()
        },
        TaskFilter {
            from: Some(wanted.requested_at),
            ..none()
        },
    ] {
        assert_eq!(found(filter).await?, [other.task_id, wanted.task_id]);
    }
    for filter in [
        TaskFilter {
            namespace: text("no'; --"),
            ..none()
        },
        TaskFilter {
            name: text("other/order"),
            ..none()
        },
        TaskFilter {
            state: Some(State::Cancelled),
            ..none()
        },
        TaskFilter {
            to: Some(wanted.requested_at),
            ..none()
        },
        TaskFilter {
            tag: text("%"),
            ..none()
        },
    ] {
        assert!(found(filter).await?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn a_graph_comes_as_json_mermaid_and_dot() -> Result<()> {
    let api = Api::with_order().await?;
    let id = api.client.submit(&order(1)).await?.task.task_id;
    let graph = api.client.graph(id).await?;
    assert_eq!((graph.nodes.len(), graph.edges.len()), (2, 1));
    let mermaid = api.client.graph_text(id, GraphFormat::Mermaid).await?;
    assert!(
        mermaid.starts_with("flowchart TD\n") && mermaid.contains("s0 --> s1"),
        "{mermaid}"
    );
    let dot = api.client.graph_text(id, GraphFormat::Dot).await?;
    assert!(
        dot.starts_with("digraph \"order\"") && dot.contains("s0 -> s1;"),
        "{dot}"
    );
    let refused = api
        .get(&format!("/v1/tasks/{id}/graph?format=png"))
        .await?
        .problem();
    assert_eq!(refused.errors[0].field, "format");
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_404() -> Result<()> {
    let api = Api::with_order().await?;
    let id = api.client.submit(&order(1)).await?.task.task_id;
    for (path, code) in [
        ("/v1/tasks/999999".to_owned(), "TSK-1004"),
        ("/v1/tasks/9223372036854775807/steps".to_owned(), "TSK-1004"),
        ("/v1/tasks/999999/graph".to_owned(), "TSK-1004"),
        ("/v1/tasks/999999/explain".to_owned(), "TSK-1004"),
        (format!("/v1/tasks/{id}/steps/999999"), "TSK-1004"),
        ("/v1/templates/api/order/9.9.9".to_owned(), "TSK-1004"),
    ] {
        let problem = api.get(&path).await?.problem();
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (404, code),
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_callers_trace_context_is_stored_with_the_task() -> Result<()> {
    let api = Api::with_order().await?;
    let stored = |task_id: i64| {
        let query =
            sqlx::query_scalar("SELECT traceparent FROM tasker.task_runs WHERE task_id = $1");
        query.bind(task_id).fetch_one(api.database.pool())
    };
    let traced = api
        .client
        .clone()
        .with_traceparent(TRACE)
        .submit(&order(1))
        .await?;
    let traceparent: Option<String> = stored(traced.task.task_id).await?;
    assert_eq!(traceparent.unwrap()[3..35], TRACE[3..35]);
    let broken = api
        .client
        .clone()
        .with_traceparent("00-nonsense")
        .submit(&order(2))
        .await?;
    let traceparent: Option<String> = stored(broken.task.task_id).await?;
    assert_eq!(traceparent, None);
    Ok(())
}
