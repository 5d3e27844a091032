//! Annotations: notes on tasks, each of a type that has a name.
//!
//! The engine itself reads none of them. Rows and columns are those of the Rails engine.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::Row;

use super::{check_stored, task_exists, RecordError};
use crate::store::{Store, StoreError};
use crate::wire::FieldProblem;

/// A type of annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationType {
    pub annotation_type_id: i32,
    pub name: String,
    pub description: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A note on a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    pub task_annotation_id: i64,
    pub task_id: i64,
    pub annotation_type: AnnotationType,
    pub annotation: Value,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What became of the wish for a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeMade {
    New(AnnotationType),
    /// One of that name was there. Its description is as it was.
    Present(AnnotationType),
}

/// Lengths of the Rails columns, in characters.
const NAME_MAX: usize = 64;
const DESCRIPTION_MAX: usize = 255;

const TYPE_COLUMNS: &str = "annotation_type_id, name, description, created_at, updated_at";

/// The type of a name.
///
/// # Errors
/// As for any statement.
pub async fn annotation_type(
    store: &Store,
    name: &str,
) -> Result<Option<AnnotationType>, StoreError> {
    if name.contains('\0') {
        return Ok(None);
    }
    let row = sqlx::query(&format!(
        "SELECT {TYPE_COLUMNS} FROM tasker_annotation_types WHERE name = $1"
    ))
    .bind(name)
    .fetch_optional(store.pool())
    .await?;
    Ok(row.as_ref().map(|row| type_of(row, "")).transpose()?)
}

/// Makes a type, unless there is one of this name: names are unique, and of processes that
/// make the same one at once each gets the same.
///
/// # Errors
/// `Refused` naming the field.
pub async fn make_annotation_type(
    store: &Store,
    name: &str,
    description: Option<&str>,
) -> Result<TypeMade, RecordError> {
    check_text("name", name, 1, NAME_MAX)?;
    check_text(
        "description",
        description.unwrap_or_default(),
        0,
        DESCRIPTION_MAX,
    )?;
    // Looked for first, since an insert that is not made draws an id all the same.
    if let Some(present) = annotation_type(store, name).await? {
        return Ok(TypeMade::Present(present));
    }
    let row = sqlx::query(&format!(
        "INSERT INTO tasker_annotation_types (name, description, created_at, updated_at)
         VALUES ($1, $2, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
         ON CONFLICT (name) DO NOTHING RETURNING {TYPE_COLUMNS}"
    ))
    .bind(name)
    .bind(description)
    .fetch_optional(store.pool())
    .await?;
    if let Some(row) = row {
        return Ok(TypeMade::New(type_of(&row, "")?));
    }
    match annotation_type(store, name).await? {
        Some(present) => Ok(TypeMade::Present(present)),
        None => Err(RecordError::NotFound {
            what: "annotation type: it was deleted just now",
        }),
    }
}

/// Writes a note of a type on a task.
///
/// # Errors
/// `Refused` for what cannot be stored; `NotFound` without such a task or type.
pub async fn annotate(
    store: &Store,
    task_id: i64,
    annotation_type_id: i32,
    annotation: &Value,
) -> Result<Annotation, RecordError> {
    check_stored("annotation", annotation, store)?;
    let id: Option<i64> = sqlx::query_scalar(
        "INSERT INTO tasker_task_annotations (task_id, annotation_type_id, annotation, created_at, updated_at)
         SELECT t.task_id, a.annotation_type_id, $3, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
           FROM tasker_tasks t, tasker_annotation_types a
          WHERE t.task_id = $1 AND a.annotation_type_id = $2
         RETURNING task_annotation_id",
    )
    .bind(task_id)
    .bind(annotation_type_id)
    .bind(annotation)
    .fetch_optional(store.pool())
    .await?;
    let missing = |what| Err(RecordError::NotFound { what });
    let Some(id) = id else {
        return if task_exists(store, task_id).await? {
            missing("annotation type")
        } else {
            missing("task")
        };
    };
    let written = annotations(store, task_id).await?;
    let found = written.into_iter().find(|one| one.task_annotation_id == id);
    found.map_or_else(|| missing("annotation: it was deleted just now"), Ok)
}

/// The notes on a task, oldest first.
///
/// # Errors
/// As for any statement.
pub async fn annotations(store: &Store, task_id: i64) -> Result<Vec<Annotation>, StoreError> {
    let rows = sqlx::query(
        "SELECT a.task_annotation_id, a.annotation, a.created_at, a.updated_at, y.annotation_type_id,
                y.name, y.description, y.created_at AS type_created_at, y.updated_at AS type_updated_at
           FROM tasker_task_annotations a
           JOIN tasker_annotation_types y USING (annotation_type_id)
          WHERE a.task_id = $1
          ORDER BY a.task_annotation_id",
    )
    .bind(task_id)
    .fetch_all(store.pool())
    .await?;
    let annotation = |row: &PgRow| -> Result<Annotation, sqlx::Error> {
        let value: Option<Value> = row.try_get("annotation")?;
        Ok(Annotation {
            task_annotation_id: row.try_get("task_annotation_id")?,
            task_id,
            annotation_type: type_of(row, "type_")?,
            annotation: value.unwrap_or(Value::Null),
            created_at: utc(row, "created_at")?,
            updated_at: utc(row, "updated_at")?,
        })
    };
    Ok(rows.iter().map(annotation).collect::<Result<_, _>>()?)
}

fn type_of(row: &PgRow, prefix: &str) -> Result<AnnotationType, sqlx::Error> {
    Ok(AnnotationType {
        annotation_type_id: row.try_get("annotation_type_id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        created_at: utc(row, &format!("{prefix}created_at"))?,
        updated_at: utc(row, &format!("{prefix}updated_at"))?,
    })
}

fn utc(row: &PgRow, column: &str) -> Result<DateTime<Utc>, sqlx::Error> {
    Ok(row.try_get::<NaiveDateTime, _>(column)?.and_utc())
}

fn check_text(field: &str, text: &str, min: usize, max: usize) -> Result<(), RecordError> {
    let length = text.chars().count();
    let problem = if text.contains('\0') {
        "contains the character U+0000".to_owned()
    } else if (min..=max).contains(&length) {
        return Ok(());
    } else {
        format!("has {length} characters")
    };
    Err(RecordError::Refused(FieldProblem {
        field: field.to_owned(),
        problem,
        remedy: Some(format!("give {min} to {max} characters")),
    }))
}
