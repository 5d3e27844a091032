//! Bodies that are too large, too slow, or never end.

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::harness::Api;

/// Sends `text` as it is and returns what comes back until the connection ends.
async fn raw(api: &Api, text: &str) -> Result<String> {
    let mut stream = TcpStream::connect(api.base.trim_start_matches("http://")).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut answer).await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn head(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n{more}\r\n")
}

#[tokio::test]
async fn a_body_announced_too_large_is_refused_unread() -> Result<()> {
    let api = Api::start().await?;
    let answer = raw(&api, &head("/v1/tasks", "content-length: 99999999999\r\n")).await?;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("TSK-1012"),
        "{answer}"
    );
    Ok(())
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_at_the_limit() -> Result<()> {
    let api = Api::start_with(|config| config.orchestration.body_max_bytes = 10_000).await?;
    let chunk = format!("2000\r\n{}\r\n", " ".repeat(0x2000));
    let text = head("/v1/tasks", "transfer-encoding: chunked\r\n") + &chunk + &chunk;
    let answer = raw(&api, &text).await?;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("TSK-1012"),
        "{answer}"
    );
    Ok(())
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() -> Result<()> {
    let api = Api::start_with(|config| config.orchestration.body_timeout_ms = 100).await?;
    let answer = raw(
        &api,
        &(head("/v1/tasks", "content-length: 20\r\n") + "{\"na"),
    )
    .await?;
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("TSK-1017"),
        "{answer}"
    );
    Ok(())
}

#[tokio::test]
async fn a_broken_chunk_is_refused() -> Result<()> {
    let api = Api::start().await?;
    let answer = raw(
        &api,
        &(head("/v1/tasks", "transfer-encoding: chunked\r\n") + "zz\r\nhello\r\n"),
    )
    .await?;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn two_lengths_and_what_is_not_http_are_refused() -> Result<()> {
    let api = Api::start().await?;
    for text in [
        head("/v1/tasks", "content-length: 2\r\ncontent-length: 3\r\n") + "{}",
        head("/v1/tasks", "content-length: -1\r\n"),
        "GET /\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}".to_owned() + &"x".repeat(300) + "\r\n\r\n",
    ] {
        let answer = raw(&api, &text).await?;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{text:?}: {answer}"
        );
    }
    assert!(api.client.live().await.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_compressed_body_is_refused() -> Result<()> {
    let api = Api::start().await?;
    let call = api
        .http
        .post(format!("{}/v1/tasks", api.base))
        .header("content-type", "application/json");
    let answer =
        super::harness::Answer::of(call.header("content-encoding", "gzip").body("{}")).await?;
    assert_eq!(answer.problem().status, 415);
    Ok(())
}
