//! A log file that cannot fill the disk: at its size limit it becomes `NAME.1` and begins anew.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file of limited size, mode 0600, with one predecessor.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl LogFile {
    /// Opens the file to go on at its end.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
            bytes_max,
        })
    }

    /// Where the predecessor is kept.
    fn older(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".1");
        name.into()
    }

    fn rotate(&mut self) -> io::Result<()> {
        std::fs::rename(&self.path, self.older())?;
        *self = Self::open(&self.path, self.bytes_max)?;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes > 0 && self.bytes + bytes.len() as u64 > self.bytes_max {
            self.rotate()?;
        }
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_size_is_limited_to_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path, 11).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        drop(log);
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (read("log.1"), read("log")),
            ("one\ntwo\n".to_owned(), "three\nfour\n".to_owned())
        );
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        let mut again = LogFile::open(&path, 11).unwrap();
        again.write_all(b"five\n").unwrap();
        assert_eq!(
            (read("log.1"), read("log")),
            ("three\nfour\n".to_owned(), "five\n".to_owned())
        );
    }
}
