//! The name of a worker that was given none.

use super::sections::Worker;

impl Worker {
    /// The configured worker id, or a new `host-pid-random` one at each call:
    /// ask once at start and keep the answer.
    pub fn identity(&self) -> String {
        if let Some(id) = &self.worker_id {
            return id.clone();
        }
        // The kernel's name for the host where there is one; the random part
        // alone already keeps two workers apart.
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host: String = host
            .trim()
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
            .take(64)
            .collect();
        let host = if host.is_empty() { "host" } else { &host };
        format!(
            "{host}-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        )
    }
}
