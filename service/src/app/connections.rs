//! The connections as a document for programs.

use std::io::Write;

use super::Failure;
use crate::backend::report_connections;
use crate::config::Environment;

/// Exit code of a configuration that cannot be used.
const EX_CONFIG: u8 = 78;

/// Writes the connections as they would be read now, as one line of JSON without secrets.
///
/// # Errors
///
/// When there is no home to read them from, or the document cannot be written.
pub fn print_connections(environment: &Environment, output: &mut impl Write) -> Result<(), Failure> {
    let home = environment
        .get("HOME")
        .ok_or_else(|| Failure::new(EX_CONFIG, "HOME is not set".to_owned()))?;
    let report = report_connections(home.into(), environment.variables().clone());
    serde_json::to_writer(&mut *output, &report)
        .map_err(std::io::Error::from)
        .and_then(|()| output.write_all(b"\n"))
        .and_then(|()| output.flush())
        .map_err(|error| Failure::defect(format!("the connections cannot be written: {error}")))
}
