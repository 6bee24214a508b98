//! A file that at most one process holds, with the holder's process id in it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{PlatformError, Result};

/// A held lock. The system releases it when the last process that inherited it ends, however it ends; the
/// file stays, since removing it would let two processes hold two files of one name.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock without waiting. `what` names the locked thing in the error.
    ///
    /// # Errors
    ///
    /// [`PlatformError::InUse`] when another process holds it.
    pub fn acquire(path: &Path, what: &str) -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(PlatformError::io(format!("open lock file {}", path.display())))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let pid = file
                    .read_to_string(&mut text)
                    .ok()
                    .and_then(|_| text.trim().parse().ok());
                return Err(PlatformError::InUse {
                    what: what.to_owned(),
                    pid,
                });
            }
            Err(error) => {
                return Err(PlatformError::Io {
                    what: format!("lock {}", path.display()),
                    source: error.into(),
                });
            }
        }
        let mut lock = Self {
            file,
            path: path.to_owned(),
        };
        lock.sign()?;
        Ok(lock)
    }

    /// Writes our process id into the file; again after a fork.
    pub fn sign(&mut self) -> Result<()> {
        let pid = std::process::id();
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| writeln!(self.file, "{pid}"))
            .and_then(|()| self.file.flush());
        written.map_err(PlatformError::io(format!(
            "write lock file {}",
            self.path.display()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_it_and_its_name_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = FileLock::acquire(&path, "the state folder").unwrap();
        let error = FileLock::acquire(&path, "the state folder").unwrap_err();
        let expected = format!(
            "the state folder is in use by another snowflake-session (process {})",
            std::process::id()
        );
        assert_eq!(error.to_string(), expected);
        drop(first);
        FileLock::acquire(&path, "the state folder").unwrap();
    }
}
