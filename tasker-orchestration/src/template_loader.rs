//! Templates from the disk of the service: all at start, and on demand when a
//! submission names one that is not registered yet.
//!
//! A version may lie in three places (see `tasker_shared::template_files`); the
//! most specific one counts, whatever order they are read in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tasker_shared::domain::{
    parse_template_within, Namespace, Parsed, TemplateLimits, TemplateName, Version,
};
use tasker_shared::store::{templates, Store, StoreError};
use tasker_shared::template_files;

/// Files larger than a request may be are still read from the disk of the
/// service: a step with 10,000 siblings takes some 600 KiB.
const FILE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Registers templates found on disk. Cheap to clone.
#[derive(Clone)]
pub struct TemplateLoader {
    store: Store,
    directory: Arc<Path>,
    environment: Arc<str>,
}

impl TemplateLoader {
    /// `directory` is the configuration directory: files lie below its `tasks`.
    pub fn new(store: Store, directory: &Path, environment: &str) -> Self {
        Self {
            store,
            directory: directory.join("tasks").into(),
            environment: environment.into(),
        }
    }

    /// Registers every template there is. A file that is wrong is logged with
    /// all its problems and left out: the others must not suffer.
    ///
    /// # Errors
    /// What the store says.
    pub async fn load_all(&self) -> Result<(), StoreError> {
        let mut loaded = 0;
        for path in template_files::find(&self.directory) {
            loaded += usize::from(self.load(path).await?);
        }
        tracing::info!(loaded, directory = %self.directory.display(), "templates registered");
        Ok(())
    }

    /// Registers what the disk has under this name; true if that was anything.
    ///
    /// # Errors
    /// What the store says.
    pub async fn load_named(
        &self,
        namespace: &Namespace,
        name: &TemplateName,
        version: Option<&Version>,
    ) -> Result<bool, StoreError> {
        let mut found = false;
        for path in template_files::candidates(&self.directory, namespace, name, version) {
            found |= self.load(path).await?;
        }
        Ok(found)
    }

    async fn load(&self, path: PathBuf) -> Result<bool, StoreError> {
        let environment = self.environment.clone();
        let read = tokio::task::spawn_blocking(move || (parse(&path, &environment), path)).await;
        let Ok((Some(parsed), path)) = read else {
            return Ok(false);
        };
        let template = &parsed.template;
        let rightful = template_files::locate(
            &self.directory,
            &template.namespace,
            &template.name,
            &template.version,
        );
        if let Some(other) = rightful.filter(|rightful| *rightful != path) {
            // The other one counts only if it says that it is this version too.
            let environment = self.environment.clone();
            let shadow =
                tokio::task::spawn_blocking(move || (parse(&other, &environment), other)).await;
            if let Ok((
                Some(Parsed {
                    template: shadowing,
                    ..
                }),
                other,
            )) = shadow
            {
                let same = shadowing.namespace == template.namespace
                    && shadowing.name == template.name
                    && shadowing.version == template.version;
                if same {
                    tracing::warn!(file = %path.display(), by = %other.display(), "template shadowed");
                    return Ok(false);
                }
            }
        }
        templates::register(&self.store, template).await?;
        Ok(true)
    }
}

/// Reads one file; `None` if it cannot be used, which is logged.
fn parse(path: &Path, environment: &str) -> Option<Parsed> {
    let shown = path.display().to_string();
    let limits = TemplateLimits {
        max_bytes: FILE_MAX_BYTES,
        ..TemplateLimits::default()
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(file = %shown, %error, "template not read");
            return None;
        }
    };
    match parse_template_within(&text, &shown, environment, &limits) {
        Ok(parsed) => {
            for warning in &parsed.warnings {
                tracing::warn!("{warning}");
            }
            Some(parsed)
        }
        Err(error) => {
            tracing::error!(file = %shown, "template refused:\n{error}");
            None
        }
    }
}
