//! A server with canned answers, one per connection, that keeps what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Server {
    pub(crate) base: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers with each of `answers` (status, further headers, body) in turn,
    /// the last one for ever.
    pub(crate) async fn start(answers: &[(u16, &'static str, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (heads.clone(), answers.to_vec());
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                answer(stream, &answers[number.min(answers.len() - 1)], &seen).await;
            }
        });
        Self { base, heads }
    }

    /// The heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn answer(
    mut stream: TcpStream,
    (status, headers, body): &(u16, &'static str, String),
    seen: &Mutex<Vec<String>>,
) {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if read.read_line(&mut head).await.unwrap() == 0 {
            return;
        }
    }
    let length = head
        .to_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut request = vec![0; length.unwrap_or(0)];
    read.read_exact(&mut request).await.unwrap();
    seen.lock().unwrap().push(head);
    let text = format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
        body.len()
    );
    write.write_all(text.as_bytes()).await.unwrap();
}
