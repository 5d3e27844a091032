//! The loop that reads a subscription: takes the lease, looks, hands over, moves on.
//!
//! An idle subscription costs a statement for each look: `engine.poll_interval_ms` apart
//! once nothing has happened for a few seconds, less before, and less after a step has ended
//! in this process, for that may be the end of its task. A process that waits for the
//! lease asks for it every third of one. Whatever fails is begun anew after a pause, with
//! a new connection: what was not acknowledged is read again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use magnus::{Error, Ruby, Value};
use serde::Deserialize;
use tasker_shared::config::{self, ConfigSources};
use tasker_shared::store::feed::{Feed, FeedError, FeedOptions, FeedStart};
use tasker_shared::store::{Store, StoreError};
use tasker_shared::supervise::{jittered, within, Pause};

use super::{Handled, Inner};
use crate::encode;
use crate::entry::{raise, Kind};
use crate::start::{begin_telemetry, Failure};

/// Pause after a look that found something; twice as long after each that does not.
const FIRST_REST: Duration = Duration::from_millis(20);

/// How long the end of the feed waits for a batch that is being handled.
const LAST_BATCH: Duration = Duration::from_secs(30);

/// A feed needs its pool only for the definitions of templates, each once, and for rows of
/// tasks that a receiver asks for.
const POOL: u32 = 2;

/// See `lib/tasker_core/event_feed.rb`, which makes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    config_dir: Option<PathBuf>,
    overrides: Vec<(String, String)>,
    name: String,
    /// None for all.
    events: Option<Vec<String>>,
    from: From,
    max: i64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    Now,
    Beginning,
}

/// Reads the options.
///
/// # Errors
/// `TaskerCore::ConfigurationError` for an unknown or missing key or a wrong type.
pub(super) fn options(ruby: &Ruby, options: Value) -> Result<Options, Error> {
    let json = encode::to_json(ruby, "options", options)?;
    serde_json::from_value(json).map_err(|error| {
        let message = format!("the options of the feed: {error}");
        raise(ruby, Kind::Configuration, "invalid_options", message)
    })
}

/// A subscription that can be read.
pub(super) struct Reader {
    store: Store,
    options: FeedOptions,
    holder: String,
}

impl std::convert::From<FeedError> for Failure {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Store(error) => error.into(),
            refused => Self::new(Kind::Configuration, "feed_refused", refused.to_string()),
        }
    }
}

/// Opens the database and checks that the subscription can be read.
pub(super) async fn start(options: Options) -> Result<Reader, Failure> {
    let sources = ConfigSources::from_process(options.config_dir, options.overrides);
    let mut config = config::load(&sources)
        .map_err(|error| {
            let refused = "configuration_refused";
            Failure::new(Kind::Configuration, refused, error.to_string())
        })?
        .config;
    begin_telemetry(&config)?;
    config.database.pool_max_connections = POOL;
    let store = Store::open(&config).await?;
    let reader = Reader {
        store,
        options: FeedOptions {
            name: options.name,
            events: options.events,
            start: match options.from {
                From::Now => FeedStart::Now,
                From::Beginning => FeedStart::Beginning,
            },
            batch_max: options.max,
        },
        holder: config.worker.identity(),
    };
    let mut feed = Feed::open(&reader.store, reader.options.clone()).await?;
    // What happens after the start is delivered, even if the first look comes later.
    feed.take(&reader.holder).await?;
    feed.release().await?;
    Ok(reader)
}

impl Reader {
    pub(super) fn store(&self) -> Store {
        self.store.clone()
    }

    /// Reads until the feed is stopped.
    pub(super) async fn run(self, inner: &Inner) {
        let mut pause = Pause::default();
        while !inner.stop.is_cancelled() {
            let Err(error) = self.serve(inner, &mut pause).await else {
                break;
            };
            inner.withdraw();
            tracing::warn!(feed = %self.options.name, %error, "events cannot be read; trying again");
            sleep(inner, pause.lengthen()).await;
        }
    }

    /// Reads on one connection, until the feed is stopped or something fails.
    async fn serve(&self, inner: &Inner, pause: &mut Pause) -> Result<(), FeedError> {
        let mut feed = Feed::open(&self.store, self.options.clone()).await?;
        let patience = self.store.patience();
        while !inner.stop.is_cancelled() {
            match within(patience, feed.take(&self.holder)).await? {
                None => {
                    let read = self.read(&mut feed, inner, pause).await;
                    if inner.stop.is_cancelled() {
                        within(patience, feed.release()).await?;
                    }
                    read?;
                }
                Some(held) => sleep(inner, held.min(feed.lease() / 3)).await,
            }
        }
        Ok(())
    }

    /// Reads for as long as the lease is ours.
    async fn read(
        &self,
        feed: &mut Feed,
        inner: &Inner,
        pause: &mut Pause,
    ) -> Result<(), StoreError> {
        let patience = self.store.patience();
        let longest = Duration::from_millis(self.store.engine().poll_interval_ms);
        let longest = longest.min(feed.lease() / 3).max(FIRST_REST);
        let mut rest = FIRST_REST;
        while !inner.stop.is_cancelled() {
            let Some(look) = within(patience, feed.look()).await? else {
                tracing::warn!(feed = %self.options.name, "the lease is lost: another process reads now");
                return Ok(());
            };
            pause.reset();
            if look.moved {
                rest = FIRST_REST;
                let nothing = Handled {
                    delivered: 0,
                    set_aside: 0,
                };
                let handled = if look.events.is_empty() {
                    Some(nothing)
                } else {
                    inner.put(look.events);
                    self.handled(feed, inner).await?
                };
                let Some(handled) = handled else {
                    inner.withdraw();
                    return Ok(());
                };
                let moved = feed.handled(handled.delivered, handled.set_aside);
                if !within(patience, moved).await? {
                    return Ok(());
                }
            }
            if !look.more {
                rest = rest_for(inner, rest).await.min(longest);
            }
        }
        Ok(())
    }

    /// How the batch that is out has fared; none if the lease was lost meanwhile, or nobody
    /// will say so.
    async fn handled(&self, feed: &mut Feed, inner: &Inner) -> Result<Option<Handled>, StoreError> {
        let mut renewed = Instant::now();
        let mut stopped: Option<Instant> = None;
        loop {
            let limit = (feed.lease() / 3).saturating_sub(renewed.elapsed());
            let handled = inner.handled_within(limit);
            let handled = tokio::select! {
                handled = handled => handled,
                () = inner.stop.cancelled(), if stopped.is_none() => {
                    stopped = Some(Instant::now());
                    None
                }
            };
            if handled.is_some() {
                return Ok(handled);
            }
            let given_up = stopped.is_some_and(|since| since.elapsed() > LAST_BATCH);
            if given_up || (stopped.is_some() && !inner.is_in_hand()) {
                return Ok(None);
            }
            if renewed.elapsed() >= feed.lease() / 3 {
                if !within(self.store.patience(), feed.renew()).await? {
                    return Ok(None);
                }
                renewed = Instant::now();
            }
        }
    }
}

/// Rests, and says how long the next rest is if nothing is found.
async fn rest_for(inner: &Inner, rest: Duration) -> Duration {
    tokio::select! {
        () = sleep(inner, jittered(rest)) => return rest * 2,
        // However many steps end, it looks no more often than it does after a find.
        () = inner.hurried.notified(), if rest > FIRST_REST => {}
    }
    sleep(inner, FIRST_REST).await;
    FIRST_REST * 2
}

/// Sleeps, unless the feed is stopped.
async fn sleep(inner: &Inner, time: Duration) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = inner.stop.cancelled() => {}
    }
}
