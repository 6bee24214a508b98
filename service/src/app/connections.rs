//! The connections, and what can be seen of their servers, as documents for programs.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::Failure;
use crate::backend::{report_connections, report_reach};
use crate::config::Environment;

/// Exit code of a configuration that cannot be used.
const EX_CONFIG: u8 = 78;

/// Writes the connections as they would be read now, as one line of JSON without secrets.
///
/// # Errors
///
/// When there is no home to read them from, or the document cannot be written.
pub fn print_connections(environment: &Environment, output: &mut impl Write) -> Result<(), Failure> {
    let report = report_connections(home(environment)?, environment.variables().clone());
    write(&report, output)
}

/// Looks at the server of a connection and writes what was seen, as one line of JSON. Nothing is sent that tells who asks.
///
/// # Errors
///
/// When there is no home to read the connection from, or the document cannot be written.
pub fn print_reach(
    environment: &Environment,
    connection: &str,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let home = home(environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::defect(format!("cannot start: {error}")))?;
    let report = runtime.block_on(report_reach(home, environment.variables().clone(), connection));
    write(&report, output)
}

fn home(environment: &Environment) -> Result<PathBuf, Failure> {
    let home = environment.get("HOME").map(PathBuf::from);
    home.ok_or_else(|| Failure::new(EX_CONFIG, "HOME is not set".to_owned()))
}

fn write(report: &impl Serialize, output: &mut impl Write) -> Result<(), Failure> {
    serde_json::to_writer(&mut *output, report)
        .map_err(std::io::Error::from)
        .and_then(|()| output.write_all(b"\n"))
        .and_then(|()| output.flush())
        .map_err(|error| Failure::defect(format!("the connections cannot be written: {error}")))
}
