//! The end of a log.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::LifeError;
use super::process::failed;
use crate::config::FolderArguments;
use crate::folder::DataFolder;

/// Bytes from the end of a log that are looked at.
const READ_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// `logs`: prints the last lines, oldest first.
pub fn logs(arguments: &FolderArguments, lines: usize, file: Option<PathBuf>) -> Result<(), LifeError> {
    let path = file.unwrap_or_else(|| DataFolder::new(&arguments.data).output());
    let text = last_lines(&path, lines).map_err(|source| failed(&path, source))?;
    io::stdout().write_all(text.as_bytes()).map_err(LifeError::Output)
}

/// The last lines of a file; of a long one those in its last 16 MiB.
pub(super) fn last_lines(path: &Path, lines: usize) -> io::Result<String> {
    let mut file = File::open(path)?;
    let skipped = file.metadata()?.len().saturating_sub(READ_BYTES_MAX);
    file.seek(SeekFrom::Start(skipped))?;
    let mut last = VecDeque::new();
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if last.len() >= lines {
            last.pop_front();
        }
        if lines > 0 {
            last.push_back(String::from_utf8_lossy(&line).into_owned());
        }
        line.clear();
    }
    Ok(last.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_are_given_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "1\n2\n3\n4").unwrap();
        assert_eq!(last_lines(&path, 2).unwrap(), "3\n4");
        assert_eq!(last_lines(&path, 9).unwrap(), "1\n2\n3\n4");
        assert_eq!(last_lines(&path, 0).unwrap(), "");
    }
}
