//! The catalog as text.
//!
//! [`describe`] is what people read and `migrations/schema.sql` holds: the same
//! on every PostgreSQL version and for every database. [`fingerprint`] is for
//! machines: object ids and row versions included, it changes with any DDL.

use std::fmt::Write as _;

use sqlx::PgPool;

type Pair = (String, String);

/// Tables, columns, keys, indexes, views and function signatures of schemas
/// `public` and `tasker`, in name order.
pub(crate) async fn describe(pool: &PgPool) -> String {
    let mut text = String::new();
    for schema in ["public", "tasker"] {
        writeln!(text, "-- Schema {schema}\n").unwrap();
        for (relation, head) in relations(pool, schema).await {
            writeln!(text, "{head} (").unwrap();
            let mut items = columns(pool, schema, &relation).await;
            items.extend(constraints(pool, schema, &relation).await);
            writeln!(text, "    {}\n);", items.join(",\n    ")).unwrap();
            for index in indexes(pool, schema, &relation).await {
                writeln!(text, "{index};").unwrap();
            }
            text.push('\n');
        }
        for function in functions(pool, schema).await {
            writeln!(text, "{function};").unwrap();
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

/// Ids, row versions and bodies of everything in `public`, in a fixed order.
pub(crate) async fn fingerprint(pool: &PgPool) -> Vec<String> {
    strings(
        pool,
        "",
        "",
        "SELECT x FROM (
           SELECT format('class %s %s %s', c.oid, c.xmin, c) FROM pg_class c
            WHERE relnamespace = 'public'::regnamespace
           UNION ALL SELECT format('column %s %s', a.xmin, a) FROM pg_attribute a
            JOIN pg_class c ON c.oid = attrelid AND relnamespace = 'public'::regnamespace
           UNION ALL SELECT format('constraint %s %s', c.xmin, c) FROM pg_constraint c
            WHERE connamespace = 'public'::regnamespace
           UNION ALL SELECT format('index %s %s', i.xmin, i) FROM pg_index i
            JOIN pg_class c ON c.oid = indexrelid AND relnamespace = 'public'::regnamespace
           UNION ALL SELECT format('trigger %s %s', t.xmin, t) FROM pg_trigger t
            JOIN pg_class c ON c.oid = tgrelid AND relnamespace = 'public'::regnamespace
           UNION ALL SELECT format('function %s %s', p.xmin, p) FROM pg_proc p
            WHERE pronamespace = 'public'::regnamespace
           UNION ALL SELECT format('default %s %s', d.xmin, d) FROM pg_attrdef d
            JOIN pg_class c ON c.oid = adrelid AND relnamespace = 'public'::regnamespace
           UNION ALL SELECT format('rule %s %s', r.xmin, r) FROM pg_rewrite r
            JOIN pg_class c ON c.oid = ev_class AND relnamespace = 'public'::regnamespace
         ) all_of_it (x) WHERE $1 = $2 ORDER BY x",
    )
    .await
}

async fn relations(pool: &PgPool, schema: &str) -> Vec<Pair> {
    sqlx::query_as(
        "SELECT relname::text,
                CASE relkind WHEN 'v' THEN 'VIEW ' ELSE 'TABLE ' END || relname
                || COALESCE(' WITH (' || array_to_string(reloptions, ', ') || ')', '')
         FROM pg_class
         WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p', 'v') ORDER BY 1",
    )
    .bind(schema)
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn columns(pool: &PgPool, schema: &str, relation: &str) -> Vec<String> {
    strings(
        pool,
        schema,
        relation,
        "SELECT concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod),
                          CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                          CASE WHEN a.attidentity <> '' THEN 'IDENTITY' END,
                          'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid))
         FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = to_regnamespace($1) AND c.relname = $2
           AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    )
    .await
}

/// NOT NULL is shown with its column; since PostgreSQL 18 it is a constraint too.
async fn constraints(pool: &PgPool, schema: &str, relation: &str) -> Vec<String> {
    strings(
        pool,
        schema,
        relation,
        "SELECT format('CONSTRAINT %s %s', conname, pg_get_constraintdef(k.oid))
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         WHERE c.relnamespace = to_regnamespace($1) AND c.relname = $2 AND contype <> 'n'
         ORDER BY conname",
    )
    .await
}

async fn indexes(pool: &PgPool, schema: &str, relation: &str) -> Vec<String> {
    strings(
        pool,
        schema,
        relation,
        "SELECT indexdef FROM pg_indexes WHERE schemaname = $1 AND tablename = $2 ORDER BY indexname",
    )
    .await
}

async fn functions(pool: &PgPool, schema: &str) -> Vec<String> {
    strings(
        pool,
        schema,
        "",
        "SELECT format('FUNCTION %s(%s) RETURNS %s', proname, pg_get_function_arguments(oid),
                       pg_get_function_result(oid))
         FROM pg_proc WHERE pronamespace = to_regnamespace($1) AND $2 = '' ORDER BY 1",
    )
    .await
}

/// Rows of one text column; both parameters must occur in the statement.
async fn strings(pool: &PgPool, schema: &str, relation: &str, sql: &str) -> Vec<String> {
    sqlx::query_scalar(sql)
        .bind(schema)
        .bind(relation)
        .fetch_all(pool)
        .await
        .unwrap()
}
