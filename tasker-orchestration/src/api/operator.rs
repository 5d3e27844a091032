//! What an operator may write into the audit trail.
//!
//! NUL is refused with every body; these are the lengths.

use super::problem::{ApiError, ApiResult, INVALID_BODY};

const REASON_MAX: usize = 255;
const OPERATOR_MAX: usize = 128;

/// Checks the texts of an operator's request.
pub(crate) fn check_operator(reason: Option<&str>, operator: Option<&str>) -> ApiResult<()> {
    for (field, text, max) in [
        ("/reason", reason, REASON_MAX),
        ("/operator", operator, OPERATOR_MAX),
    ] {
        if text.is_some_and(|text| text.chars().count() > max) {
            let problem = format!("is longer than {max} characters");
            return Err(
                ApiError::new(&INVALID_BODY, format!("{field} {problem}")).field(field, problem)
            );
        }
    }
    Ok(())
}
