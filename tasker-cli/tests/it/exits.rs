//! Exit codes and errors: what a script can rely on.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use crate::program::{command, run};

/// Every error is `error: ...` with remedies below it, and nothing of Rust's.
fn assert_plain(stderr: &str) {
    assert!(stderr.starts_with("error: "), "{stderr}");
    for trace in ["panicked", "Error {", "Some(", "RUST_BACKTRACE"] {
        assert!(!stderr.contains(trace), "{stderr}");
    }
}

#[test]
fn help_names_every_verb_and_exit_code() {
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    for verb in [
        "demo",
        "dev",
        "migrate",
        "orchestrator",
        "worker",
        "task",
        "step",
        "template",
        "config",
        "verify",
        "explain",
        "completions",
    ] {
        assert!(help.stdout.contains(&format!("\n  {verb} ")), "{verb}");
    }
    for code in 0..=5 {
        assert!(help.stdout.contains(&format!("\n  {code}  ")), "{code}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["nonsense"][..],
        &["task", "show"],
        &["task", "show", "not-a-number"],
        &["task", "list", "--state", "failed"],
        &["config", "show", "--set", "lease=1"],
        &[
            "dev",
            "--ephemeral",
            "--database-url",
            "postgres://localhost/x",
        ],
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
}

#[test]
fn bad_json_is_refused_before_anything_is_sent() {
    for context in [
        "{",
        "{\"a\": 1e400}",
        "{\"a\": 1, \"a\": 2}",
        "@/no/such/file",
    ] {
        let ran = run(&["task", "submit", "x", "--context", context]);
        assert_eq!(ran.code, 2, "{context}: {}", ran.stderr);
        assert_plain(&ran.stderr);
    }
}

#[test]
fn a_time_that_is_none_says_how_to_write_one() {
    let ran = run(&["task", "list", "--from", "yesterday"]);
    assert_eq!(ran.code, 2);
    assert_plain(&ran.stderr);
    assert!(
        ran.stderr
            .contains("\n  write it like 2030-01-31T00:00:00Z"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_service_that_is_not_there_ends_with_4_and_a_remedy() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for arguments in [
        &["task", "list"][..],
        &["explain", "1"],
        &["template", "list"],
        &["task", "watch", "1"],
    ] {
        let url = format!("http://{address}");
        let ran = run(&[arguments, &["--url", &url]].concat());
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        assert_plain(&ran.stderr);
        assert!(ran.stderr.contains("`tasker dev`"), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn a_database_that_is_not_there_ends_with_4() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for verb in ["verify", "migrate"] {
        let url = format!("database.url=postgres://someone:hidden@{address}/x");
        let ran = run(&[
            verb,
            "--set",
            &url,
            "--set",
            "database.acquire_timeout_ms=500",
        ]);
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        assert_plain(&ran.stderr);
        assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
    }
    let ran = run(&["verify"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("DATABASE_URL"), "{}", ran.stderr);
}

#[test]
fn an_address_that_is_none_ends_with_2() {
    let ran = run(&["task", "list", "--url", "ftp://somewhere"]);
    assert_eq!(ran.code, 2);
    assert_plain(&ran.stderr);
}

/// Answers one request with a problem document.
fn refusing_service(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).unwrap();
        write!(
            stream,
            "HTTP/1.1 422 Unprocessable Content\r\nContent-Type: application/problem+json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    });
    url
}

#[test]
fn a_refusal_ends_with_3_and_names_the_fields() {
    let url = refusing_service(
        r#"{"type": "/problems/context", "title": "The context is refused", "status": 422,
            "detail": "one field is wrong", "code": "TSK-1007",
            "errors": [{"field": "/context/total", "problem": "is missing", "remedy": "add it"}]}"#,
    );
    let ran = run(&["task", "submit", "order", "--url", &url]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(
        ran.stderr,
        "error: The context is refused (TSK-1007): one field is wrong\n  \
         /context/total: is missing; add it\n"
    );
}

#[test]
fn another_program_at_the_address_is_not_the_service() {
    let url = refusing_service("<html>hello</html>");
    let ran = run(&["task", "list", "--url", &url]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert_plain(&ran.stderr);
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains("tasker"), "{shell}");
    }
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    for arguments in [&["completions", "bash"][..], &["config", "show"]] {
        let mut child = command()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn there_is_no_colour_where_there_is_no_terminal() {
    let ran = run(&["config", "show"]);
    assert!(!ran.stdout.contains('\x1b'));
}
