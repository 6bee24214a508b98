//! Where output goes: stdout, or a file that appears only when it is complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::sink::Sink;

/// Stdout without the standard library's buffer, which looks for line ends in everything it is given.
fn stdout_file() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// A sink before stdout.
pub(crate) fn stdout_sink() -> io::Result<Sink> {
    Ok(Sink::new(Box::new(stdout_file()?)))
}

/// Writes a short text to stdout. A reader that has left is no error: it has seen enough.
pub(crate) fn write_stdout(text: &[u8]) -> io::Result<()> {
    match stdout_file()?.write_all(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A file that is being written beside its final place, and disappears unless it is committed.
#[derive(Debug)]
pub(crate) struct PendingFile {
    target: PathBuf,
    /// Where the bytes go; `None` once moved, and for devices and pipes, which are written directly.
    temporary: Option<PathBuf>,
}

impl PendingFile {
    /// Opens the file to write to.
    pub(crate) fn create(path: &Path) -> io::Result<(Self, File)> {
        // A link is followed, so that the file behind it is replaced and not the link.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let existing = fs::metadata(&target).ok();
        if existing
            .as_ref()
            .is_some_and(|metadata| !metadata.is_file() && !metadata.is_dir())
        {
            let file = OpenOptions::new().write(true).open(&target)?;
            return Ok((
                Self {
                    target,
                    temporary: None,
                },
                file,
            ));
        }
        let name = target
            .file_name()
            .filter(|_| existing.as_ref().is_none_or(fs::Metadata::is_file))
            .ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let mut part = std::ffi::OsString::from(".");
        part.push(name);
        part.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
        let temporary = target.with_file_name(part);
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        let pending = Self {
            target,
            temporary: Some(temporary),
        };
        if let Some(metadata) = existing {
            file.set_permissions(metadata.permissions())?;
        }
        Ok((pending, file))
    }

    /// Moves the complete file to its place. The writer must be done with it.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.target)?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}
