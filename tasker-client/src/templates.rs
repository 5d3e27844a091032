//! Calls on templates.

use tasker_shared::wire::{
    TemplateDetail, TemplateList, TemplateRegistered, TemplateRequest, TemplateSummary,
    TemplateValidation,
};

use crate::{Client, ClientError};

impl Client {
    /// Every registered version of every template.
    pub async fn templates(&self) -> Result<Vec<TemplateSummary>, ClientError> {
        let list: TemplateList = self.get(&["v1", "templates"]).await?;
        Ok(list.templates)
    }

    pub async fn template(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<TemplateDetail, ClientError> {
        self.get(&["v1", "templates", namespace, name, version])
            .await
    }

    /// Registers a template given as YAML.
    pub async fn register_template(&self, yaml: &str) -> Result<TemplateRegistered, ClientError> {
        self.post(
            &["v1", "templates"],
            &TemplateRequest {
                yaml: yaml.to_owned(),
            },
        )
        .await
    }

    /// Checks a template given as YAML; faults are part of the answer.
    pub async fn validate_template(&self, yaml: &str) -> Result<TemplateValidation, ClientError> {
        self.post(
            &["v1", "templates", "validate"],
            &TemplateRequest {
                yaml: yaml.to_owned(),
            },
        )
        .await
    }
}
