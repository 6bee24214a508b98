//! The files of a log: `NAME` is written, `NAME.` with a time was written before, in the order of their names.
//!
//! A file that is full gets its other name and is never written again, so whoever follows the log reads it to its end
//! and goes on with the next one, however many there are by then.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Longest line that is printed, in bytes; a longer one is cut.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Name of the log of a service without a journal, in its state folder.
pub(super) const FILE: &str = "service.log";

/// What follows the name of the log and a dot in that of a file that is full; a 0 stands for any digit. Others put files beside
/// it, `NAME.1` or `NAME.20260131` for example, and those are theirs.
const MOMENT: &[u8] = b"00000000T000000.000Z";

/// A log, read on and on.
pub(super) struct Log {
    path: PathBuf,
    reader: Reader,
}

impl Log {
    /// Opens the file that is written.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            reader: Reader::open(path)?,
        })
    }

    /// The last lines that `show` makes something of, at most so many. Older files are read as far as they are needed.
    pub(super) fn last(
        &mut self,
        lines_max: usize,
        show: impl Fn(&str) -> Option<String>,
    ) -> io::Result<VecDeque<String>> {
        let mut lines = last_of(&mut self.reader, lines_max, &show)?;
        for path in older(&self.path).into_iter().rev() {
            let room = lines_max - lines.len();
            if room == 0 {
                break;
            }
            match Reader::open(&path) {
                Ok(mut reader) if reader.inode != self.reader.inode => {
                    let mut before = last_of(&mut reader, room, &show)?;
                    before.append(&mut lines);
                    lines = before;
                }
                Ok(_) => {}
                // It was removed, as the oldest ones are now and then.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(lines)
    }

    /// What was written since the last look.
    pub(super) fn news(&mut self, show: impl Fn(&str) -> Option<String>) -> io::Result<VecDeque<String>> {
        let mut lines = VecDeque::new();
        let mut hand = |line: &str| lines.extend(show(line));
        // Looked at before the file is read: what is there by then is all that there will be of one that was set aside.
        let current = fs::metadata(&self.path).map(|found| found.ino());
        self.reader.each(&mut hand)?;
        match current {
            Ok(inode) if inode != self.reader.inode => {}
            // It was just set aside, and the next one is not there yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(lines),
            Err(error) => return Err(error),
            Ok(_) => return Ok(lines),
        }
        let files = older(&self.path);
        let is_ours = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.ino() == self.reader.inode);
        // A file that was moved elsewhere, or removed, was the newest.
        let next = files.iter().position(is_ours).map_or(files.len(), |at| at + 1);
        for path in &files[next..] {
            if let Ok(mut reader) = Reader::open(path) {
                reader.each(&mut hand)?;
            }
        }
        self.reader = match Reader::open(&self.path) {
            Ok(reader) => reader,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(lines),
            Err(error) => return Err(error),
        };
        self.reader.each(&mut hand)?;
        Ok(lines)
    }
}

fn last_of(
    reader: &mut Reader,
    lines_max: usize,
    show: &impl Fn(&str) -> Option<String>,
) -> io::Result<VecDeque<String>> {
    let mut lines = VecDeque::new();
    reader.each(&mut |line| {
        if let Some(line) = show(line) {
            if lines.len() >= lines_max {
                lines.pop_front();
            }
            if lines_max > 0 {
                lines.push_back(line);
            }
        }
    })?;
    Ok(lines)
}

/// The files that are full, the oldest first.
pub(super) fn older(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Vec::new();
    };
    let mut beginning = OsString::from(name);
    beginning.push(".");
    let is_older = |name: &OsString| {
        name.as_encoded_bytes()
            .strip_prefix(beginning.as_encoded_bytes())
            .is_some_and(is_moment)
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<OsString> = entries.map(|entry| entry.file_name()).filter(is_older).collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

fn is_moment(text: &[u8]) -> bool {
    let fits = |(found, form): (&u8, &u8)| match form {
        b'0' => found.is_ascii_digit(),
        form => found == form,
    };
    text.len() == MOMENT.len() && text.iter().zip(MOMENT).all(fits)
}

/// Reads one file on and on.
struct Reader {
    file: BufReader<File>,
    inode: u64,
}

impl Reader {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let inode = file.metadata()?.ino();
        Ok(Self {
            file: BufReader::new(file),
            inode,
        })
    }

    /// Hands over every whole line that is there.
    fn each(&mut self, hand: &mut impl FnMut(&str)) -> io::Result<()> {
        let length = self.file.get_ref().metadata()?.len();
        if length < self.file.stream_position()? {
            // It was emptied, as some tools do that copy logs away.
            self.file.seek(SeekFrom::Start(0))?;
        }
        loop {
            let mut line = Vec::new();
            let read = self.file.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                // Half a line is read again when the rest of it is there.
                let half = i64::try_from(read).unwrap_or_default();
                self.file.seek(SeekFrom::Current(-half))?;
                return Ok(());
            }
            line.pop();
            line.truncate(LINE_BYTES_MAX);
            hand(&String::from_utf8_lossy(&line));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn show(line: &str) -> Option<String> {
        (!line.starts_with('#')).then(|| line.to_owned())
    }

    fn append(path: &Path, text: &str) {
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn the_last_lines_may_be_in_older_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&folder.path().join("log.20260101T000000.000Z"), "one\ntwo\n");
        append(&folder.path().join("log.20260102T000000.000Z"), "#no\nthree\n");
        for end in ["other", "1", "20260131", "20260131T235959.123Z.gz"] {
            append(&folder.path().join(format!("log.{end}")), "not the service's\n");
        }
        append(&path, "four\n");
        for (lines, wanted) in [
            (0, &[][..]),
            (1, &["four"]),
            (3, &["two", "three", "four"]),
            (9, &["one", "two", "three", "four"]),
        ] {
            assert_eq!(Log::open(&path).unwrap().last(lines, show).unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_followed_may_be_set_aside_twice_between_two_looks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&folder.path().join("log.20260101T000000.000Z"), "old\n");
        append(&path, "one\ntw");
        let mut log = Log::open(&path).unwrap();
        assert_eq!(log.last(1, show).unwrap(), ["one"]);
        assert!(log.news(show).unwrap().is_empty());
        append(&path, "o\n");
        assert_eq!(log.news(show).unwrap(), ["two"]);

        append(&path, "three\n");
        fs::rename(&path, folder.path().join("log.20260102T000000.000Z")).unwrap();
        append(&path, "four\n");
        fs::rename(&path, folder.path().join("log.20260103T000000.000Z")).unwrap();
        assert_eq!(
            log.news(show).unwrap(),
            ["three"],
            "the next one is not there yet"
        );
        append(&path, "five\n");
        assert_eq!(log.news(show).unwrap(), ["four", "five"]);
        append(&path, "six\n");
        assert_eq!(log.news(show).unwrap(), ["six"]);
    }

    #[test]
    fn what_is_followed_may_be_moved_away_or_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "one\ntwo\n");
        let mut log = Log::open(&path).unwrap();
        log.last(9, show).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
        append(&path, "3\n");
        assert_eq!(log.news(show).unwrap(), ["3"]);
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        append(&path, "4\n");
        assert_eq!(log.news(show).unwrap(), ["4"]);
    }
}
