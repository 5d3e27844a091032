//! The database is not there, or goes away.

use std::time::Duration;

use serde_json::json;
use tasker_cluster::{Cluster, Settings};
use tasker_shared::wire::TaskRequest;
use tasker_testkit::{free_port, ServiceProcess};

use crate::site::{complete, request, submit, Site, PATIENCE};
use crate::templates::{register, sleepy_diamond};
use crate::verbs::refusal;

#[tokio::test]
async fn a_service_tries_to_reach_its_database_and_then_ends_and_says_why() {
    let url = format!(
        "postgres://someone:CANARY@127.0.0.1:{}/orders",
        free_port().unwrap()
    );
    for program in ["tasker-orchestrator", "tasker-worker"] {
        let builder = ServiceProcess::binary(program)
            .unwrap()
            .env("DATABASE_URL", &url);
        let builder = builder.arg("--set").arg("database.connect_retry_seconds=1");
        let mut process = builder.start().unwrap();
        let status = process.wait_exit(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(1));
        process
            .wait_for_line("trying again", PATIENCE)
            .await
            .unwrap();
        let last = format!("{program}: the database could not be reached within 1 s");
        let last = process.wait_for_line(&last, PATIENCE).await.unwrap();
        assert!(last.contains("Connection refused"), "{last}");
        assert!(!process.output().contains("CANARY"), "{}", process.output());
    }
}

#[tokio::test]
async fn a_service_does_not_wait_for_a_database_that_does_not_exist() {
    let site = Site::new().await;
    for program in ["tasker-orchestrator", "tasker-worker"] {
        let elsewhere = site.url.replace("/test_", "/not_there_");
        let mut process = site
            .command(program, &[])
            .env("DATABASE_URL", elsewhere)
            .start()
            .unwrap();
        let status = process.wait_exit(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(1));
        process
            .wait_for_line("does not exist", PATIENCE)
            .await
            .unwrap();
        assert!(
            !process.output().contains("trying again"),
            "{}",
            process.output()
        );
    }
}

#[tokio::test]
async fn services_outlive_a_crash_of_the_database_and_go_on_where_they_were() {
    let mut cluster = Cluster::builder()
        .settings(Settings::test())
        .start()
        .unwrap();
    cluster.create_database("outage").unwrap();
    let site = Site::at(&cluster.url("outage")).await;
    let short = [
        "database.acquire_timeout_ms=1000",
        "orchestration.request_timeout_ms=3000",
    ];
    let mut orchestrator = site.orchestrator_with(&short).await;
    let mut worker = site.worker_with(&short).await;
    let client = orchestrator.client.clone();
    register(&client, &sleepy_diamond("diamond", 300)).await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        tasks.push(submit(&client, "it/diamond", json!({})).await);
    }
    let processed = "SELECT count(*) FROM tasker_workflow_steps WHERE processed";
    site.counts("every task is under way", processed, 6).await;

    cluster.kill_immediate().unwrap();
    orchestrator.ready_answers(503).await;
    worker.ready_answers(503).await;
    for service in [&orchestrator, &worker] {
        assert_eq!(service.client.live().await.unwrap().status, "ok");
        let readiness = service.client.ready().await.unwrap();
        let database = readiness
            .checks
            .iter()
            .find(|check| check.name == "database")
            .unwrap();
        assert!(database.reason.is_some() && !database.ok, "{database:?}");
    }
    let keyed = TaskRequest {
        idempotency_key: Some("during".to_owned()),
        ..request("it/diamond", json!({}))
    };
    assert_eq!(
        refusal(client.submit(&keyed).await),
        (503, "TSK-3002".to_owned())
    );

    cluster.restart().unwrap();
    orchestrator.ready_answers(200).await;
    worker.ready_answers(200).await;
    tasks.push(client.submit(&keyed).await.unwrap().task.task_id);
    let again = client.submit(&keyed).await.unwrap();
    assert_eq!(
        (again.duplicate, Some(&again.task.task_id)),
        (true, tasks.last())
    );
    complete(&client, &tasks).await;
    assert!(orchestrator.process.is_running() && worker.process.is_running());
    assert_eq!(site.count("SELECT count(*) FROM tasker_tasks").await, 7);
    site.assert_sound().await;
}

#[tokio::test]
async fn connections_cut_in_mid_run_cost_time_and_nothing_else() {
    let site = Site::new().await;
    let mut orchestrator = site.orchestrator().await;
    let mut worker = site.worker().await;
    let client = &orchestrator.client;
    register(client, &sleepy_diamond("diamond", 50)).await;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(submit(client, "it/diamond", json!({})).await);
    }
    // All but the one that asks.
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for done in [1, 20, 40, 60] {
        let processed = "SELECT count(*) FROM tasker_workflow_steps WHERE processed";
        site.counts("the run goes on", processed, done).await;
        assert!(site.count(cut).await > 0);
    }
    complete(client, &tasks).await;
    // A claim whose answer was cut off is an attempt, and a lost one; nothing else
    // may have counted.
    let sums = "SELECT count(*) FROM tasker_workflow_steps s WHERE s.attempts <> 1 +
                (SELECT count(*) FROM tasker.step_failures f WHERE f.workflow_step_id = s.workflow_step_id AND kind = 'lost')";
    assert_eq!(site.count(sums).await, 0);
    orchestrator.ready_answers(200).await;
    worker.ready_answers(200).await;
    site.assert_sound().await;
}

#[tokio::test]
async fn a_service_told_to_end_while_the_database_is_away_ends() {
    let mut cluster = Cluster::builder()
        .settings(Settings::test())
        .start()
        .unwrap();
    cluster.create_database("outage").unwrap();
    let site = Site::at(&cluster.url("outage")).await;
    let mut services = [site.orchestrator().await, site.worker().await];
    cluster.kill_immediate().unwrap();
    for service in &mut services {
        service.ready_answers(503).await;
        service.process.terminate().unwrap();
        let status = service
            .process
            .wait_exit(Duration::from_secs(6))
            .await
            .unwrap();
        assert_eq!(status.code(), Some(0), "{}", service.process.output());
    }
}
