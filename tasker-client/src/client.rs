//! The client itself: where the service is, and how long to wait for it.

use std::time::Duration;

use reqwest::Url;

use crate::ClientError;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for an answer unless [`Client::with_timeout`] says otherwise:
/// longer than the service itself takes to give up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Shorter than the service keeps an idle connection, so that no request is
/// sent into one that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// A client of one orchestration service. Cheap to clone; clones share the
/// connections.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) timeout: Duration,
    pub(crate) traceparent: Option<String>,
}

impl Client {
    /// A client of the service at `base_url`, such as `http://127.0.0.1:8080`.
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`] if it is no http or https address.
    pub fn new(base_url: &str) -> Result<Self, ClientError> {
        let bad = |problem: String| ClientError::BadUrl {
            url: base_url.to_owned(),
            problem,
        };
        let base = Url::parse(base_url).map_err(|error| bad(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(bad("it must start with http:// or https://".to_owned()));
        }
        tasker_shared::tls::install();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tasker-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            http,
            base,
            timeout: TIMEOUT,
            traceparent: None,
        })
    }

    /// The same client with another limit on the time of each call.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same client, sending this W3C `traceparent` with every call: tasks it
    /// submits belong to that trace.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Where the service is.
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }
}
