//! Turns what was seen in a database into the steps still to run, or into a
//! refusal. Pure: every refusal comes before the first change.
//!
//! A step's SQL is the whole transaction, BEGIN, ledger row and COMMIT
//! included: what `--dry-run` prints is what runs, and an administrator may
//! run it by hand instead.

use super::error::MigrateError;
use super::files::{self, Migration, MIGRATIONS, PROFILE_RAILS, RAILS_TABLES};
use super::grants;
use super::observe::{LedgerRow, Observed};
use super::pgmq::Pgmq;
use super::rails;
use super::MigrateOptions;

pub(super) const LEDGER_STEP: &str = "ledger";
pub(super) const PROFILE_STEP: &str = "profile_rails";
pub(super) const PGMQ_STEP: &str = "pgmq";

/// One transaction of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    pub name: String,
    /// The text that runs. For PGMQ, whose SQL its crate keeps to itself, a
    /// comment that says so.
    pub sql: String,
    pub(super) action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    RunSql,
    InstallPgmq,
}

const LEDGER: &str = "\
CREATE TABLE tasker.schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    attached   boolean NOT NULL DEFAULT false
);
";

pub(super) fn decide(
    seen: &Observed,
    options: &MigrateOptions,
) -> Result<Vec<PlannedStep>, MigrateError> {
    check_schema_name(&options.schema)?;
    if seen.server_version_num < 150_000 {
        return Err(MigrateError::ServerTooOld {
            found: seen.server_version.clone(),
        });
    }
    let ledger = seen.ledger.as_deref().unwrap_or_default();
    check_ledger(ledger)?;
    check_pgmq(&seen.pgmq)?;
    let rails_tables = rails_tables(seen, ledger, options)?;
    grants::check(seen, ledger, rails_tables, options)?;
    Ok(steps(seen, ledger, rails_tables, options))
}

/// What becomes of the thirteen tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RailsTables {
    Create,
    Attach,
    /// Created by this engine earlier.
    Ours,
    /// Attached earlier.
    Attached,
}

fn rails_tables(
    seen: &Observed,
    ledger: &[LedgerRow],
    options: &MigrateOptions,
) -> Result<RailsTables, MigrateError> {
    let schema = || options.schema.clone();
    if let Some(row) = ledger.iter().find(|row| row.version == RAILS_TABLES) {
        return match (seen.tables.is_empty(), row.attached) {
            (true, _) => Err(MigrateError::TablesMissing { schema: schema() }),
            (false, true) => Ok(RailsTables::Attached),
            (false, false) => Ok(RailsTables::Ours),
        };
    }
    if seen.tables.is_empty() {
        return Ok(RailsTables::Create);
    }
    let differences = rails::compare(&seen.columns, &seen.unique_keys);
    if differences.is_empty() {
        Ok(RailsTables::Attach)
    } else {
        Err(MigrateError::Incompatible {
            schema: schema(),
            differences,
        })
    }
}

/// Refuses a ledger this binary must not build on.
pub(super) fn check_ledger(ledger: &[LedgerRow]) -> Result<(), MigrateError> {
    let binary = files::newest();
    if let Some(database) = ledger.iter().map(|row| row.version).max() {
        if database > binary {
            return Err(MigrateError::NewerSchema { database, binary });
        }
    }
    for migration in MIGRATIONS {
        let recorded = ledger.iter().find(|row| row.version == migration.version);
        let expected = migration.checksum();
        if let Some(row) = recorded.filter(|row| row.checksum != expected) {
            return Err(MigrateError::ChecksumMismatch {
                version: migration.version,
                name: migration.name.to_owned(),
                recorded: row.checksum.clone(),
                expected,
            });
        }
    }
    Ok(())
}

/// Migrations the ledger does not hold, in order.
pub(super) fn unapplied(ledger: &[LedgerRow]) -> impl Iterator<Item = &'static Migration> + '_ {
    MIGRATIONS
        .iter()
        .filter(|migration| !ledger.iter().any(|row| row.version == migration.version))
}

fn check_schema_name(schema: &str) -> Result<(), MigrateError> {
    let reserved = ["information_schema", "tasker", "pgmq"].contains(&schema);
    let fits = (1..=63).contains(&schema.len()) && !schema.contains('\0');
    if fits && !reserved && !schema.starts_with("pg_") {
        return Ok(());
    }
    Err(MigrateError::InvalidSchema {
        schema: schema.to_owned(),
    })
}

fn check_pgmq(pgmq: &Pgmq) -> Result<(), MigrateError> {
    match pgmq {
        Pgmq::Foreign { missing } if !missing.is_empty() => Err(MigrateError::PgmqUnusable {
            missing: missing.iter().map(|name| format!("pgmq.{name}")).collect(),
        }),
        _ => Ok(()),
    }
}

fn steps(
    seen: &Observed,
    ledger: &[LedgerRow],
    rails_tables: RailsTables,
    options: &MigrateOptions,
) -> Vec<PlannedStep> {
    let schema = quote(&options.schema);
    let mut steps = Vec::new();
    if seen.ledger.is_none() {
        let body = match seen.engine_schema {
            Some(_) => LEDGER.to_owned(),
            None => format!("CREATE SCHEMA tasker;\n{LEDGER}"),
        };
        steps.push(sql_step(LEDGER_STEP.to_owned(), &body));
    }
    for migration in unapplied(ledger) {
        let attach = migration.version == RAILS_TABLES && rails_tables == RailsTables::Attach;
        let label = migration.label();
        let row = record(migration, attach);
        if attach {
            steps.push(sql_step(format!("{label} (attach)"), &row));
            continue;
        }
        let create = match seen.tables_schema {
            None if migration.version == RAILS_TABLES => format!("CREATE SCHEMA {schema};\n"),
            _ => String::new(),
        };
        let sql = migration.sql;
        let body = format!("{create}SET LOCAL search_path TO {schema};\n\n{sql}\n{row}");
        steps.push(sql_step(label, &body));
    }
    let ours = matches!(rails_tables, RailsTables::Create | RailsTables::Ours);
    if seen.profile_incomplete && ours {
        let body = format!("SET LOCAL search_path TO {schema};\n\n{PROFILE_RAILS}");
        steps.push(sql_step(PROFILE_STEP.to_owned(), &body));
    }
    if seen.pgmq.needs_install() {
        steps.push(PlannedStep {
            name: PGMQ_STEP.to_owned(),
            sql: format!(
                "-- PGMQ {} as plain SQL into schema pgmq, run by the installer of the pgmq crate.\n",
                Pgmq::EMBEDDED_VERSION
            ),
            action: Action::InstallPgmq,
        });
    }
    steps
}

fn sql_step(name: String, body: &str) -> PlannedStep {
    PlannedStep {
        name,
        sql: format!("BEGIN;\n{body}COMMIT;\n"),
        action: Action::RunSql,
    }
}

/// The ledger row; name and checksum come from this binary and need no quoting.
fn record(migration: &Migration, attached: bool) -> String {
    format!(
        "INSERT INTO tasker.schema_migrations (version, name, checksum, attached)\n\
         VALUES ({}, '{}', '{}', {attached});\n",
        migration.version,
        migration.name,
        migration.checksum(),
    )
}

pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::super::observe::{SchemaAccess, Table};
    use super::super::IndexProfile;
    use super::*;

    fn empty_database() -> Observed {
        Observed {
            server_version_num: 150_018,
            server_version: "15.18".to_owned(),
            role: "app".to_owned(),
            database: "shop".to_owned(),
            may_create_schemas: true,
            tables_schema: Some(SchemaAccess {
                may_create: true,
                may_use: true,
            }),
            engine_schema: None,
            ledger: None,
            tables: Vec::new(),
            columns: Vec::new(),
            unique_keys: Vec::new(),
            profile_incomplete: false,
            pgmq: Pgmq::Absent,
        }
    }

    fn migrated_database(attached: bool) -> Observed {
        let rows = MIGRATIONS.iter().map(|migration| LedgerRow {
            version: migration.version,
            checksum: migration.checksum(),
            attached: attached && migration.version == RAILS_TABLES,
        });
        Observed {
            engine_schema: Some(SchemaAccess {
                may_create: false,
                may_use: true,
            }),
            ledger: Some(rows.collect()),
            tables: vec![Table {
                name: "tasker_tasks".to_owned(),
                may_write: true,
                closed_sequences: Vec::new(),
            }],
            pgmq: Pgmq::Embedded {
                version: Pgmq::EMBEDDED_VERSION.to_owned(),
            },
            ..empty_database()
        }
    }

    fn names(seen: &Observed, options: &MigrateOptions) -> Vec<String> {
        let steps = decide(seen, options).unwrap();
        steps.into_iter().map(|step| step.name).collect()
    }

    #[test]
    fn a_fresh_database_gets_everything_in_order() {
        let found = names(&empty_database(), &MigrateOptions::default());
        assert_eq!(
            found,
            [
                "ledger",
                "0001_rails_tables",
                "0002_engine",
                "0003_event_cursors",
                "pgmq"
            ]
        );
    }

    #[test]
    fn a_current_database_needs_no_step_and_no_privilege() {
        let seen = Observed {
            may_create_schemas: false,
            ..migrated_database(false)
        };
        assert_eq!(names(&seen, &MigrateOptions::default()), [""; 0]);
    }

    #[test]
    fn the_rails_profile_is_added_to_our_tables_only() {
        let options = MigrateOptions {
            index_profile: IndexProfile::Rails,
            ..MigrateOptions::default()
        };
        for (attached, expected) in [(false, vec!["profile_rails"]), (true, vec![])] {
            let seen = Observed {
                profile_incomplete: true,
                ..migrated_database(attached)
            };
            assert_eq!(names(&seen, &options), expected);
        }
    }

    #[test]
    fn an_old_server_is_refused() {
        let seen = Observed {
            server_version_num: 140_012,
            server_version: "14.12".to_owned(),
            ..empty_database()
        };
        let error = decide(&seen, &MigrateOptions::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PostgreSQL 14.12 is too old: Tasker needs version 15 or newer"
        );
    }

    #[test]
    fn schema_names_that_cannot_hold_the_tables_are_refused() {
        let long = "x".repeat(64);
        for schema in [
            "",
            "tasker",
            "pgmq",
            "pg_temp",
            "information_schema",
            "a\0b",
            &long,
        ] {
            let options = MigrateOptions {
                schema: schema.to_owned(),
                ..MigrateOptions::default()
            };
            let error = decide(&empty_database(), &options).unwrap_err();
            assert_eq!(error.code(), "invalid_schema", "{schema:?}");
        }
    }

    #[test]
    fn a_schema_name_is_quoted_wherever_it_is_used() {
        let options = MigrateOptions {
            schema: "a\"b".to_owned(),
            ..MigrateOptions::default()
        };
        let seen = Observed {
            tables_schema: None,
            ..empty_database()
        };
        let steps = decide(&seen, &options).unwrap();
        assert!(steps[1].sql.starts_with(
            "BEGIN;\nCREATE SCHEMA \"a\"\"b\";\nSET LOCAL search_path TO \"a\"\"b\";\n"
        ));
    }

    #[test]
    fn pgmq_that_lacks_functions_is_refused_by_name() {
        let seen = Observed {
            pgmq: Pgmq::Foreign {
                missing: vec!["send".to_owned()],
            },
            ..empty_database()
        };
        let error = decide(&seen, &MigrateOptions::default()).unwrap_err();
        assert!(error.to_string().contains("pgmq.send"), "{error}");
    }
}
