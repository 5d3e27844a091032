//! Where the server's time goes, by statement: `pg_stat_statements`, with `--profile`.

use anyhow::Result;

use crate::stage::{Database, Stage};

const SHOWN: usize = 15;
const TEXT_CHARS: usize = 100;

/// Forgets what ran before the measurement.
pub(crate) fn begin(stage: &Stage, database: &Database) -> Result<()> {
    if stage.globals.profile {
        stage.admin(&database.name, "SELECT pg_stat_statements_reset()")?;
    }
    Ok(())
}

/// Prints the statements that took the most time in all.
pub(crate) fn print(stage: &Stage, database: &Database) -> Result<()> {
    if !stage.globals.profile {
        return Ok(());
    }
    let rows = stage.admin(
        &database.name,
        &format!(
            "SELECT round(total_exec_time::numeric), calls, round(mean_exec_time::numeric, 3), rows,
                    round(wal_bytes / 1024), shared_blks_hit,
                    left(regexp_replace(regexp_replace(query, '--[^\n]*', '', 'g'), '\\s+', ' ', 'g'), {TEXT_CHARS})
               FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
              WHERE d.datname = current_database()
              ORDER BY total_exec_time DESC LIMIT {SHOWN}"
        ),
    )?;
    eprintln!(
        "{:>8} {:>8} {:>9} {:>9} {:>9} {:>10}  statement",
        "ms", "calls", "mean ms", "rows", "WAL KiB", "blocks"
    );
    for row in rows {
        let mut columns = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || columns.next().unwrap_or_default();
        let (ms, calls, mean, rows, wal, blocks, text) =
            (next(), next(), next(), next(), next(), next(), next());
        eprintln!("{ms:>8} {calls:>8} {mean:>9} {rows:>9} {wal:>9} {blocks:>10}  {text}");
    }
    Ok(())
}
