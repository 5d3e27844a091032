//! What the errors of the store and the intake mean to a caller.
//!
//! The store's own code decides the kind of problem, so the two tables cannot
//! drift apart; its text goes to the log, never to the caller.

use std::sync::Arc;

use tasker_shared::store::operate::OperateError;
use tasker_shared::store::read::ReadError;
use tasker_shared::store::submit::SubmitError;
use tasker_shared::store::StoreError;

use super::problem::{
    ApiError, CONTEXT_REFUSED, INVALID_BODY, KINDS, NOT_ALLOWED, NOT_DRIVEN, OVERLOADED, STOPPING,
    UNKNOWN_TEMPLATE,
};
use crate::intake::IntakeError;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Arc::new(error).into()
    }
}

/// Shared where one failed transaction held the submissions of several callers.
impl From<Arc<StoreError>> for ApiError {
    fn from(error: Arc<StoreError>) -> Self {
        match KINDS.iter().find(|kind| kind.code == error.code()) {
            Some(kind) => Self::new(kind, kind.meaning).caused_by(error),
            None => Self::internal(error),
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let kind = match error {
            SubmitError::Store(error) => return error.into(),
            SubmitError::Fields(_) => &INVALID_BODY,
            SubmitError::Context(_) => &CONTEXT_REFUSED,
            SubmitError::UnknownTemplate { .. } => &UNKNOWN_TEMPLATE,
        };
        Self::new(kind, error.to_string()).fields(error.fields())
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::BadCursor => Self::parameter("cursor", "is not the next_cursor of a page"),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Full => {
                Self::new(&OVERLOADED, "more submissions wait than the database takes")
            }
            IntakeError::Stopped => Self::new(&STOPPING, "the service takes no more submissions"),
            IntakeError::Store(error) => error.into(),
        }
    }
}

/// What a refused operator's verb means; `missing` is what is not there.
pub(crate) fn operated(error: OperateError, missing: ApiError) -> ApiError {
    match error {
        OperateError::NotFound { .. } => missing,
        OperateError::NotDriven => ApiError::new(&NOT_DRIVEN, NOT_DRIVEN.meaning),
        OperateError::NotAllowed { detail, .. } => ApiError::new(&NOT_ALLOWED, detail),
        OperateError::Store(error) => error.into(),
    }
}
