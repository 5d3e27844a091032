//! Reads what a migration decides upon. Writes nothing.
//!
//! All through `pg_catalog`: `information_schema` hides what the role may not use,
//! and a missing grant would look like a missing table. The reads share one
//! snapshot, so that another process migrating meanwhile is seen either before
//! or after each of its steps.

use sqlx::{Connection, PgConnection};

use super::decide::quote;
use super::error::MigrateError;
use super::files;
use super::pgmq::{self, Pgmq};
use super::rails;
use super::{IndexProfile, MigrateOptions};

pub(super) struct Observed {
    pub(super) server_version_num: i32,
    pub(super) server_version: String,
    pub(super) role: String,
    pub(super) database: String,
    pub(super) may_create_schemas: bool,
    /// The schema of the Rails tables, if it exists.
    pub(super) tables_schema: Option<SchemaAccess>,
    /// Schema `tasker`, if it exists.
    pub(super) engine_schema: Option<SchemaAccess>,
    /// None: there is no ledger.
    pub(super) ledger: Option<Vec<LedgerRow>>,
    pub(super) tables: Vec<Table>,
    /// Columns and keys of `tables`; read only where 0001 is not recorded.
    pub(super) columns: Vec<Column>,
    pub(super) unique_keys: Vec<UniqueKey>,
    /// Something of the Rails profile is not there; false if not asked for.
    pub(super) profile_incomplete: bool,
    pub(super) pgmq: Pgmq,
}

pub(super) struct SchemaAccess {
    pub(super) may_create: bool,
    pub(super) may_use: bool,
}

pub(super) struct LedgerRow {
    pub(super) version: i32,
    pub(super) checksum: String,
    pub(super) attached: bool,
}

pub(super) struct Table {
    pub(super) name: String,
    /// SELECT, INSERT and UPDATE, and the sequences behind its defaults.
    pub(super) may_write: bool,
    /// Sequences of this table that the role may not use.
    pub(super) closed_sequences: Vec<String>,
}

pub(super) struct Column {
    pub(super) table: String,
    pub(super) name: String,
    pub(super) pg_type: String,
    pub(super) nullable: bool,
    pub(super) has_default: bool,
}

pub(super) struct UniqueKey {
    pub(super) table: String,
    /// Names joined by ", ".
    pub(super) columns: String,
    /// Condition of a partial index, as PostgreSQL prints it.
    pub(super) predicate: Option<String>,
}

pub(super) async fn observe(
    conn: &mut PgConnection,
    options: &MigrateOptions,
) -> Result<Observed, MigrateError> {
    let mut tx = conn.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut *tx)
        .await?;
    let observed = read(&mut tx, options).await?;
    tx.commit().await?;
    Ok(observed)
}

async fn read(conn: &mut PgConnection, options: &MigrateOptions) -> Result<Observed, MigrateError> {
    let schema = options.schema.as_str();
    let (server_version_num, server_version, role, database, may_create_schemas) =
        sqlx::query_as(SERVER).fetch_one(&mut *conn).await?;
    let ledger = ledger(conn).await?;
    let recorded = ledger
        .as_ref()
        .is_some_and(|rows| rows.iter().any(|row| row.version == files::RAILS_TABLES));
    let (columns, unique_keys) = if recorded {
        (Vec::new(), Vec::new())
    } else {
        (
            columns(conn, schema).await?,
            unique_keys(conn, schema).await?,
        )
    };
    Ok(Observed {
        server_version_num,
        server_version,
        role,
        database,
        may_create_schemas,
        tables_schema: schema_access(conn, schema).await?,
        engine_schema: schema_access(conn, "tasker").await?,
        ledger,
        tables: tables(conn, schema).await?,
        columns,
        unique_keys,
        profile_incomplete: options.index_profile == IndexProfile::Rails
            && profile_incomplete(conn, schema).await?,
        pgmq: pgmq::observe(conn).await?,
    })
}

const SERVER: &str = "
SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
       current_user::text, current_database()::text,
       has_database_privilege(current_database(), 'CREATE')";

async fn schema_access(
    conn: &mut PgConnection,
    schema: &str,
) -> Result<Option<SchemaAccess>, sqlx::Error> {
    let row: Option<(bool, bool)> = sqlx::query_as(
        "SELECT has_schema_privilege(oid, 'CREATE'), has_schema_privilege(oid, 'USAGE')
         FROM pg_namespace WHERE nspname = $1",
    )
    .bind(schema)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|(may_create, may_use)| SchemaAccess {
        may_create,
        may_use,
    }))
}

/// The ledger by version, or None if it does not exist.
pub(super) async fn ledger(
    conn: &mut PgConnection,
) -> Result<Option<Vec<LedgerRow>>, MigrateError> {
    if !is_readable(conn, "tasker", "schema_migrations").await? {
        return Ok(None);
    }
    let rows: Vec<(i32, String, bool)> = sqlx::query_as(
        "SELECT version, checksum, attached FROM tasker.schema_migrations ORDER BY version",
    )
    .fetch_all(conn)
    .await?;
    let rows = rows
        .into_iter()
        .map(|(version, checksum, attached)| LedgerRow {
            version,
            checksum,
            attached,
        });
    Ok(Some(rows.collect()))
}

/// Whether a table exists; a refusal if it does and the role may not read it.
pub(super) async fn is_readable(
    conn: &mut PgConnection,
    schema: &str,
    table: &str,
) -> Result<bool, MigrateError> {
    let row: Option<(String, bool, bool)> = sqlx::query_as(
        "SELECT current_user::text, has_schema_privilege(n.oid, 'USAGE'),
                has_table_privilege(c.oid, 'SELECT')
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relname = $2",
    )
    .bind(schema)
    .bind(table)
    .fetch_optional(conn)
    .await?;
    let Some((role, may_use, may_read)) = row else {
        return Ok(false);
    };
    let mut grants = Vec::new();
    if !may_use {
        grants.push(format!(
            "GRANT USAGE ON SCHEMA {schema} TO {}",
            quote(&role)
        ));
    }
    if !may_read {
        grants.push(format!(
            "GRANT SELECT ON {schema}.{table} TO {}",
            quote(&role)
        ));
    }
    if grants.is_empty() {
        return Ok(true);
    }
    Err(MigrateError::MissingGrant { role, grants })
}

/// Those of the thirteen tables that exist.
async fn tables(conn: &mut PgConnection, schema: &str) -> Result<Vec<Table>, sqlx::Error> {
    let rows: Vec<(String, bool, Vec<String>)> = sqlx::query_as(
        "SELECT c.relname::text,
                has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                    AND has_table_privilege(c.oid, 'UPDATE'),
                -- CASE: has_sequence_privilege fails on anything but a sequence.
                ARRAY(SELECT s.relname::text
                      FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
                      WHERE d.classid = 'pg_class'::regclass AND d.refobjid = c.oid
                        AND d.deptype = 'a'
                        AND CASE WHEN s.relkind = 'S'
                                 THEN NOT has_sequence_privilege(s.oid, 'USAGE') END
                      ORDER BY 1)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relname = ANY ($2) AND c.relkind IN ('r', 'p')
         ORDER BY 1",
    )
    .bind(schema)
    .bind(rails::table_names())
    .fetch_all(conn)
    .await?;
    let rows = rows
        .into_iter()
        .map(|(name, may_write, closed_sequences)| Table {
            name,
            may_write,
            closed_sequences,
        });
    Ok(rows.collect())
}

async fn columns(conn: &mut PgConnection, schema: &str) -> Result<Vec<Column>, sqlx::Error> {
    let rows: Vec<(String, String, String, bool, bool)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
                NOT a.attnotnull, a.atthasdef OR a.attidentity <> ''
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE n.nspname = $1 AND c.relname = ANY ($2) AND c.relkind IN ('r', 'p')
         ORDER BY c.relname, a.attnum",
    )
    .bind(schema)
    .bind(rails::table_names())
    .fetch_all(conn)
    .await?;
    let rows = rows
        .into_iter()
        .map(|(table, name, pg_type, nullable, has_default)| Column {
            table,
            name,
            pg_type,
            nullable,
            has_default,
        });
    Ok(rows.collect())
}

async fn unique_keys(conn: &mut PgConnection, schema: &str) -> Result<Vec<UniqueKey>, sqlx::Error> {
    let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "SELECT c.relname::text,
                (SELECT COALESCE(string_agg(a.attname, ', ' ORDER BY k.place), '')
                 FROM unnest(i.indkey::smallint[]) WITH ORDINALITY k (attnum, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                 WHERE k.place <= i.indnkeyatts),
                pg_get_expr(i.indpred, i.indrelid)
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relname = ANY ($2) AND i.indisunique AND i.indisvalid",
    )
    .bind(schema)
    .bind(rails::table_names())
    .fetch_all(conn)
    .await?;
    let rows = rows
        .into_iter()
        .map(|(table, columns, predicate)| UniqueKey {
            table,
            columns,
            predicate,
        });
    Ok(rows.collect())
}

async fn profile_incomplete(conn: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM unnest($2::text[]) wanted (name)
             WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                               WHERE n.nspname = $1 AND c.relname = wanted.name)
               AND NOT EXISTS (SELECT FROM pg_constraint c
                               JOIN pg_namespace n ON n.oid = c.connamespace
                               WHERE n.nspname = $1 AND c.conname = wanted.name))",
    )
    .bind(schema)
    .bind(files::profile_objects())
    .fetch_one(conn)
    .await
}

/// Server process that holds the migration lock. Advisory locks with one
/// 64-bit key show it as two halves.
pub(super) async fn lock_holder(
    conn: &mut PgConnection,
    key: i64,
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT pid FROM pg_locks
         WHERE locktype = 'advisory' AND granted AND objsubid = 1
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND classid::bigint = ($1 >> 32) & 4294967295 AND objid::bigint = $1 & 4294967295",
    )
    .bind(key)
    .fetch_optional(conn)
    .await
}
