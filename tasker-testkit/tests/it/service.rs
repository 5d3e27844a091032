//! Services as processes, with the one program this crate has.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use tasker_testkit::{ServiceProcess, DATABASE_URL_VARIABLE};

const DEADLINE: Duration = Duration::from_secs(30);

fn with_cluster(script: &str) -> ServiceProcess {
    let builder = ServiceProcess::binary("with-cluster").unwrap();
    builder
        .arg("--")
        .arg("sh")
        .arg("-c")
        .arg(script)
        .start()
        .unwrap()
}

#[tokio::test]
async fn with_cluster_hands_over_the_url_and_the_exit_code() {
    let script = format!("echo \"url ${DATABASE_URL_VARIABLE}\"; exit 7");
    let mut service = with_cluster(&script);
    let line = service.wait_for_line("url ", DEADLINE).await.unwrap();
    assert!(line.contains("postgres://tasker:"), "{line}");
    let status = service.wait_exit(DEADLINE).await.unwrap();
    assert_eq!(status.code(), Some(7));
}

#[tokio::test]
async fn with_cluster_without_a_command_says_how_to_use_it() {
    let mut service = ServiceProcess::binary("with-cluster")
        .unwrap()
        .start()
        .unwrap();
    service
        .wait_for_line("usage: with-cluster [--durable]", DEADLINE)
        .await
        .unwrap();
    assert!(!service.wait_exit(DEADLINE).await.unwrap().success());
}

#[tokio::test]
async fn a_process_that_ends_early_is_told_with_its_output() {
    let mut service = with_cluster("echo last words");
    let error = service
        .wait_for_line("never said", DEADLINE)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("with-cluster ended"), "{error}");
}

#[tokio::test]
async fn a_process_can_be_paused_resumed_and_killed() {
    let mut service = with_cluster("echo begun; read -r forever");
    service.wait_for_line("begun", DEADLINE).await.unwrap();
    if service.is_running() {
        service.pause().unwrap();
        assert!(service.is_running());
        service.resume().unwrap();
    }
    service.kill_9().unwrap();
    assert!(service.terminate().is_err());
    assert_eq!(service.wait_exit(DEADLINE).await.unwrap().signal(), Some(9));
}

#[tokio::test]
async fn a_program_that_is_not_built_is_named() {
    let error = ServiceProcess::binary("no-such-program").unwrap_err();
    assert!(
        error.to_string().contains("no-such-program is not built"),
        "{error}"
    );
}
