//! What wakes are good for, and that nothing depends on them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use serde_json::json;
use tasker_cluster::{Cluster, Settings};
use tasker_shared::domain::{Namespace, Outcome, StepError};
use tasker_shared::store::{AdvanceConnection, Attempt, ClaimConnection, Report, ReportConnection};
use tasker_testkit::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::site::{complete, failure_kinds, running, step, submit, Site, PATIENCE};
use crate::templates::{nap, register, template};

/// Services that look for themselves every five minutes at the most: within a test
/// they do what wakes tell them, and what they know of.
const SELDOM: [&str; 2] = ["engine.poll_interval_ms=60000", "engine.lease_ms=3600000"];

const AT_ONCE: &str = "retry: {backoff: fixed, base_ms: 10, max_ms: 10, jitter: false}";

#[tokio::test]
async fn a_lost_step_is_found_when_its_lease_ends_by_a_timer_that_sleeps_for_longer() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator_with(&SELDOM).await;
    let mut doomed = site.worker().await;
    let client = &orchestrator.client;
    register(client, &nap("nap", 1_000)).await;
    let task = submit(client, "it/nap", json!({})).await;
    running(client, task, "nap").await;
    // It stands still, and whoever looks now sees when its lease ends.
    doomed.process.pause().unwrap();
    register(client, &nap("another", 1)).await;
    doomed.process.kill_9().unwrap();
    let _survivor = site.worker_with(&SELDOM).await;
    complete(client, &[task]).await;
    let nap = step(client, task, "nap").await;
    assert_eq!((nap.attempts, failure_kinds(&nap)), (2, vec![(1, "lost")]));
    site.assert_sound().await;
}

#[tokio::test]
async fn a_retry_that_another_process_put_off_is_enqueued_when_it_is_due() {
    let site = Site::new().await;
    let orchestrator = site.orchestrator_with(&SELDOM).await;
    // Its failures make delays of which only it knows.
    let settings = [SELDOM[0], SELDOM[1], "engine.mode=direct"];
    let _worker = site.worker_with(&settings).await;
    let client = &orchestrator.client;
    let once = format!(
        "name: once, handler_class: Examples::Panic, handler_config: {{times: 1}}, {AT_ONCE}"
    );
    register(client, &template("once", &[&once])).await;
    let task = submit(client, "it/once", json!({})).await;
    complete(client, &[task]).await;
    assert_eq!(step(client, task, "once").await.attempts, 2);
    site.assert_sound().await;
}

/// Claims one step as soon as there is any, without waiting for a wake.
async fn claim(claims: &mut ClaimConnection) -> Attempt {
    let claiming = async {
        loop {
            if let Some(claimed) = claims.claim(1).await.unwrap().steps.pop() {
                return claimed.attempt;
            }
        }
    };
    tokio::time::timeout(PATIENCE, claiming).await.unwrap()
}

#[tokio::test]
async fn what_no_wake_tells_of_is_found_by_looking() {
    let site = Site::new().await;
    let orchestrator = site
        .orchestrator_with(&["engine.poll_interval_ms=50"])
        .await;
    let client = &orchestrator.client;
    let steps = [
        format!("name: a, handler_class: Bench::Noop, {AT_ONCE}"),
        "name: b, depends_on_step: a, handler_class: Bench::Noop".to_owned(),
        "name: c, depends_on_step: b, handler_class: Bench::Noop".to_owned(),
    ];
    register(
        client,
        &template("chain", &steps.each_ref().map(String::as_str)),
    )
    .await;
    let task = submit(client, "it/chain", json!({})).await;
    let namespace = Namespace::parse("it").unwrap();
    // The test is a worker that tells nobody of what it does.
    let mut claims = ClaimConnection::open(&site.store, &namespace)
        .await
        .unwrap();
    let mut advances = AdvanceConnection::open(&site.store).await.unwrap();
    let mut reports = ReportConnection::open(&site.store).await.unwrap();
    let report = |attempt, outcome| Report {
        attempt,
        outcome,
        stored: false,
    };
    // A delay.
    let failed = report(
        claim(&mut claims).await,
        Outcome::Failure {
            error: StepError::retryable("x"),
        },
    );
    advances.advance(vec![failed]).await.unwrap();
    // Reports.
    let done = |attempt| report(attempt, Outcome::Success { results: json!({}) });
    reports
        .send(&[done(claim(&mut claims).await)])
        .await
        .unwrap();
    let second = done(claim(&mut claims).await);
    // A step, for a worker that is there already.
    let _worker = site.worker_with(&["engine.poll_interval_ms=50"]).await;
    advances.advance(vec![second]).await.unwrap();
    complete(client, &[task]).await;
    assert_eq!(step(client, task, "a").await.attempts, 2);
    site.assert_sound().await;
}

/// Hands on whatever services and PostgreSQL say to each other, but hangs up on who
/// wants to listen, as a pooler that knows no LISTEN would. Returns its port and how
/// often that was.
async fn pooler(port: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = refused.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(hand_on(client, port, counter.clone()));
        }
    });
    (own, refused)
}

async fn hand_on(client: TcpStream, port: u16, refused: Arc<AtomicUsize>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (mut questions, mut client) = client.into_split();
    let (mut answers, mut server) = server.into_split();
    let asking = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(n @ 1..) = questions.read(&mut buffer).await {
            if buffer[..n].windows(7).any(|seven| seven == b"LISTEN ") {
                refused.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if server.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        _ = tokio::io::copy(&mut answers, &mut client) => {}
    }
}

#[tokio::test]
async fn services_that_cannot_listen_make_progress_all_the_same() {
    let cluster = Cluster::builder()
        .settings(Settings::test())
        .start()
        .unwrap();
    cluster.create_database("deaf").unwrap();
    let (port, refused) = pooler(cluster.port()).await;
    let through = cluster.tcp_url("deaf");
    let through = through.replace(&format!(":{}", cluster.port()), &format!(":{port}"));
    let site = Site::at(&through).await;
    let deaf = ["engine.poll_interval_ms=50"];
    let orchestrator = site.orchestrator_with(&deaf).await;
    let client = &orchestrator.client;
    let steps = [
        format!("name: a, handler_class: Examples::Panic, handler_config: {{times: 1}}, {AT_ONCE}"),
        "name: b, depends_on_step: a, handler_class: Bench::Noop".to_owned(),
        "name: c, depends_on_step: b, handler_class: Bench::Noop".to_owned(),
    ];
    register(
        client,
        &template("chain", &steps.each_ref().map(String::as_str)),
    )
    .await;
    let _worker = site.worker_with(&deaf).await;
    let task = submit(client, "it/chain", json!({})).await;
    complete(client, &[task]).await;
    let twice = || std::future::ready((refused.load(Ordering::Relaxed) >= 2).then_some(()));
    eventually("both services were refused", PATIENCE, twice).await;
    site.assert_sound().await;
}
