//! The end of a log, and what comes after it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LifeError;
use super::process::failed;
use crate::config::FolderArguments;
use crate::folder::DataFolder;

/// Bytes from the end of a log that are looked at.
const READ_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Pause between two looks at a log that is followed.
const FOLLOW_PAUSE: Duration = Duration::from_millis(200);
/// Bytes that are read of a log at a time.
const PART_BYTES: u64 = 1024 * 1024;

/// `logs`: prints the last lines, oldest first; with `follow` also what is written from then on, until it is stopped.
pub fn logs(
    arguments: &FolderArguments,
    lines: usize,
    follow: bool,
    file: Option<PathBuf>,
) -> Result<(), LifeError> {
    let path = file.unwrap_or_else(|| DataFolder::new(&arguments.data).output());
    let unreadable = |source| failed(&path, source);
    let mut log = Log::open(&path).map_err(unreadable)?;
    let text = log.last_lines(lines).map_err(unreadable)?;
    print(text.as_bytes())?;
    if !follow {
        return Ok(());
    }
    loop {
        let news = log.news().map_err(unreadable)?;
        if news.is_empty() {
            std::thread::sleep(FOLLOW_PAUSE);
        }
        print(&news)?;
    }
}

fn print(text: &[u8]) -> Result<(), LifeError> {
    let mut output = io::stdout().lock();
    output
        .write_all(text)
        .and_then(|()| output.flush())
        .map_err(LifeError::Output)
}

/// The last lines of a file; of a long one those in its last 16 MiB.
pub(super) fn last_lines(path: &Path, lines: usize) -> io::Result<String> {
    Log::open(path)?.last_lines(lines)
}

/// A log that is read on and on.
struct Log {
    path: PathBuf,
    file: File,
    inode: u64,
}

impl Log {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            inode: file.metadata()?.ino(),
            file,
        })
    }

    /// The last lines up to the file's end, from which [`Log::news`] goes on.
    fn last_lines(&mut self, lines: usize) -> io::Result<String> {
        let skipped = self.file.metadata()?.len().saturating_sub(READ_BYTES_MAX);
        self.file.seek(SeekFrom::Start(skipped))?;
        let mut last = VecDeque::new();
        let mut reader = BufReader::new(&self.file);
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

    /// Some of what was written since the last look. A file that was emptied begins anew; one that another one took the
    /// place of is read to its end first.
    fn news(&mut self) -> io::Result<Vec<u8>> {
        if self.file.metadata()?.len() < self.file.stream_position()? {
            self.file.rewind()?;
        }
        let mut news = Vec::new();
        (&self.file).take(PART_BYTES).read_to_end(&mut news)?;
        if !news.is_empty() {
            return Ok(news);
        }
        match Self::open(&self.path) {
            Ok(other) if other.inode != self.inode => {
                *self = other;
                (&self.file).take(PART_BYTES).read_to_end(&mut news)?;
            }
            Ok(_) => {}
            // The next one is not there yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(news)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{Log, last_lines};

    #[test]
    fn the_last_lines_are_given_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "1\n2\n3\n4").unwrap();
        assert_eq!(last_lines(&path, 2).unwrap(), "3\n4");
        assert_eq!(last_lines(&path, 9).unwrap(), "1\n2\n3\n4");
        assert_eq!(last_lines(&path, 0).unwrap(), "");
    }

    #[test]
    fn what_is_written_later_is_read_also_from_the_next_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let append = |text: &str| {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
            file.unwrap().write_all(text.as_bytes()).unwrap();
        };
        append("1\n2\n");
        let mut log = Log::open(&path).unwrap();
        assert_eq!(log.last_lines(1).unwrap(), "2\n");
        assert!(log.news().unwrap().is_empty());
        append("3\n");
        assert_eq!(log.news().unwrap(), b"3\n");
        append("4\n");
        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        assert_eq!(log.news().unwrap(), b"4\n");
        assert!(log.news().unwrap().is_empty(), "the next one is not there yet");
        append("5\n");
        assert_eq!(log.news().unwrap(), b"5\n");
        std::fs::write(&path, "").unwrap();
        assert!(log.news().unwrap().is_empty());
        append("6\n");
        assert_eq!(log.news().unwrap(), b"6\n");
    }
}
