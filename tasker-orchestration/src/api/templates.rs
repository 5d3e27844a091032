//! `/v1/templates`: register, validate, list, read.
//!
//! A template is refused with all its faults at once. New content under a known
//! version is what new tasks run from then on; tasks that run already keep the
//! content they started with.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use tasker_shared::domain::{parse_template, Namespace, Problem as Fault, TemplateName, Version};
use tasker_shared::store::templates;
use tasker_shared::wire::{
    TemplateDetail, TemplateList, TemplateProblem, TemplateRegistered, TemplateRequest,
    TemplateValidation,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{NoParams, Params, TemplatePath, TemplateText};
use super::problem::{ApiError, ApiResult, NOT_FOUND, TEMPLATE_INVALID};
use super::AppState;

/// What faults name as their source: the text came in a request.
const SOURCE: &str = "request";

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_templates, register_template))
        .routes(routes!(validate_template))
        .routes(routes!(get_template))
}

/// Lists the registered templates, every version.
#[utoipa::path(
    get, path = "/v1/templates", tag = "templates",
    responses((status = 200, description = "The templates", body = TemplateList))
)]
async fn list_templates(
    State(state): State<AppState>,
    Params(NoParams {}): Params<NoParams>,
) -> ApiResult<Json<TemplateList>> {
    let templates = templates::list(&state.store).await?;
    Ok(Json(TemplateList { templates }))
}

/// Registers a template.
///
/// Tasks that run already keep the content they started with.
#[utoipa::path(
    post, path = "/v1/templates", tag = "templates",
    request_body(content(
        (TemplateRequest = "application/json"), (String = "application/yaml"), (String = "text/yaml"),
    )),
    responses(
        (status = 201, description = "Registered", body = TemplateRegistered),
        (status = 200, description = "Exactly this was registered before", body = TemplateRegistered),
        (status = 422, description = "The template has faults; `template` lists them all"),
    )
)]
async fn register_template(
    State(state): State<AppState>,
    Params(NoParams {}): Params<NoParams>,
    TemplateText(text): TemplateText,
) -> ApiResult<Response> {
    let parsed = parse_template(&text, SOURCE, &state.options.environment).map_err(|error| {
        let faults: Vec<_> = error.problems.iter().map(fault).collect();
        let detail = format!("the template has {} fault(s)", faults.len());
        ApiError::new(&TEMPLATE_INVALID, detail).template(faults)
    })?;
    let registered = templates::register(&state.store, &parsed.template).await?;
    let status = if registered.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let answer = TemplateRegistered {
        template: registered.summary,
        created: registered.created,
        warnings: parsed.warnings.iter().map(fault).collect(),
    };
    Ok((status, Json(answer)).into_response())
}

/// Checks a template and registers nothing.
#[utoipa::path(
    post, path = "/v1/templates/validate", tag = "templates",
    request_body(content(
        (TemplateRequest = "application/json"), (String = "application/yaml"), (String = "text/yaml"),
    )),
    responses((status = 200, description = "What was found; `valid` says whether it could be registered", body = TemplateValidation))
)]
async fn validate_template(
    State(state): State<AppState>,
    Params(NoParams {}): Params<NoParams>,
    TemplateText(text): TemplateText,
) -> Json<TemplateValidation> {
    let (errors, warnings) = match parse_template(&text, SOURCE, &state.options.environment) {
        Ok(parsed) => (Vec::new(), parsed.warnings),
        Err(error) => (error.problems, Vec::new()),
    };
    Json(TemplateValidation {
        valid: errors.is_empty(),
        errors: errors.iter().map(fault).collect(),
        warnings: warnings.iter().map(fault).collect(),
    })
}

/// Shows a template version with its definition.
#[utoipa::path(
    get, path = "/v1/templates/{namespace}/{name}/{version}", tag = "templates",
    params(
        ("namespace" = String, Path, description = "Namespace of the template"),
        ("name" = String, Path, description = "Name of the template; a slash in it is written %2F"),
        ("version" = String, Path, description = "Version, d.d.d"),
    ),
    responses(
        (status = 200, description = "The template", body = TemplateDetail),
        (status = 404, description = "No template of this namespace, name and version is registered"),
    )
)]
async fn get_template(
    State(state): State<AppState>,
    path: TemplatePath,
    Params(NoParams {}): Params<NoParams>,
) -> ApiResult<Json<TemplateDetail>> {
    let refused = |name| {
        move |error: tasker_shared::domain::NameError| ApiError::parameter(name, error.to_string())
    };
    let namespace = Namespace::parse(&path.namespace).map_err(refused("namespace"))?;
    let name = TemplateName::parse(&path.name).map_err(refused("name"))?;
    let version = Version::parse(&path.version).map_err(refused("version"))?;
    let found = templates::get(
        &state.store,
        namespace.as_str(),
        name.as_str(),
        version.as_str(),
    )
    .await?;
    found.map(Json).ok_or_else(|| {
        ApiError::new(
            &NOT_FOUND,
            format!("no template {namespace}/{name}/{version} is registered"),
        )
    })
}

fn fault(problem: &Fault) -> TemplateProblem {
    TemplateProblem {
        source: problem.source.clone(),
        line: problem.line,
        step: problem.step.clone(),
        code: problem.code.to_owned(),
        message: problem.message.clone(),
    }
}
