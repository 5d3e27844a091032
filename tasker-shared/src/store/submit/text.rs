//! The statement that writes a task, for a connection that is not ours: its parameters
//! in PostgreSQL's text format, which every driver of every language can send.
//!
//! For those who submit inside a transaction of their own. The ids in it are those of the
//! database the template was read from, and may be another template's in the database it
//! is sent to, so it writes nothing where the template is not the same one. The statement casts all of
//! its parameters and names the time zone wherever there is one, so of the settings of
//! a session it needs the search path alone: [`search_path`](crate::store::search_path).

use chrono::NaiveDateTime;
use serde_json::Value;

use super::columns::{StepColumns, TaskColumns};
use super::write::SUBMIT;
use super::NewTask;
use crate::store::queue;

/// Whether the ids mean there what they mean here. All of them are looked up by key.
const SAME: &str = "WHERE EXISTS (
               SELECT FROM tasker.templates d
                WHERE d.definition_id = t.definition_id AND d.named_task_id = t.named_task_id AND d.digest = $25::text)
       AND NOT EXISTS (
               SELECT FROM unnest($18::integer[], $26::text[]) AS s(id, name)
                WHERE NOT EXISTS (SELECT FROM tasker_named_steps n WHERE n.named_step_id = s.id AND n.name = s.name))";

/// submit.sql for one task. It returns one row, or none where the identity exists or the
/// template is not the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextStatement {
    pub sql: String,
    /// $1 and so on, none of them null.
    pub params: Vec<String>,
}

impl TextStatement {
    pub fn of(task: &NewTask) -> Self {
        let batch = [task];
        let of_tasks = TaskColumns::of(&batch);
        let of_steps = StepColumns::of(&batch);
        let definition = &task.definition;
        let names = definition
            .template
            .steps
            .iter()
            .map(|step| step.name.to_string());
        Self {
            sql: queue::for_namespace(SUBMIT, definition.namespace()).replace("{same}", SAME),
            params: vec![
                bare(&of_tasks.named),
                quoted(of_tasks.requested.iter().map(time)),
                texts(&of_tasks.initiators),
                texts(&of_tasks.sources),
                texts(&of_tasks.reasons),
                quoted(of_tasks.tags.iter().map(Value::to_string)),
                quoted(of_tasks.contexts.iter().map(ToString::to_string)),
                texts(&of_tasks.identities),
                bare(&of_tasks.definitions),
                bare(&of_tasks.priorities),
                bare(&of_tasks.roots),
                bare(&of_tasks.steps),
                nullable(&of_tasks.keys),
                texts(&of_tasks.correlations),
                nullable(&of_tasks.traces),
                quoted(of_tasks.bypassed.into_iter()),
                bare(&of_steps.tasks),
                bare(&of_steps.named),
                bare(&of_steps.retryable),
                bare(&of_steps.limits),
                bare(&of_steps.skippable),
                bare(&of_steps.parents),
                bare(&of_steps.edges_from),
                bare(&of_steps.edges_to),
                definition.digest.clone(),
                quoted(names),
            ],
        }
    }
}

/// To the microsecond, as the database keeps it.
fn time(time: &NaiveDateTime) -> String {
    time.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// An array of what needs no quotes: numbers, true and false.
fn bare<T: ToString>(items: &[T]) -> String {
    array(items.iter().map(ToString::to_string))
}

fn texts(items: &[&str]) -> String {
    quoted(items.iter().map(ToString::to_string))
}

fn quoted(items: impl Iterator<Item = String>) -> String {
    array(items.map(|item| quote(&item)))
}

/// NULL without quotes is the null.
fn nullable(items: &[Option<&str>]) -> String {
    array(
        items
            .iter()
            .map(|item| item.map_or_else(|| "NULL".to_owned(), quote)),
    )
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("{{{}}}", items.collect::<Vec<_>>().join(","))
}

/// Inside quotes only the quote and the backslash mean something.
fn quote(item: &str) -> String {
    format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::{bare, nullable, texts};

    #[test]
    fn what_means_something_in_an_array_is_quoted() {
        assert_eq!(
            texts(&["a,b", "{}", "NULL", "", "say \"hi\"", "back\\slash"]),
            r#"{"a,b","{}","NULL","","say \"hi\"","back\\slash"}"#
        );
        assert_eq!(nullable(&[None, Some("NULL")]), r#"{NULL,"NULL"}"#);
        assert_eq!(bare(&[1, -2]), "{1,-2}");
        assert_eq!(bare::<i32>(&[]), "{}");
        assert_eq!(bare(&[true, false]), "{true,false}");
    }
}
