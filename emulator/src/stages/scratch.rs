//! Files that last as long as one piece of work.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A file for one piece of work.
#[derive(Debug)]
pub struct Scratch {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) bytes_max: u64,
}

impl Scratch {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of `input`; fails when that is more than a file may have.
    pub fn fill(&mut self, input: &mut dyn io::Read) -> io::Result<()> {
        let copied = io::copy(&mut input.take(self.bytes_max + 1), &mut self.file)?;
        if copied > self.bytes_max {
            return Err(io::Error::other("the unpacked file is too large"));
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "a scratch file could not be removed");
        }
    }
}
