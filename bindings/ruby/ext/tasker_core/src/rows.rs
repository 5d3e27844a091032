//! `TaskerCore::Native::Rows`: rows that the Rails engine's API reads and writes besides
//! those of the running step. A worker and each of its executions give one out.
//!
//! Answers are Hashes with String keys; times are texts. What is refused is raised as
//! `TaskerCore::RecordError`.

use std::sync::Arc;

use magnus::{method, prelude::*, Error, RModule, Ruby, Value};
use serde_json::{json, Value as Json};
use tasker_shared::store::read::{self, TaskRow};
use tasker_shared::store::records::{self, Annotation, AnnotationType, TypeMade};

use crate::decode::to_ruby;
use crate::encode;
use crate::entry::entry_of;
use crate::steps::{time, Reader};

/// See the module.
#[magnus::wrap(class = "TaskerCore::Native::Rows", free_immediately, size)]
pub(crate) struct Rows {
    reader: Arc<Reader>,
    owner: u32,
}

impl Rows {
    pub(crate) fn new(reader: Arc<Reader>, owner: u32) -> Self {
        Self { reader, owner }
    }

    /// nil without such a task.
    fn task(&self, task_id: i64) -> Result<Value, Error> {
        entry_of(self.owner, |ruby| task(ruby, &self.reader, task_id))
    }

    fn steps(&self, task_id: i64) -> Result<Value, Error> {
        entry_of(self.owner, |ruby| self.reader.steps(ruby, task_id))
    }

    /// Of the task and its steps, oldest first.
    fn transitions(&self, task_id: i64) -> Result<Value, Error> {
        entry_of(self.owner, |ruby| {
            let views = self.reader.ask(ruby, |store| async move {
                let task = read::task(&store, task_id, false, true).await?;
                Ok(task.and_then(|task| task.transitions).unwrap_or_default())
            })?;
            to_ruby(&serde_json::to_value(views).unwrap_or_default())
        })
    }

    /// By whoever has no attempt of the task under way.
    fn save_context(&self, task_id: i64, context: Value) -> Result<(), Error> {
        entry_of(self.owner, |ruby| {
            let context = encode::to_json(ruby, "context", context)?;
            self.reader.ask(ruby, |store| async move {
                records::save_context(&store, task_id, &context, None).await
            })
        })
    }

    /// nil if there is none of this name.
    fn annotation_type(&self, name: String) -> Result<Value, Error> {
        entry_of(self.owner, |ruby| {
            let found = self.reader.ask(ruby, |store| async move {
                Ok(records::annotation_type(&store, &name).await?)
            })?;
            to_ruby(&found.as_ref().map_or(Json::Null, annotation_type))
        })
    }

    /// `[type, made]`: made is false if one of this name was there.
    fn make_annotation_type(
        &self,
        name: String,
        description: Option<String>,
    ) -> Result<Value, Error> {
        entry_of(self.owner, |ruby| {
            let made = self.reader.ask(ruby, |store| async move {
                records::make_annotation_type(&store, &name, description.as_deref()).await
            })?;
            to_ruby(&match made {
                TypeMade::New(made) => json!([annotation_type(&made), true]),
                TypeMade::Present(present) => json!([annotation_type(&present), false]),
            })
        })
    }

    fn annotate(&self, task_id: i64, type_id: i64, note: Value) -> Result<Value, Error> {
        entry_of(self.owner, |ruby| {
            // Ids of types begin with 1, and none is larger.
            let type_id = i32::try_from(type_id).unwrap_or(0);
            let note = encode::to_json(ruby, "annotation", note)?;
            let made = self.reader.ask(ruby, |store| async move {
                records::annotate(&store, task_id, type_id, &note).await
            })?;
            to_ruby(&annotation(&made))
        })
    }

    /// Of a task, oldest first.
    fn annotations(&self, task_id: i64) -> Result<Value, Error> {
        entry_of(self.owner, |ruby| {
            let found = self.reader.ask(ruby, |store| async move {
                Ok(records::annotations(&store, task_id).await?)
            })?;
            to_ruby(&found.iter().map(annotation).collect())
        })
    }
}

/// The row of a task as a Hash, or nil.
pub(crate) fn task(ruby: &Ruby, reader: &Reader, task_id: i64) -> Result<Value, Error> {
    let row = reader.ask(ruby, |store| async move {
        Ok(read::task_row(&store, task_id).await?)
    })?;
    to_ruby(&row.as_ref().map_or(Json::Null, task_hash))
}

fn task_hash(row: &TaskRow) -> Json {
    json!({
        "task_id": row.task_id,
        "named_task_id": row.named_task_id,
        "namespace": row.namespace,
        "name": row.name,
        "version": row.version,
        "state": row.state.as_str(),
        "complete": row.complete,
        "requested_at": time(row.requested_at),
        "initiator": row.initiator,
        "source_system": row.source_system,
        "reason": row.reason,
        "bypass_steps": row.bypass_steps,
        "tags": row.tags,
        "context": row.context,
        "identity_hash": row.identity_hash,
        "created_at": time(row.created_at),
        "updated_at": time(row.updated_at),
        "run_started_at": row.run_started_at.map(time),
        "only_sink": row.only_sink,
    })
}

fn annotation_type(row: &AnnotationType) -> Json {
    json!({
        "annotation_type_id": row.annotation_type_id,
        "name": row.name,
        "description": row.description,
        "created_at": time(row.created_at),
        "updated_at": time(row.updated_at),
    })
}

fn annotation(row: &Annotation) -> Json {
    json!({
        "task_annotation_id": row.task_annotation_id,
        "task_id": row.task_id,
        "annotation_type": annotation_type(&row.annotation_type),
        "annotation": row.annotation,
        "created_at": time(row.created_at),
        "updated_at": time(row.updated_at),
    })
}

pub(crate) fn define(ruby: &Ruby, native: RModule) -> Result<(), Error> {
    let class = native.define_class("Rows", ruby.class_object())?;
    class.undef_default_alloc_func();
    class.define_method("task", method!(Rows::task, 1))?;
    class.define_method("steps", method!(Rows::steps, 1))?;
    class.define_method("transitions", method!(Rows::transitions, 1))?;
    class.define_method("save_context", method!(Rows::save_context, 2))?;
    class.define_method("annotation_type", method!(Rows::annotation_type, 1))?;
    class.define_method(
        "make_annotation_type",
        method!(Rows::make_annotation_type, 2),
    )?;
    class.define_method("annotate", method!(Rows::annotate, 3))?;
    class.define_method("annotations", method!(Rows::annotations, 1))
}
