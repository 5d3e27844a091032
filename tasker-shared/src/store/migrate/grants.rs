//! What the migrating role must be allowed to do, asked before the first change.
//!
//! A refusal names every missing grant at once, as statements that an owner of
//! the objects can run. What cannot be foreseen here, such as tables of ours
//! owned by another role, ends in [`MigrateError::Denied`] with a rollback.

use super::decide::{quote, unapplied, RailsTables};
use super::error::MigrateError;
use super::observe::{LedgerRow, Observed, SchemaAccess};
use super::pgmq::Pgmq;
use super::MigrateOptions;

/// Asks for the grants that the steps need, all at once.
pub(super) fn check(
    seen: &Observed,
    ledger: &[LedgerRow],
    rails_tables: RailsTables,
    options: &MigrateOptions,
) -> Result<(), MigrateError> {
    let role = quote(&seen.role);
    let schema = quote(&options.schema);
    let lacks =
        |access: Option<&SchemaAccess>| access.is_some_and(|a| !(a.may_create && a.may_use));
    let mut grants = Vec::new();

    let creates_schema = seen.engine_schema.is_none()
        || (seen.tables_schema.is_none() && rails_tables == RailsTables::Create)
        || seen.pgmq == Pgmq::Absent;
    if creates_schema && !seen.may_create_schemas {
        let database = quote(&seen.database);
        grants.push(format!("GRANT CREATE ON DATABASE {database} TO {role}"));
    }
    let works_in_tasker = seen.ledger.is_none() || unapplied(ledger).next().is_some();
    if works_in_tasker && lacks(seen.engine_schema.as_ref()) {
        grants.push(format!("GRANT CREATE, USAGE ON SCHEMA tasker TO {role}"));
    }
    match rails_tables {
        RailsTables::Create if lacks(seen.tables_schema.as_ref()) => {
            grants.push(format!("GRANT CREATE, USAGE ON SCHEMA {schema} TO {role}"));
        }
        RailsTables::Attach => grants.extend(attach_grants(seen, &schema, &role)),
        _ => {}
    }
    if grants.is_empty() {
        return Ok(());
    }
    Err(MigrateError::MissingGrant {
        role: seen.role.clone(),
        grants,
    })
}

/// What the engine needs to work on tables that belong to someone else. It
/// deletes no row of them.
fn attach_grants(seen: &Observed, schema: &str, role: &str) -> Vec<String> {
    let mut grants = Vec::new();
    if seen
        .tables_schema
        .as_ref()
        .is_some_and(|access| !access.may_use)
    {
        grants.push(format!("GRANT USAGE ON SCHEMA {schema} TO {role}"));
    }
    let named = |name: &str| format!("{schema}.{name}");
    let closed: Vec<String> = seen
        .tables
        .iter()
        .filter(|table| !table.may_write)
        .map(|table| named(&table.name))
        .collect();
    if !closed.is_empty() {
        let tables = closed.join(", ");
        grants.push(format!(
            "GRANT SELECT, INSERT, UPDATE ON {tables} TO {role}"
        ));
    }
    let closed: Vec<String> = seen
        .tables
        .iter()
        .flat_map(|table| &table.closed_sequences)
        .map(|sequence| named(sequence))
        .collect();
    if !closed.is_empty() {
        let sequences = closed.join(", ");
        grants.push(format!("GRANT USAGE ON SEQUENCE {sequences} TO {role}"));
    }
    grants
}
