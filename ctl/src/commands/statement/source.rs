//! Where the statement comes from: the command line, a file, or stdin.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Most SQL that is read, in bytes. The service has a lower limit and says so; this one keeps a wrong
/// file from filling the memory.
const SQL_BYTES_MAX: u64 = 64 << 20;

/// Reads the statement, and says what it came from where that has a name.
pub(super) fn read(sql: Option<String>, file: Option<PathBuf>) -> Result<(String, Option<String>), Failure> {
    let text = match (sql, file) {
        (Some(sql), _) if sql != "-" => (sql, None),
        (None, Some(path)) if path.as_os_str() != "-" => {
            let shown = format!("`{}`", path.display());
            let file = open(&path)
                .map_err(|error| Failure::usage(format!("cannot read {shown}")).caused_by(error))?;
            (read_text(file, &shown)?, Some(path.display().to_string()))
        }
        (None, None) if io::stdin().is_terminal() => {
            return Err(Failure::usage("no SQL was given")
                .hint("write it after the verb, name a file with `-f FILE`, or pipe it in"));
        }
        _ => {
            let text = read_text(io::stdin().lock(), "stdin")?;
            // Most likely the command before the pipe failed. Whether a statement is empty otherwise is not
            // for us to say: it may be all comment.
            if text.is_empty() {
                return Err(Failure::usage("no SQL was given, stdin is empty"));
            }
            (text, Some("stdin".to_owned()))
        }
    };
    Ok(text)
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        Err(io::Error::from(io::ErrorKind::IsADirectory))
    } else {
        Ok(file)
    }
}

fn read_text(reader: impl Read, shown: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    reader
        .take(SQL_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("cannot read {shown}")).caused_by(error))?;
    if bytes.len() as u64 > SQL_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{shown} holds more than {} MiB of SQL",
            SQL_BYTES_MAX >> 20
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        Failure::usage(format!("{shown} is not UTF-8 text")).caused_by(error.utf8_error())
    })?;
    // Editors on some systems put a byte order mark in front; Snowflake would reject it.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
