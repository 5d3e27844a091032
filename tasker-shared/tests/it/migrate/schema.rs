//! The schema a fresh database ends up with.

use std::collections::BTreeSet;

use sqlx::PgPool;
use tasker_shared::store::migrate::{migrate, IndexProfile, MigrateOptions};

use tasker_testkit::TestDatabase;

use super::catalog;

const RAILS_COLUMNS: &str = include_str!("../../../testdata/rails-schema.csv");
const RAILS_INDEXES: &str = include_str!("../../../testdata/rails-indexes.csv");

pub(crate) fn rails_profile() -> MigrateOptions {
    MigrateOptions {
        index_profile: IndexProfile::Rails,
        ..MigrateOptions::default()
    }
}

#[tokio::test]
async fn a_fresh_database_has_exactly_the_rails_columns() {
    let database = TestDatabase::empty().await.unwrap();
    migrate(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT concat_ws(',', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                          CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END,
                          COALESCE(pg_get_expr(d.adbin, d.adrelid), ''))
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v')
           AND a.attnum > 0 ORDER BY c.relname, a.attnum",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    let expected: BTreeSet<String> = RAILS_COLUMNS
        .lines()
        .skip(1)
        .filter(|line| line.starts_with("tasker_"))
        // The one quoted field of the file is the default of `configuration`.
        .map(|line| line.replace("\"'\"\"{}\"\"'::jsonb\"", "'\"{}\"'::jsonb"))
        .collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(BTreeSet::from_iter(found), expected);
}

#[tokio::test]
async fn sequences_have_the_rails_names_and_types_and_belong_to_their_columns() {
    let database = TestDatabase::empty().await.unwrap();
    migrate(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    // Name, type and owning column of each; start, increment and cache are 1.
    let found: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT s.sequencename::text, s.data_type::text, d.refobjid::regclass || '.' || a.attname
         FROM pg_sequences s
         JOIN pg_depend d ON d.objid = s.sequencename::regclass AND d.deptype = 'a'
         JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE s.schemaname = 'public' AND s.start_value = 1 AND s.increment_by = 1
           AND s.cache_size = 1 AND NOT s.cycle",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    let mut expected = BTreeSet::new();
    for line in RAILS_COLUMNS.lines() {
        let fields: Vec<&str> = line.splitn(5, ',').collect();
        if let Some(name) = fields[4].strip_prefix("nextval('") {
            let name = name.trim_end_matches("'::regclass)");
            let column = format!("{}.{}", fields[0], fields[1]);
            expected.insert((name.to_owned(), fields[2].to_owned(), column));
        }
    }
    assert_eq!(expected.len(), 13);
    assert_eq!(BTreeSet::from_iter(found), expected);
}

/// `(table, index, definition)` as the reference writes them: without schema,
/// casts, and quotes around states.
async fn index_definitions(pool: &PgPool) -> BTreeSet<String> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT tablename::text, indexname::text, indexdef FROM pg_indexes
         WHERE schemaname = 'public'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let plain = |(table, index, definition): (String, String, String)| {
        let unique = definition.starts_with("CREATE UNIQUE");
        let method = definition.split(" USING ").nth(1).unwrap();
        let method = method
            .replace(
                "(to_state)::text = ANY ((ARRAY['complete'::character varying, \
                 'resolved_manually'::character varying])::text[])",
                "to_state in (complete, resolved_manually)",
            )
            .replace(
                "((to_state in (complete, resolved_manually))",
                "(to_state in (complete, resolved_manually)",
            )
            .replace("(to_state)::text", "to_state")
            .replace("'::text", "")
            .replace('\'', "")
            .replace("((to_state = error)", "(to_state = error");
        format!(
            "{table},{index},\"{}{method}\"",
            if unique { "UNIQUE " } else { "" }
        )
    };
    rows.into_iter().map(plain).collect()
}

#[tokio::test]
async fn the_rails_profile_makes_every_rails_index() {
    let database = TestDatabase::empty().await.unwrap();
    migrate(database.pool(), &rails_profile()).await.unwrap();
    let expected: BTreeSet<String> = RAILS_INDEXES.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(expected.len(), 99);
    assert_eq!(index_definitions(database.pool()).await, expected);
}

#[tokio::test]
async fn the_lean_profile_makes_no_index_that_rails_does_not_have() {
    let database = TestDatabase::empty().await.unwrap();
    migrate(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    let rails: BTreeSet<String> = RAILS_INDEXES.lines().skip(1).map(str::to_owned).collect();
    let lean = index_definitions(database.pool()).await;
    assert_eq!(
        lean.difference(&rails).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );

    let hot = [
        "tasker_tasks,",
        "tasker_task_transitions,",
        "tasker_workflow_steps,",
        "tasker_workflow_step_edges,",
        "tasker_workflow_step_transitions,",
    ];
    let count = |table: &str| lean.iter().filter(|i| i.starts_with(table)).count();
    assert_eq!(hot.map(count), [3, 3, 2, 3, 3], "{lean:#?}");
    let cold = |i: &&String| !hot.iter().any(|table| i.starts_with(table));
    assert_eq!(
        lean.iter().filter(cold).count(),
        rails.iter().filter(cold).count()
    );
}

#[tokio::test]
async fn foreign_keys_of_the_hot_tables_come_with_the_rails_profile() {
    let database = TestDatabase::empty().await.unwrap();
    let names = || async {
        sqlx::query_scalar::<_, String>(
            "SELECT format('%s: %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
             WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND convalidated
             ORDER BY 1",
        )
        .fetch_all(database.pool())
        .await
        .unwrap()
    };
    let cold = [
        "dependent_system_object_maps_dependent_system_one_id_foreign: FOREIGN KEY (dependent_system_one_id) REFERENCES tasker_dependent_systems(dependent_system_id)",
        "dependent_system_object_maps_dependent_system_two_id_foreign: FOREIGN KEY (dependent_system_two_id) REFERENCES tasker_dependent_systems(dependent_system_id)",
        "fk_rails_16a0297759: FOREIGN KEY (task_namespace_id) REFERENCES tasker_task_namespaces(task_namespace_id)",
        "named_steps_dependent_system_id_foreign: FOREIGN KEY (dependent_system_id) REFERENCES tasker_dependent_systems(dependent_system_id)",
        "named_tasks_named_steps_named_step_id_foreign: FOREIGN KEY (named_step_id) REFERENCES tasker_named_steps(named_step_id)",
        "named_tasks_named_steps_named_task_id_foreign: FOREIGN KEY (named_task_id) REFERENCES tasker_named_tasks(named_task_id)",
        "task_annotations_annotation_type_id_foreign: FOREIGN KEY (annotation_type_id) REFERENCES tasker_annotation_types(annotation_type_id)",
        "task_annotations_task_id_foreign: FOREIGN KEY (task_id) REFERENCES tasker_tasks(task_id)",
    ];
    let hot = [
        "fk_rails_6e0f6eb833: FOREIGN KEY (workflow_step_id) REFERENCES tasker_workflow_steps(workflow_step_id)",
        "fk_rails_7b4652ccf2: FOREIGN KEY (from_step_id) REFERENCES tasker_workflow_steps(workflow_step_id)",
        "fk_rails_93ec0bf6eb: FOREIGN KEY (to_step_id) REFERENCES tasker_workflow_steps(workflow_step_id)",
        "fk_rails_e8caec803c: FOREIGN KEY (task_id) REFERENCES tasker_tasks(task_id)",
        "tasks_named_task_id_foreign: FOREIGN KEY (named_task_id) REFERENCES tasker_named_tasks(named_task_id)",
        "workflow_steps_named_step_id_foreign: FOREIGN KEY (named_step_id) REFERENCES tasker_named_steps(named_step_id)",
        "workflow_steps_task_id_foreign: FOREIGN KEY (task_id) REFERENCES tasker_tasks(task_id)",
    ];
    migrate(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    assert_eq!(
        BTreeSet::from_iter(names().await),
        cold.map(str::to_owned).into()
    );

    migrate(database.pool(), &rails_profile()).await.unwrap();
    let all: BTreeSet<String> = cold.into_iter().chain(hot).map(str::to_owned).collect();
    assert_eq!(BTreeSet::from_iter(names().await), all);
}

#[tokio::test]
async fn functions_are_stable_and_named_as_in_rails() {
    let database = TestDatabase::empty().await.unwrap();
    migrate(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT proname::text FROM pg_proc JOIN pg_language l ON l.oid = prolang
         WHERE pronamespace = 'public'::regnamespace AND provolatile = 's' AND NOT proisstrict
           AND proparallel = 'u' AND lanname = 'plpgsql' ORDER BY 1",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    let expected = [
        "calculate_dependency_levels",
        "get_analytics_metrics_v01",
        "get_slowest_steps_v01",
        "get_slowest_tasks_v01",
        "get_step_readiness_status",
        "get_step_readiness_status_batch",
        "get_system_health_counts_v01",
        "get_task_execution_context",
        "get_task_execution_contexts_batch",
    ];
    assert_eq!(names, expected);
}

/// Run with `UPDATE_GOLDEN=1` after a change of schema.
#[tokio::test]
async fn schema_dump_is_current() {
    let database = TestDatabase::empty().await.unwrap();
    migrate(database.pool(), &MigrateOptions::default())
        .await
        .unwrap();
    let head = "-- What the migrations leave behind: for reading and for review of a change,\n\
                -- not for loading. Written by the test schema_dump_is_current.\n\n";
    let found = head.to_owned() + &catalog::describe(database.pool()).await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/schema.sql");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &found).unwrap();
    }
    let golden = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        found == golden,
        "migrations/schema.sql is not current; run the test with UPDATE_GOLDEN=1"
    );
}
