//! One call: its address, its sending, and what its answer means.

use std::time::Duration;

use reqwest::{header, Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::Serialize;
use tasker_shared::wire::Problem;

use crate::{Client, ClientError};

/// Longest piece of a foreign answer shown in an error.
const SHOWN_CHARS: usize = 200;

/// An answer that was read to its end.
pub(crate) struct Answer {
    url: Url,
    pub(crate) status: StatusCode,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Client {
    /// A call to the path made of `segments`, each escaped by itself.
    pub(crate) fn call<S: AsRef<str>>(&self, method: Method, segments: &[S]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        // An http or https address always has segments.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        let call = self.http.request(method, url).timeout(self.timeout);
        match &self.traceparent {
            Some(traceparent) => call.header("traceparent", traceparent),
            None => call,
        }
    }

    pub(crate) async fn get<T: DeserializeOwned, S: AsRef<str>>(
        &self,
        segments: &[S],
    ) -> Result<T, ClientError> {
        send(self.call(Method::GET, segments)).await?.json()
    }

    pub(crate) async fn post<B: Serialize, T: DeserializeOwned, S: AsRef<str>>(
        &self,
        segments: &[S],
        body: &B,
    ) -> Result<T, ClientError> {
        send(self.call(Method::POST, segments).json(body))
            .await?
            .json()
    }
}

/// Sends a call and reads the whole answer, whatever its status.
pub(crate) async fn send(call: RequestBuilder) -> Result<Answer, ClientError> {
    let (client, request) = call.build_split();
    let request = request.map_err(|source| unreachable(String::new(), source))?;
    let url = request.url().clone();
    let lost = |source| unreachable(url.to_string(), source);
    let response = client.execute(request).await.map_err(lost)?;
    let status = response.status();
    let retry_after = retry_after(&response);
    let body = response.bytes().await.map_err(lost)?.to_vec();
    Ok(Answer {
        url,
        status,
        retry_after,
        body,
    })
}

fn unreachable(url: String, source: reqwest::Error) -> ClientError {
    ClientError::Unreachable {
        url,
        source: source.without_url(),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

impl Answer {
    /// The answer's content, if the call succeeded.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let answer = self.success()?;
        serde_json::from_slice(&answer.body).map_err(|error| answer.foreign(&error.to_string()))
    }

    /// The answer's content, whether the status says success or not.
    pub(crate) fn json_of_any_status<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        match serde_json::from_slice(&self.body) {
            Ok(content) => Ok(content),
            Err(_) => self.json(),
        }
    }

    /// The answer's text, if the call succeeded.
    pub(crate) fn text(self) -> Result<String, ClientError> {
        let answer = self.success()?;
        match std::str::from_utf8(&answer.body) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(answer.foreign("the text is not UTF-8")),
        }
    }

    fn success(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) => Err(ClientError::Problem {
                problem: Box::new(problem),
                retry_after: self.retry_after,
            }),
            Err(_) => Err(self.foreign("no problem document")),
        }
    }

    fn foreign(&self, problem: &str) -> ClientError {
        let shown: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(SHOWN_CHARS)
            .collect();
        ClientError::Protocol {
            url: self.url.to_string(),
            status: self.status.as_u16(),
            problem: format!("{problem}; it begins {shown:?}"),
        }
    }
}
