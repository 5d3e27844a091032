//! Sends and receives the wakes of one process.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::spacing::Spacing;
use super::{Channel, Signal, WAKE_CHANNEL};
use crate::supervise::jittered;

/// The wakes of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WakeHub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    arrived: Notify,
    /// Nothing waits to be sent any more, maybe.
    sent: Notify,
    signals: Mutex<HashMap<String, Vec<Signal>>>,
    /// Raised together with all others, and by nothing else.
    missed: Mutex<Vec<Signal>>,
    /// Ends the payload of our wakes: hearing ourselves would wake us twice.
    mark: String,
    spacing: Mutex<Spacing>,
    /// Wakes of other processes are being heard, as far as one can tell.
    listening: AtomicBool,
}

/// Wakes on their way out.
#[derive(Debug, Default)]
struct Pending {
    /// Waiting to be sent.
    names: BTreeSet<String>,
    /// Some are being sent.
    sending: bool,
}

/// How many times rarer polls are while wakes are heard.
const LISTENING_FACTOR: u32 = 5;

/// Time that the last wakes of a process have.
const LAST_WAKES: Duration = Duration::from_secs(1);

/// Pauses between tries to reach the database.
const RECONNECT_MIN: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(5);

impl WakeHub {
    /// Starts sending and listening until `ended`, through any loss of connection.
    pub(crate) fn start(
        connect: &PgConnectOptions,
        interval: Duration,
        ended: &CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            arrived: Notify::new(),
            sent: Notify::new(),
            signals: Mutex::default(),
            missed: Mutex::default(),
            mark: format!("@{:08x}", rand::random::<u32>()),
            spacing: Mutex::new(Spacing::new(interval)),
            listening: AtomicBool::new(false),
        });
        tokio::spawn(send(connect.clone(), shared.clone(), ended.clone()));
        tokio::spawn(listen(connect.clone(), shared.clone(), ended.clone()));
        Self { shared }
    }

    /// A signal that every wake of `channel` raises, wherever it comes from.
    pub fn signal(&self, channel: &Channel) -> Signal {
        let signal = Signal::default();
        lock(&self.shared.signals)
            .entry(channel.name())
            .or_default()
            .push(signal.clone());
        signal
    }

    /// A signal that is raised when wakes may have passed unheard: the connection
    /// that hears them was lost, or is there again.
    pub fn missed(&self) -> Signal {
        let signal = Signal::default();
        lock(&self.shared.missed).push(signal.clone());
        signal
    }

    /// How long to wait for a wake before looking all the same: `interval`, and
    /// longer while wakes are heard. A connection that is half open looks as if
    /// it heard, so the wait stays short enough to recover by.
    pub fn poll_after(&self, interval: Duration) -> Duration {
        let listening = self.shared.listening.load(Ordering::Relaxed);
        jittered(if listening {
            interval * LISTENING_FACTOR
        } else {
            interval
        })
    }

    /// Wakes whoever waits for `channel`: this process at once, others soon.
    /// Never blocks; however often it is called, one NOTIFY waits to be sent.
    pub fn wake(&self, channel: &Channel) {
        let name = channel.name();
        self.shared.raise(&name);
        if lock(&self.shared.pending).names.insert(name) {
            self.shared.arrived.notify_one();
        }
    }

    /// The payloads to notify [`WAKE_CHANNEL`] of in the transaction that gives reason to
    /// wake `channels`; none if wakes are many. Such a wake arrives with the commit, a
    /// round trip earlier than one that is sent after it; but commits with NOTIFY follow
    /// one another, flush by flush, so only those few may be among them that need not
    /// keep their distance. After the commit, [`tell`](Self::tell).
    pub fn ride(&self, channels: &[Channel]) -> Vec<String> {
        let mut spacing = lock(&self.shared.spacing);
        let now = Instant::now();
        if channels.is_empty() || !spacing.wait(now).is_zero() {
            return Vec::new();
        }
        spacing.sent(now);
        let names = channels.iter().map(Channel::name);
        names.map(|name| self.shared.payload(&name)).collect()
    }

    /// Wakes whoever waits for `channels`; only in this process if the wakes for others
    /// were sent by the commit.
    pub fn tell(&self, channels: &[Channel], sent: bool) {
        for channel in channels {
            if sent {
                self.raise(channel);
            } else {
                self.wake(channel);
            }
        }
    }

    /// Waits until all wakes asked for so far are sent or given up, for a second at
    /// most: what a process says last is as worth hearing as the rest. Cancel safe.
    pub async fn finish(&self) {
        // Whoever does not hear of it looks by itself, later.
        let _ = tokio::time::timeout(LAST_WAKES, self.all_sent()).await;
    }

    async fn all_sent(&self) {
        loop {
            let sent = self.shared.sent.notified();
            {
                let pending = lock(&self.shared.pending);
                if pending.names.is_empty() && !pending.sending {
                    return;
                }
            }
            sent.await;
        }
    }

    /// Wakes whoever waits for `channel` in this process, and nobody else: a look
    /// has found what a wake should have told.
    pub fn raise(&self, channel: &Channel) {
        self.shared.raise(&channel.name());
    }
}

impl Shared {
    fn payload(&self, name: &str) -> String {
        format!("{name}{}", self.mark)
    }

    /// Somebody sent this; what has no mark comes from an application's own transaction.
    fn heard(&self, payload: &str) {
        match payload.strip_suffix(&self.mark) {
            Some(_ours) => {}
            None => self.raise(payload.split('@').next().unwrap_or(payload)),
        }
    }

    fn raise(&self, name: &str) {
        for signal in lock(&self.signals).get(name).into_iter().flatten() {
            signal.raise();
        }
    }

    fn raise_all(&self) {
        for signal in lock(&self.signals).values().flatten() {
            signal.raise();
        }
        for signal in lock(&self.missed).iter() {
            signal.raise();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn send(connect: PgConnectOptions, shared: Arc<Shared>, ended: CancellationToken) {
    let mut connection: Option<PgConnection> = None;
    loop {
        tokio::select! {
            () = shared.arrived.notified() => {}
            () = ended.cancelled() => return,
        }
        // No sleep for nothing: the timer would round it up to a millisecond.
        let wait = lock(&shared.spacing).wait(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        lock(&shared.spacing).sent(Instant::now());
        let payloads: Vec<String> = {
            let mut pending = lock(&shared.pending);
            pending.sending = true;
            let names = std::mem::take(&mut pending.names);
            names.iter().map(|name| shared.payload(name)).collect()
        };
        // One that cannot be sent is dropped: the polls make up for it.
        if let Err(error) = notify(&connect, &mut connection, &payloads).await {
            tracing::debug!(%error, "wake not sent");
            connection = None;
        }
        lock(&shared.pending).sending = false;
        shared.sent.notify_waiters();
    }
}

async fn notify(
    connect: &PgConnectOptions,
    connection: &mut Option<PgConnection>,
    payloads: &[String],
) -> Result<(), sqlx::Error> {
    if connection.is_none() {
        // A wake says nothing that must survive: no flush for it.
        let options = connect.clone().options([("synchronous_commit", "off")]);
        *connection = Some(PgConnection::connect_with(&options).await?);
    }
    if let Some(connection) = connection {
        sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload")
            .bind(WAKE_CHANNEL)
            .bind(payloads)
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn listen(connect: PgConnectOptions, shared: Arc<Shared>, ended: CancellationToken) {
    let mut pause = RECONNECT_MIN;
    loop {
        let error = tokio::select! {
            error = listen_until_lost(&connect, &shared, &mut pause) => error,
            () = ended.cancelled() => return,
        };
        tracing::debug!(%error, "not listening for wakes; polling goes on");
        // Everybody looks at once, and then as often as polling alone needs.
        if shared.listening.swap(false, Ordering::Relaxed) {
            shared.raise_all();
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = ended.cancelled() => return,
        }
        pause = (pause * 2).min(RECONNECT_MAX);
    }
}

async fn listen_until_lost(
    connect: &PgConnectOptions,
    shared: &Shared,
    pause: &mut Duration,
) -> sqlx::Error {
    let mut listener = match open_listener(connect).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    *pause = RECONNECT_MIN;
    shared.listening.store(true, Ordering::Relaxed);
    // Wakes may have passed unheard before.
    shared.raise_all();
    loop {
        match listener.try_recv().await {
            Ok(Some(wake)) => shared.heard(wake.payload()),
            // The connection was lost, and is there again.
            Ok(None) => shared.raise_all(),
            Err(error) => return error,
        }
    }
}

async fn open_listener(connect: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    // A pool of its own: the listener holds its connection for ever.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(connect.clone())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(WAKE_CHANNEL).await?;
    Ok(listener)
}
