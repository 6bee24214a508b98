//! `config`: what is configured, where that comes from, and what is wrong with it.
//!
//! The service's program reads its own configuration and tells; nothing of it is known here. The settings of `sfctl`
//! itself come from [`config`](crate::config).

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::Run;
use crate::arguments::{ConfigVerb, ShowArguments};
use crate::failure::Failure;
use crate::launch::configuration::{Document, read};
use crate::render::record::{Record, Value};

/// Carries out one of the verbs.
pub(super) async fn config(verb: ConfigVerb, run: &Run) -> Result<(), Failure> {
    match verb {
        ConfigVerb::Show(arguments) => show(arguments, run).await,
        ConfigVerb::Check { file } => check(file, run).await,
        ConfigVerb::Path => path(run).await,
    }
}

async fn show(arguments: ShowArguments, run: &Run) -> Result<(), Failure> {
    let document = usable(None, run).await?;
    let of_service = document.settings.into_iter().map(|setting| Row {
        is_default: setting.layer == "defaults",
        key: setting.key,
        value: setting.value,
        source: setting.source,
    });
    let own = run.settings.own.iter().map(|own| Row {
        is_default: own.source.is_none(),
        key: format!("sfctl.{}", own.name),
        value: Json::String(own.value.clone()),
        source: own.source.clone().unwrap_or_else(|| DEFAULTS.to_owned()),
    });
    let rows = of_service.chain(own);
    let records: Vec<_> = rows
        .filter(|row| !(arguments.changed && row.is_default))
        .map(|row| row.record(arguments.sources, run.wants_json()))
        .collect();
    if records.is_empty() {
        run.ui.note("every setting has its default");
    }
    run.print_list(records)
}

/// What the service calls its defaults.
const DEFAULTS: &str = "the built-in defaults";

/// A setting as it is shown.
struct Row {
    key: String,
    value: Json,
    source: String,
    is_default: bool,
}

impl Row {
    fn record(self, with_source: bool, as_json: bool) -> Record {
        let shown = match &self.value {
            Json::String(text) => text.clone(),
            value => value.to_string(),
        };
        let value = if as_json {
            Value::Several {
                lines: vec![shown],
                document: self.value,
            }
        } else {
            Value::Text(shown)
        };
        let mut record = vec![("key", Value::Whole(self.key)), ("value", value)];
        if with_source {
            record.push(("source", Value::Text(self.source)));
        }
        record
    }
}

async fn check(file: Option<PathBuf>, run: &Run) -> Result<(), Failure> {
    let document = usable(file.as_deref(), run).await?;
    let read: Vec<String> = document
        .files
        .iter()
        .filter(|file| file.outcome == "read")
        .map(|file| file.path.display().to_string())
        .collect();
    run.ui.note(&if read.is_empty() {
        "the configuration can be used; no file sets anything".to_owned()
    } else {
        format!("the configuration can be used; read from {}", read.join(", "))
    });
    Ok(())
}

async fn path(run: &Run) -> Result<(), Failure> {
    // Where the files are is told whatever is wrong with them: that is when one looks for them.
    let document = read(&run.settings, None).await?;
    let settings = document
        .files
        .into_iter()
        .map(|file| (file.layer, file.path, file.outcome));
    let connections = document
        .connections
        .into_iter()
        .map(|file| ("connections".to_owned(), file.path, file.outcome));
    run.print_list(
        settings
            .chain(connections)
            .map(|(layer, path, outcome)| {
                vec![
                    ("layer", Value::Text(layer)),
                    ("path", Value::Whole(path.display().to_string())),
                    ("found", Value::Text(outcome)),
                ]
            })
            .collect(),
    )
}

/// The configuration, if it can be used.
async fn usable(file: Option<&Path>, run: &Run) -> Result<Document, Failure> {
    let document = read(&run.settings, file).await?;
    for warning in &document.warnings {
        run.ui.warning(warning);
    }
    match document.faults.as_slice() {
        [] => Ok(document),
        faults => Err(unusable(faults.iter().map(ToString::to_string))),
    }
}

/// A configuration with these faults.
pub(super) fn unusable(faults: impl Iterator<Item = String>) -> Failure {
    let mut failure = Failure::usage("the configuration cannot be used");
    failure.facts.extend(faults);
    failure
}
