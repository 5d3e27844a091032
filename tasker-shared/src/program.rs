//! How every service program begins: configuration, logs and traces, signals.

use tokio_util::sync::CancellationToken;

use crate::config::{load, Config, ConfigError, ConfigSources};
use crate::supervise::shutdown_on_signals;
use crate::telemetry::{self, TelemetryError, TelemetryGuard};

/// A program that has begun. Dropping it sends the last spans off.
pub struct Program {
    pub config: Config,
    /// Cancelled by the first signal.
    pub shutdown: CancellationToken,
    _telemetry: TelemetryGuard,
}

/// Why a program cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error("signals cannot be caught: {0}")]
    Signals(#[from] std::io::Error),
}

impl ProgramError {
    /// What the program should end with: 2 for a configuration it refuses.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Telemetry(_) => 2,
            Self::Signals(_) => 1,
        }
    }
}

impl Program {
    /// Loads the configuration, starts logging and tracing, catches signals. `role`
    /// names the program in logs and traces. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub fn begin(role: &'static str, sources: &ConfigSources) -> Result<Self, ProgramError> {
        let loaded = load(sources)?;
        let telemetry = telemetry::init(&loaded.config.telemetry, role)?;
        tracing::debug!("effective configuration:\n{loaded}");
        Ok(Self {
            shutdown: shutdown_on_signals()?,
            config: loaded.config,
            _telemetry: telemetry,
        })
    }
}
