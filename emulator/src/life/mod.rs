//! The emulator's life as commands: start, stop, status, reset, snapshots, logs, faults.
//!
//! They act from outside on a data folder, or on an emulator by its address; what they know of a running emulator is in
//! the folder. None of them runs in the process that serves. `sfctl emulator` runs them too, for the service's own emulator
//! or for another.

mod control;
mod data;
mod logs;
mod process;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use serde_json::Value;

pub use control::fault;
pub use data::{reset, restore, snapshot};
pub use logs::logs;
pub use process::{start, status, stop};

use crate::folder::SnapshotError;

/// Why a command of the emulator's life failed.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// There is no data folder to act on.
    #[error("`start` needs a data folder: add --data DIR; without one, `serve` keeps everything in memory")]
    NoFolder,
    /// An emulator serves the folder.
    #[error(
        "an emulator serves {folder:?} (process {pid}, {address}); stop it first, or add --restart, which ends its sessions"
    )]
    Serving {
        /// The folder.
        folder: PathBuf,
        /// Its process.
        pid: u32,
        /// Where it listens.
        address: String,
    },
    /// Something has the folder that does not say what it is.
    #[error("{folder:?} is in use by an emulator that is starting or ending, or by another command")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// No emulator serves the folder.
    #[error("no emulator serves {0:?}")]
    NotServing(PathBuf),
    /// It ended before it was ready.
    #[error("the emulator ended at its start; the end of its log:\n{0}")]
    Ended(String),
    /// It was not ready or did not end in time.
    #[error("{0}")]
    Late(String),
    /// About snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The emulator refused or cannot be spoken to.
    #[error("{0}")]
    Control(String),
    /// The folder or its files cannot be used.
    #[error("failed to use {path:?}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("failed to write the output")]
    Output(#[source] io::Error),
}

/// Prints one thing, a line for each part of it, several as a table, or JSON.
fn print(document: &Value, json: bool) -> Result<(), LifeError> {
    let mut text = String::new();
    match document {
        Value::Object(parts) if !json => {
            let width = parts.keys().map(String::len).max().unwrap_or_default();
            for (name, value) in parts {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if value != "null" {
                    // Writing to a text cannot fail.
                    let _ = writeln!(text, "{name:width$}  {value}");
                }
            }
        }
        Value::Array(rows) if !json => text = table(rows),
        _ => text = format!("{document}\n"),
    }
    io::stdout().write_all(text.as_bytes()).map_err(LifeError::Output)
}

/// Objects of one kind in columns, with the names of their parts above.
fn table(rows: &[Value]) -> String {
    let parts = |row: &Value| row.as_object().cloned().unwrap_or_default();
    let Some(first) = rows.first().map(parts) else {
        return String::new();
    };
    let mut lines = vec![first.keys().cloned().collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| {
        let shown = |(_, value): (_, Value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        parts(row).into_iter().map(shown).collect()
    }));
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..first.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let padded: Vec<String> = cells.map(|(cell, &width)| format!("{cell:width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Says something to whoever looks; nobody may.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::table;

    #[test]
    fn several_things_stand_in_columns() {
        let rows = [
            json!({ "bytes": 7, "name": "base" }),
            json!({ "bytes": 12345, "name": "später" }),
        ];
        assert_eq!(table(&rows), "bytes  name\n7      base\n12345  später\n");
        assert_eq!(table(&[]), "");
    }
}
