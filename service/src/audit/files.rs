//! The files of the log: begun, ended, removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When a file ends, and when files go.
#[derive(Debug, Clone)]
pub(super) struct FileRules {
    /// Size at which a file is full.
    pub(super) bytes_max: u64,
    /// Age at which a file is full.
    pub(super) age_max: Duration,
    /// Size of all files at which the oldest go.
    pub(super) total_bytes_max: u64,
    /// Age at which a file goes.
    pub(super) keep: Duration,
}

/// The files of a folder, of which the newest is written.
pub(super) struct Files {
    folder: PathBuf,
    rules: FileRules,
    current: Option<Current>,
    /// When the first of those before it is to go.
    goes: Option<SystemTime>,
}

struct Current {
    file: File,
    /// When it was begun, in milliseconds since 1970, which is its name.
    begun: u64,
    bytes: u64,
    /// The last write may have ended in the middle of a line.
    torn: bool,
}

impl Files {
    pub(super) fn new(folder: &Path, rules: FileRules) -> Self {
        Self {
            folder: folder.to_owned(),
            rules,
            current: None,
            goes: None,
        }
    }

    /// Does what time alone asks for: the newest file ends by its age, so that one day it goes as well.
    pub(super) fn tend(&mut self, now: SystemTime) -> io::Result<()> {
        if self.current.is_none() && list(&self.folder)?.is_empty() {
            return Ok(());
        }
        let current = match self.current.take() {
            Some(current) => current,
            None => self.resume(now)?,
        };
        self.current = Some(if current.bytes > 0 && self.is_old(&current, now) {
            self.begin(millis(now).max(current.begun + 1))?
        } else {
            current
        });
        self.prune(now);
        Ok(())
    }

    /// When that is next; `None` while there is nothing.
    pub(super) fn due(&self) -> Option<SystemTime> {
        let current = self.current.as_ref().filter(|current| current.bytes > 0);
        let begun = current.map(|current| UNIX_EPOCH + Duration::from_millis(current.begun));
        let ends = begun.and_then(|begun| begun.checked_add(self.rules.age_max));
        ends.into_iter().chain(self.goes).min()
    }

    fn is_old(&self, current: &Current, now: SystemTime) -> bool {
        Duration::from_millis(millis(now).saturating_sub(current.begun)) >= self.rules.age_max
    }

    /// Appends whole lines.
    pub(super) fn append(&mut self, mut lines: &str, now: SystemTime) -> io::Result<()> {
        while !lines.is_empty() {
            let room = self.current.as_ref().map_or(0, |current| current.bytes);
            let fits = fitting(lines, self.rules.bytes_max.saturating_sub(room));
            let (some, rest) = lines.split_at(fits);
            self.append_to_one(some, now)?;
            lines = rest;
        }
        Ok(())
    }

    fn append_to_one(&mut self, lines: &str, now: SystemTime) -> io::Result<()> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.resume(now)?,
        };
        let is_full = current.bytes > 0 && current.bytes + lines.len() as u64 > self.rules.bytes_max;
        if is_full || self.is_old(&current, now) {
            current = self.begin(millis(now).max(current.begun + 1))?;
            self.prune(now);
        }
        if current.torn {
            // What was torn is one line that is not whole; what comes is not to be part of it.
            current.file.write_all(b"\n")?;
            current.bytes += 1;
            current.torn = false;
        }
        match current.file.write_all(lines.as_bytes()) {
            Ok(()) => {
                current.bytes += lines.len() as u64;
                self.current = Some(current);
                Ok(())
            }
            // Opened anew next time: by then it may be possible again.
            Err(error) => Err(error),
        }
    }

    /// Goes on with the newest file, or begins the first.
    fn resume(&mut self, now: SystemTime) -> io::Result<Current> {
        self.prune(now);
        match list(&self.folder)?.pop() {
            Some(begun) => self.begin(begun),
            None => self.begin(millis(now)),
        }
    }

    fn begin(&self, begun: u64) -> io::Result<Current> {
        let path = path(&self.folder, begun);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        let bytes = file.metadata()?.len();
        let torn = bytes > 0 && !ends_with_line(&path, bytes)?;
        Ok(Current {
            file,
            begun,
            bytes,
            torn,
        })
    }

    /// Removes what is too old or too much. What cannot be removed is tried again at the next file.
    fn prune(&mut self, now: SystemTime) {
        let Ok(mut files) = list(&self.folder) else {
            return;
        };
        // The newest stays, and is left room to become full.
        let total_max = self.rules.total_bytes_max.saturating_sub(self.rules.bytes_max);
        files.pop();
        let size = |begun: u64| fs::metadata(path(&self.folder, begun)).map_or(0, |found| found.len());
        let mut total: u64 = files.iter().copied().map(size).sum();
        self.goes = None;
        for begun in files {
            let path = path(&self.folder, begun);
            let bytes = size(begun);
            let changed = fs::metadata(&path).and_then(|found| found.modified());
            let goes = changed
                .ok()
                .and_then(|changed| changed.checked_add(self.rules.keep));
            if total <= total_max && goes.is_none_or(|goes| goes > now) {
                self.goes = self.goes.into_iter().chain(goes).min();
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => total -= bytes,
                Err(error) => {
                    self.goes = self.goes.into_iter().chain(goes).min();
                    tracing::warn!(file = %path.display(), %error, "an old audit file cannot be removed");
                }
            }
        }
    }
}

/// Bytes of as many whole lines as have room, but of one at least.
fn fitting(lines: &str, room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(lines.len());
    let last = lines.as_bytes()[..room].iter().rposition(|byte| *byte == b'\n');
    let first = || lines.find('\n').unwrap_or(lines.len() - 1);
    last.unwrap_or_else(first) + 1
}

fn ends_with_line(path: &Path, bytes: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let mut last = [0];
    File::open(path)?.read_exact_at(&mut last, bytes - 1)?;
    Ok(last == *b"\n")
}

/// When the files of a folder were begun, the oldest first.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let begun: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl")?.parse().ok());
        found.extend(begun);
    }
    found.sort_unstable();
    Ok(found)
}

/// The path of the file that was begun then.
pub(super) fn path(folder: &Path, begun: u64) -> PathBuf {
    folder.join(format!("audit-{begun:015}.jsonl"))
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn rules() -> FileRules {
        FileRules {
            bytes_max: 10,
            age_max: DAY,
            total_bytes_max: 25,
            keep: 90 * DAY,
        }
    }

    fn texts(folder: &Path) -> Vec<String> {
        list(folder)
            .unwrap()
            .into_iter()
            .map(|begun| fs::read_to_string(path(folder, begun)).unwrap())
            .collect()
    }

    #[test]
    fn size_age_and_total_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let mut files = Files::new(folder.path(), rules());
        for line in ["one\n", "two\n", "three\n"] {
            files.append(line, now).unwrap();
        }
        assert_eq!(texts(folder.path()), ["one\ntwo\n", "three\n"]);
        files.append("4\n", now + 2 * DAY).unwrap();
        assert_eq!(texts(folder.path()), ["one\ntwo\n", "three\n", "4\n"]);
        // Another run goes on with the newest file.
        let mut files = Files::new(folder.path(), rules());
        files.append("5\n", now + 2 * DAY).unwrap();
        assert_eq!(texts(folder.path()), ["one\ntwo\n", "three\n", "4\n5\n"]);
        files.append("a long one\n", now + 2 * DAY).unwrap();
        assert_eq!(texts(folder.path()), ["three\n", "4\n5\n", "a long one\n"]);
        for begun in list(folder.path()).unwrap() {
            let found = fs::metadata(path(folder.path(), begun)).unwrap();
            assert_eq!(found.mode() & 0o777, 0o600);
        }
        let mut files = Files::new(folder.path(), rules());
        files.append("6\n", now + 200 * DAY).unwrap();
        assert_eq!(texts(folder.path()), ["6\n"]);
    }

    #[test]
    fn age_counts_though_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let mut files = Files::new(folder.path(), rules());
        files.tend(now).unwrap();
        assert_eq!((texts(folder.path()).len(), files.due()), (0, None));
        files.append("one\n", now).unwrap();
        // Another run finds it, and has nothing to write.
        let mut files = Files::new(folder.path(), rules());
        files.tend(now).unwrap();
        let ends = files.due().unwrap();
        assert!(ends <= now + DAY && ends > now + DAY - Duration::from_secs(1));
        files.tend(ends - Duration::from_millis(1)).unwrap();
        assert_eq!(texts(folder.path()), ["one\n"]);
        files.tend(ends).unwrap();
        assert_eq!(texts(folder.path()), ["one\n", ""]);
        let goes = files.due().unwrap();
        assert!(goes >= now + 90 * DAY - Duration::from_secs(1), "{goes:?}");
        files.tend(goes).unwrap();
        assert_eq!((texts(folder.path()), files.due()), (vec![String::new()], None));
        files.append("two\n", goes).unwrap();
        assert_eq!(texts(folder.path()), ["two\n"]);
    }

    #[test]
    fn a_torn_line_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(path(folder.path(), 1), "{\"torn\":").unwrap();
        let now = UNIX_EPOCH + Duration::from_millis(2);
        let big = FileRules {
            bytes_max: 1000,
            ..rules()
        };
        Files::new(folder.path(), big).append("whole\n", now).unwrap();
        assert_eq!(texts(folder.path()), ["{\"torn\":\nwhole\n"]);
    }
}
