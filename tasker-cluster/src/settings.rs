//! Server settings: the lines of `postgresql.conf` that this crate writes.
//!
//! Two presets exist, for data that matters and for data that does not. Neither
//! holds addresses, ports or file locations: those belong to the cluster itself and
//! are written after the settings, so that nobody can open the cluster by accident.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::ClusterError;

/// An ordered set of PostgreSQL settings; a later `set` of a name wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// For development, demonstration and benchmarks: durable, as in production.
    pub fn dev() -> Self {
        Self(BTreeMap::new())
            .set("fsync", "on")
            .set("synchronous_commit", "on")
            .set("shared_buffers", "256MB")
            .set("max_connections", "100")
            .set("max_wal_size", "2GB")
            .set("timezone", "UTC")
            .set("log_timezone", "UTC")
            .set("log_line_prefix", "%m [%p] %d ")
    }

    /// For tests: nothing is forced to disk and plans do not change under a test.
    ///
    /// Commits stay synchronous, so a crash of the server (not of the machine) loses
    /// nothing and fault tests mean what they say. Autovacuum is off: a test that
    /// needs statistics runs ANALYZE itself.
    pub fn test() -> Self {
        Self::dev()
            .set("fsync", "off")
            .set("full_page_writes", "off")
            .set("autovacuum", "off")
            .set("shared_buffers", "128MB")
            .set("max_connections", "300")
            .set("max_wal_size", "4GB")
            .set("checkpoint_timeout", "30min")
    }

    /// Sets one value, in the notation of `postgresql.conf` but without quotes.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The lines for `postgresql.conf`; fails on a name that could break out of its line.
    pub(crate) fn render(&self) -> Result<String, ClusterError> {
        let mut text = String::new();
        for (name, value) in &self.0 {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            if name.is_empty() || !name.chars().all(plain) || value.contains(['\n', '\r', '\0']) {
                return Err(ClusterError::BadSetting { name: name.clone() });
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} = {}", quote(value));
        }
        Ok(text)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::dev()
    }
}

/// A value as a quoted string of `postgresql.conf`, which honours backslashes.
pub(crate) fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_can_not_end_its_quotes() {
        let text = Settings(BTreeMap::new())
            .set("application_name", r"it's \ here")
            .render()
            .unwrap();
        assert_eq!(text, "application_name = 'it''s \\\\ here'\n");
    }

    #[test]
    fn a_name_or_value_with_a_line_break_is_refused() {
        for (name, value) in [
            ("a\nb", "1"),
            ("", "1"),
            ("a b", "1"),
            ("a", "1\nfsync = off"),
        ] {
            assert!(
                Settings::dev().set(name, value).render().is_err(),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_later_value_wins() {
        let text = Settings::test().set("fsync", "on").render().unwrap();
        assert!(text.contains("fsync = 'on'"));
        assert!(!text.contains("fsync = 'off'"));
    }
}
