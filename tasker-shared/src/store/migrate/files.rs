//! The migration files this binary carries, in order.
//!
//! Forward only. A file that has been released never changes again: its
//! checksum is in the ledger of every database it ran on. A change of schema
//! is a new file and a new line in [`MIGRATIONS`].

use sha2::{Digest, Sha256};

pub(super) struct Migration {
    pub(super) version: i32,
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "rails_tables",
        sql: include_str!("../../../../migrations/0001_rails_tables.sql"),
    },
    Migration {
        version: 2,
        name: "engine",
        sql: include_str!("../../../../migrations/0002_engine.sql"),
    },
    Migration {
        version: 3,
        name: "event_cursors",
        sql: include_str!("../../../../migrations/0003_event_cursors.sql"),
    },
];

/// The version that creates, or attaches to, the Rails tables.
pub(super) const RAILS_TABLES: i32 = 1;

pub(super) const PROFILE_RAILS: &str = include_str!("../../../../migrations/profile_rails.sql");

/// Columns of the Rails schema: table, column, type, nullable, default.
pub(super) const RAILS_COLUMNS: &str = include_str!("../../../testdata/rails-schema.csv");

impl Migration {
    /// File name without its ending, as operators see it.
    pub(super) fn label(&self) -> String {
        format!("{:04}_{}", self.version, self.name)
    }

    /// Of the text with Unix line ends, so that a checkout on Windows builds a
    /// binary that accepts the same databases.
    pub(super) fn checksum(&self) -> String {
        let digest = Sha256::digest(self.sql.replace("\r\n", "\n"));
        format!("{digest:x}")
    }
}

/// Highest version this binary knows.
pub(super) fn newest() -> i32 {
    MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0)
}

/// Names of the indexes and constraints that the Rails profile adds.
pub(super) fn profile_objects() -> Vec<&'static str> {
    PROFILE_RAILS
        .lines()
        .map(str::trim)
        .filter_map(|line| {
            line.strip_prefix("CREATE INDEX IF NOT EXISTS ")
                .or_else(|| line.strip_prefix("ADD CONSTRAINT "))
        })
        .filter_map(|rest| rest.split_whitespace().next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_consecutive_from_one() {
        let versions: Vec<i32> = MIGRATIONS.iter().map(|m| m.version).collect();
        let expected: Vec<i32> = (1..).take(versions.len()).collect();
        assert_eq!(versions, expected);
    }

    #[test]
    fn line_ends_do_not_change_a_checksum() {
        let unix = Migration {
            version: 1,
            name: "x",
            sql: "a\nb\n",
        };
        let windows = Migration {
            version: 1,
            name: "x",
            sql: "a\r\nb\r\n",
        };
        assert_eq!(unix.checksum(), windows.checksum());
        assert_eq!(unix.checksum().len(), 64);
    }

    #[test]
    fn the_rails_profile_adds_51_indexes_and_7_foreign_keys() {
        let objects = profile_objects();
        assert_eq!(objects.len(), 58);
        assert!(objects.contains(&"tasks_context_idx1"));
        assert!(objects.contains(&"fk_rails_6e0f6eb833"));
        assert!(objects.iter().all(|name| name.len() <= 63));
    }
}
