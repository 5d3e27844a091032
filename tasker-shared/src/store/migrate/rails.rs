//! What the Rails tables must look like for this engine to attach to them.
//!
//! Columns are compared one by one with the Rails schema (types and
//! nullability exactly), and the uniqueness that submission and transitions
//! rely on is checked by columns, not by index name. More indexes, constraints
//! and optional columns than expected are the owner's business.

use std::collections::BTreeMap;

use super::error::Difference;
use super::files;
use super::observe::{Column, UniqueKey};

struct Expected {
    table: &'static str,
    column: &'static str,
    pg_type: &'static str,
    nullable: bool,
    from_sequence: bool,
}

/// Table and columns; the last field marks a key over most-recent rows only.
const UNIQUE: [(&str, &str, bool); 10] = [
    ("tasker_task_namespaces", "name", false),
    (
        "tasker_named_tasks",
        "task_namespace_id, name, version",
        false,
    ),
    ("tasker_dependent_systems", "name", false),
    ("tasker_named_steps", "dependent_system_id, name", false),
    (
        "tasker_named_tasks_named_steps",
        "named_task_id, named_step_id",
        false,
    ),
    ("tasker_tasks", "identity_hash", false),
    ("tasker_task_transitions", "task_id, sort_key", false),
    ("tasker_task_transitions", "task_id, most_recent", true),
    (
        "tasker_workflow_step_transitions",
        "workflow_step_id, sort_key",
        false,
    ),
    (
        "tasker_workflow_step_transitions",
        "workflow_step_id, most_recent",
        true,
    ),
];

/// The thirteen tables. The list also holds the view and two tables of Rails
/// itself, on which this engine does not depend.
pub(super) fn table_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = expected().map(|e| e.table).collect();
    names.dedup();
    names
}

fn expected() -> impl Iterator<Item = Expected> {
    files::RAILS_COLUMNS.lines().skip(1).filter_map(|line| {
        // Only the default, which comes last, may hold a comma.
        let mut fields = line.splitn(5, ',');
        let table = fields.next()?;
        let ours = table.starts_with("tasker_") && table != "tasker_step_dag_relationships";
        let expected = Expected {
            table,
            column: fields.next()?,
            pg_type: fields.next()?,
            nullable: fields.next()? == "YES",
            from_sequence: fields.next()?.starts_with("nextval("),
        };
        ours.then_some(expected)
    })
}

/// Everything that keeps this engine from working on tables with these columns
/// and keys; empty if nothing does.
pub(super) fn compare(columns: &[Column], keys: &[UniqueKey]) -> Vec<Difference> {
    let mut found: BTreeMap<&str, BTreeMap<&str, &Column>> = BTreeMap::new();
    for column in columns {
        let table = found.entry(&column.table).or_default();
        table.insert(&column.name, column);
    }
    let mut differences = Vec::new();
    for table in table_names() {
        let Some(columns) = found.get_mut(table) else {
            let table = table.to_owned();
            differences.push(Difference::MissingTable { table });
            continue;
        };
        for expected in expected().filter(|e| e.table == table) {
            differences.extend(compare_column(&expected, columns.remove(expected.column)));
        }
        let required = columns.values().filter(|c| !c.nullable && !c.has_default);
        differences.extend(required.map(|column| Difference::RequiredColumn {
            table: table.to_owned(),
            column: column.name.clone(),
        }));
        differences.extend(missing_keys(table, keys));
    }
    differences
}

fn compare_column(expected: &Expected, found: Option<&Column>) -> Vec<Difference> {
    let table = || expected.table.to_owned();
    let column = || expected.column.to_owned();
    let Some(found) = found else {
        return vec![Difference::MissingColumn {
            table: table(),
            column: column(),
            expected: expected.pg_type.to_owned(),
        }];
    };
    let mut differences = Vec::new();
    if found.pg_type != expected.pg_type {
        differences.push(Difference::WrongType {
            table: table(),
            column: column(),
            expected: expected.pg_type.to_owned(),
            found: found.pg_type.clone(),
        });
    }
    if found.nullable != expected.nullable {
        differences.push(Difference::WrongNullability {
            table: table(),
            column: column(),
            expected_nullable: expected.nullable,
        });
    }
    if expected.from_sequence && !found.has_default {
        differences.push(Difference::MissingDefault {
            table: table(),
            column: column(),
        });
    }
    differences
}

fn missing_keys<'a>(
    table: &'a str,
    keys: &'a [UniqueKey],
) -> impl Iterator<Item = Difference> + 'a {
    let serves = |key: &UniqueKey, columns: &str, most_recent: bool| {
        let rows_match = match key.predicate.as_deref() {
            None => !most_recent,
            Some("(most_recent = true)" | "most_recent") => most_recent,
            Some(_) => false,
        };
        key.columns == columns && rows_match
    };
    UNIQUE
        .into_iter()
        .filter(move |(of, columns, most_recent)| {
            *of == table
                && !keys
                    .iter()
                    .any(|key| key.table == table && serves(key, columns, *most_recent))
        })
        .map(
            |(of, columns, most_recent_only)| Difference::MissingUnique {
                table: of.to_owned(),
                columns: columns.to_owned(),
                most_recent_only,
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rails() -> (Vec<Column>, Vec<UniqueKey>) {
        let columns = expected().map(|e| Column {
            table: e.table.to_owned(),
            name: e.column.to_owned(),
            pg_type: e.pg_type.to_owned(),
            nullable: e.nullable,
            has_default: e.from_sequence,
        });
        let keys = UNIQUE
            .into_iter()
            .map(|(table, columns, most_recent)| UniqueKey {
                table: table.to_owned(),
                columns: columns.to_owned(),
                predicate: most_recent.then(|| "(most_recent = true)".to_owned()),
            });
        (columns.collect(), keys.collect())
    }

    fn messages(columns: &[Column], keys: &[UniqueKey]) -> Vec<String> {
        compare(columns, keys)
            .iter()
            .map(Difference::to_string)
            .collect()
    }

    #[test]
    fn the_rails_schema_has_thirteen_tables_and_no_difference() {
        let (columns, keys) = rails();
        assert_eq!(table_names().len(), 13);
        assert_eq!(compare(&columns, &keys), Vec::new());
    }

    #[test]
    fn each_kind_of_difference_is_named() {
        let (mut columns, mut keys) = rails();
        columns.retain(|c| c.table != "tasker_annotation_types" && c.name != "bypass_steps");
        for column in &mut columns {
            match (column.table.as_str(), column.name.as_str()) {
                ("tasker_tasks", "task_id") => column.has_default = false,
                ("tasker_tasks", "tags") => column.pg_type = "json".to_owned(),
                ("tasker_tasks", "context") => column.nullable = false,
                ("tasker_tasks", "complete") => column.nullable = true,
                _ => {}
            }
        }
        columns.push(Column {
            table: "tasker_tasks".to_owned(),
            name: "tenant_id".to_owned(),
            pg_type: "integer".to_owned(),
            nullable: false,
            has_default: false,
        });
        keys.retain(|key| key.table != "tasker_task_transitions" || key.predicate.is_none());
        let found = messages(&columns, &keys);
        for expected in [
            "table tasker_annotation_types is missing",
            "column tasker_tasks.bypass_steps (json) is missing",
            "column tasker_tasks.task_id has no default",
            "column tasker_tasks.tags is json instead of jsonb",
            "column tasker_tasks.context must accept NULL",
            "column tasker_tasks.complete must be NOT NULL",
            "column tasker_tasks.tenant_id is unknown, NOT NULL and without default",
            "table tasker_task_transitions has no unique index on (task_id, most_recent) where most_recent",
        ] {
            assert!(found.iter().any(|m| m == expected), "{expected}: {found:#?}");
        }
        assert_eq!(found.len(), 8, "{found:#?}");
    }

    #[test]
    fn further_optional_columns_are_the_owners_business() {
        let (mut columns, keys) = rails();
        columns.push(Column {
            table: "tasker_tasks".to_owned(),
            name: "note".to_owned(),
            pg_type: "text".to_owned(),
            nullable: true,
            has_default: false,
        });
        assert_eq!(compare(&columns, &keys), Vec::new());
    }
}
