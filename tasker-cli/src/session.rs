//! What every command has at hand: the global flags, the output, and from them a
//! client, a configuration, a database.

use std::path::PathBuf;

use clap::Args;
use tasker_client::Client;
use tasker_shared::config::{self, Config, ConfigSources, Loaded};

use crate::failure::Failure;
use crate::output::Output;

const CONFIG_DIR_HELP: &str =
    "Directory of configuration and templates [default: $TASKER_CONFIG_DIR, or ./config]";
const NO_COLOR_HELP: &str = "No colours, as with the variable NO_COLOR";
const ENVIRONMENT_HELP: &str =
    "Environment whose files apply [default: $TASKER_ENV, or development]";

/// Flags that every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Address of the orchestration service
    #[arg(
        long,
        global = true,
        env = "TASKER_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub(crate) url: String,
    /// Directory of configuration and templates
    #[arg(long, global = true, value_name = "DIR", help = CONFIG_DIR_HELP)]
    pub(crate) config_dir: Option<PathBuf>,
    /// Environment whose files apply
    #[arg(long, global = true, value_name = "NAME", help = ENVIRONMENT_HELP)]
    pub(crate) environment: Option<String>,
    /// Sets one value of the configuration, over files and variables
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE", value_parser = key_value)]
    pub(crate) overrides: Vec<(String, String)>,
    /// No colours.
    #[arg(long, global = true, help = NO_COLOR_HELP)]
    pub(crate) no_color: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("expected section.key=value, such as engine.lease_ms=15000".to_owned()),
    }
}

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) globals: Globals,
    pub(crate) out: Output,
}

impl Session {
    pub(crate) fn new(globals: Globals) -> Self {
        let out = Output::new(globals.no_color);
        Self { globals, out }
    }

    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.globals.url)?)
    }

    /// What the configuration is read from; `more` overrides lie over the files and
    /// below the user's own `--set`.
    pub(crate) fn sources(&self, more: &[(&str, String)]) -> ConfigSources {
        let mut overrides: Vec<(String, String)> = more
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        overrides.extend(self.globals.overrides.iter().cloned());
        let mut sources = ConfigSources::from_process(self.globals.config_dir.clone(), overrides);
        if let Some(environment) = &self.globals.environment {
            sources.environment.clone_from(environment);
        }
        // Templates live in the configuration directory that the flag names, unless a
        // variable or another flag says otherwise.
        let named = sources
            .variables
            .iter()
            .any(|(name, _)| name == "TASKER__TEMPLATES__DIRECTORY");
        if let Some(directory) = self.globals.config_dir.as_ref().filter(|_| !named) {
            let setting = (
                "templates.directory".to_owned(),
                directory.display().to_string(),
            );
            sources.overrides.insert(0, setting);
        }
        sources
    }

    pub(crate) fn load(&self, more: &[(&str, String)]) -> Result<Loaded, Failure> {
        Ok(config::load(&self.sources(more))?)
    }

    pub(crate) fn config(&self) -> Result<Config, Failure> {
        Ok(self.load(&[])?.config)
    }
}

#[cfg(test)]
mod tests {
    use super::key_value;

    #[test]
    fn a_set_flag_names_section_and_key() {
        assert_eq!(
            key_value("a.b=c=d").unwrap(),
            ("a.b".to_owned(), "c=d".to_owned())
        );
        assert!(key_value("a=b").is_err());
        assert!(key_value("a.b").is_err());
    }
}
