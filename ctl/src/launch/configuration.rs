//! What the service's program says of its configuration.
//!
//! It is asked as it would be started from here, whether or not a service runs: a configuration that cannot be used is
//! one with which none runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::program::{service_program, socket_arguments};
use crate::config::Settings;
use crate::exit_code::Exit;
use crate::failure::Failure;

/// Everything that is known of a configuration. What a program of another version does not say is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    /// The service's own files, the weakest first.
    pub(crate) files: Vec<File>,
    /// Snowflake's files with the connections.
    pub(crate) connections: Vec<File>,
    pub(crate) settings: Vec<Setting>,
    /// What is wrong with it.
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<String>,
    /// Folder of the service's state; not known while there are faults.
    pub(crate) state_directory: Option<PathBuf>,
}

/// A file that is read if it is there.
#[derive(Debug, Deserialize)]
pub(crate) struct File {
    #[serde(default)]
    pub(crate) layer: String,
    pub(crate) path: PathBuf,
    pub(crate) outcome: String,
}

/// A key with its value.
#[derive(Debug, Deserialize)]
pub(crate) struct Setting {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: serde_json::Value,
    pub(crate) layer: String,
    pub(crate) source: String,
}

/// One thing that is wrong.
#[derive(Debug, Deserialize)]
pub(crate) struct Fault {
    place: String,
    message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// Most that the program may say, in bytes.
const DOCUMENT_BYTES_MAX: u64 = 8 << 20;

/// Most time for it to say it.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);

/// Asks the program; `file` is read in place of the user's.
pub(crate) async fn read(settings: &Settings, file: Option<&Path>) -> Result<Document, Failure> {
    let program = service_program(settings)?;
    let mut command = tokio::process::Command::new(&program);
    command.arg("config").args(socket_arguments(settings));
    if let Some(file) = file {
        command.arg("--config").arg(file);
    }
    let failed = || Failure::usage(format!("cannot ask {} for its configuration", program.display()));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // The faults are in what it prints; what else it complains about is of no use to anybody.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed().caused_by(error))?;
    let output = child.stdout.take();
    let mut said = Vec::new();
    let all = async {
        if let Some(output) = output {
            output.take(DOCUMENT_BYTES_MAX).read_to_end(&mut said).await?;
        }
        child.wait().await
    };
    let status = match timeout(ANSWER_WAIT_MAX, all).await {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return Err(failed().caused_by(error)),
        Err(_) => {
            return Err(Failure::new(
                Exit::Timeout,
                format!("{} does not answer", program.display()),
            ));
        }
    };
    serde_json::from_slice(&said).map_err(|error| {
        failed()
            .caused_by(format!(
                "it ended with {status}, and its answer is not understood: {error}"
            ))
            .hint("`sfctl` and `snowflake-session` must be of one version")
    })
}
