//! The `OpenAPI` document: what the routes declare, completed by what holds for
//! all of them, and the page that browses it.
//!
//! Routes name the statuses that are their own. The problems every route can
//! answer with are added here once, so that none can be forgotten.

use serde_json::{json, Map, Value};
use utoipa::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use super::problem::PROBLEM_JSON;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tasker Core",
        description = "Durable workflows on PostgreSQL: submit tasks, watch their steps, act on failures. \
            Times are UTC, RFC 3339. Bodies are JSON of at most 1 MiB unless configured otherwise; unknown \
            fields and parameters are refused. Errors are RFC 9457 problem documents; GET /problems lists \
            their codes. A task of an unknown template is refused with 422: the address exists, the content \
            is wrong; 404 is for resources named by the address.",
    ),
    components(schemas(tasker_shared::wire::Problem)),
    tags(
        (name = "tasks", description = "Runs of templates"),
        (name = "steps", description = "Nodes of a task"),
        (name = "templates", description = "Versioned definitions"),
        (name = "health", description = "What the service says of itself"),
        (name = "problems", description = "What the service answers when it cannot"),
    )
)]
pub(crate) struct Base;

/// Problems any operation can answer with.
const ALWAYS: &[(&str, &str)] = &[
    (
        "400",
        "A path or query parameter, or the body's JSON, cannot be read",
    ),
    ("500", "The service failed"),
    (
        "503",
        "The service or its database is overloaded, away or stopping; see Retry-After",
    ),
    (
        "504",
        "The request took too long; what was asked may still happen",
    ),
];

/// Problems of operations that read a body.
const WITH_BODY: &[(&str, &str)] = &[
    ("403", "A browser sent the request for a foreign page"),
    ("408", "The body did not arrive in time"),
    ("413", "The body is too large"),
    ("415", "The body's type is not supported"),
    (
        "422",
        "A field of the body is missing, unknown, of the wrong type or out of range",
    ),
];

/// The document, with the problems that hold for all operations.
pub(crate) fn complete(document: &utoipa::openapi::OpenApi) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(document)?;
    let operations = document
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|paths| paths.values_mut())
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut);
    for operation in operations {
        let has_body = operation.contains_key("requestBody");
        if let Some(responses) = operation
            .get_mut("responses")
            .and_then(Value::as_object_mut)
        {
            add_problems(responses, has_body);
        }
    }
    Ok(document)
}

fn add_problems(responses: &mut Map<String, Value>, has_body: bool) {
    let more = if has_body { WITH_BODY } else { &[] };
    for (status, description) in ALWAYS.iter().chain(more) {
        responses
            .entry(*status)
            .or_insert_with(|| json!({ "description": description }));
    }
    for (status, response) in responses {
        if status.as_str() >= "400" && response.get("content").is_none() {
            response["content"] = json!({
                PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } }
            });
        }
    }
}

/// `/docs`, which needs nothing from the network, and `/openapi.json`.
pub(crate) fn pages(document: Value) -> SwaggerUi {
    SwaggerUi::new("/docs").external_url_unchecked("/openapi.json", document)
}
