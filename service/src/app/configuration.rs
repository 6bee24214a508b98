//! The configuration as a document for programs: what `sfctl config` shows to people.

use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::Serialize;

use super::{Failure, remote, socket_of};
use crate::backend;
use crate::config::{self, Environment, Examined, FileOutcome, Listing, RunFlags, SettingsFile};

/// Everything that is known of a configuration. Values of connections are not part of it: there are secrets among them.
#[derive(Serialize)]
struct Document {
    files: Vec<SettingsFile>,
    /// Snowflake's own files, which say what connections there are.
    connections: Vec<ConnectionsFile>,
    settings: Listing,
    faults: Vec<Fault>,
    warnings: Vec<String>,
    /// Absent while there are faults.
    socket: Option<PathBuf>,
    /// Absent while there are faults.
    state_directory: Option<PathBuf>,
}

#[derive(Serialize)]
struct ConnectionsFile {
    path: PathBuf,
    outcome: FileOutcome,
}

#[derive(Serialize)]
struct Fault {
    place: String,
    message: String,
}

/// Writes the configuration as it would be read now, with its sources and all that is wrong with it, as one line of JSON.
///
/// # Errors
///
/// When it is not to be used, after it was written; or when it cannot be written.
pub fn print_configuration(
    environment: &Environment,
    flags: &RunFlags,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let Examined {
        files,
        listing,
        mut warnings,
        settings,
    } = config::examine(environment, flags);
    // What the files of `[tcp]` hold belongs to the question whether the configuration can be used.
    let settings = settings.and_then(|settings| {
        let credentials = remote::read(&settings)?;
        let complaints = credentials.map(|read| remote::complaints(&read, SystemTime::now()));
        warnings.extend(complaints.into_iter().flatten());
        Ok(settings)
    });
    let faults = settings.as_ref().err().map(|faults| faults.0.as_slice());
    let document = Document {
        files,
        connections: connections(environment),
        settings: listing,
        faults: faults
            .unwrap_or_default()
            .iter()
            .map(|fault| Fault {
                place: fault.place.clone(),
                message: fault.message.clone(),
            })
            .collect(),
        warnings,
        socket: settings.as_ref().ok().map(socket_of),
        state_directory: settings
            .as_ref()
            .ok()
            .map(|settings| settings.folders.state.clone()),
    };
    serde_json::to_writer(&mut *output, &document)
        .map_err(std::io::Error::from)
        .and_then(|()| output.write_all(b"\n"))
        .and_then(|()| output.flush())
        .map_err(|error| Failure::defect(format!("the configuration cannot be written: {error}")))?;
    settings.map(drop).map_err(Failure::from)
}

fn connections(environment: &Environment) -> Vec<ConnectionsFile> {
    let Some(home) = environment.get("HOME") else {
        return Vec::new();
    };
    let files = backend::connections_files(home.into(), environment.variables());
    let outcome = |path: &PathBuf| match std::fs::File::open(path) {
        Ok(_) => FileOutcome::Read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => FileOutcome::Absent,
        Err(_) => FileOutcome::Unreadable,
    };
    files
        .into_iter()
        .map(|path| ConnectionsFile {
            outcome: outcome(&path),
            path,
        })
        .collect()
}
