//! The log in files of limited size, age and number: `NAME` is written, `NAME.20260131T235959.123Z` was written until then.
//!
//! A file that is full is renamed and never written again, so that whoever reads it, or follows it, finds the rest.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::log_queue::Output;

/// What follows the name of the log and a dot in that of a file that is full; a 0 stands for any digit. Others put files beside
/// it, `NAME.1` or `NAME.20260131` for example, and those are theirs.
const MOMENT: &[u8] = b"00000000T000000.000Z";

/// When a file ends, and when files go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRules {
    /// Size at which a file is full.
    pub bytes_max: u64,
    /// Age at which a file is full.
    pub age_max: Duration,
    /// Size of all files at which the oldest go.
    pub total_bytes_max: u64,
    /// How long a file is kept after its last line.
    pub keep: Duration,
}

/// The files of one log, of which the newest is written.
#[derive(Debug)]
pub struct LogFiles {
    path: PathBuf,
    rules: LogRules,
    current: Option<Current>,
    /// When the first of those before it is to go.
    goes: Option<SystemTime>,
}

#[derive(Debug)]
struct Current {
    file: File,
    begun: SystemTime,
    bytes: u64,
    /// The last write may have ended in the middle of a line.
    torn: bool,
}

impl LogFiles {
    /// Opens the file to go on at its end, for its owner alone.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open(path: &Path, rules: LogRules) -> io::Result<Self> {
        let mut files = Self {
            path: path.to_owned(),
            rules,
            current: None,
            goes: None,
        };
        let now = SystemTime::now();
        files.current = Some(files.resume(now)?);
        files.prune(now);
        Ok(files)
    }

    fn append(&mut self, line: &[u8], now: SystemTime) -> io::Result<()> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.resume(now)?,
        };
        let is_full = current.bytes + line.len() as u64 > self.rules.bytes_max;
        if current.bytes > 0 && (is_full || self.is_old(&current, now)) {
            current = self.turn(now)?;
        }
        if current.torn {
            // What was torn is one line that is not whole; what comes is not to be part of it.
            current.file.write_all(b"\n")?;
            current.bytes += 1;
            current.torn = false;
        }
        // After an error it is opened anew next time: by then it may be possible again.
        current.file.write_all(line)?;
        current.bytes += line.len() as u64;
        self.current = Some(current);
        Ok(())
    }

    fn is_old(&self, current: &Current, now: SystemTime) -> bool {
        now.duration_since(current.begun).unwrap_or_default() >= self.rules.age_max
    }

    /// Sets the file aside, begins the next one, and removes what is too old or too much.
    fn turn(&mut self, now: SystemTime) -> io::Result<Current> {
        self.set_aside(now)?;
        let current = self.resume(now)?;
        self.prune(now);
        Ok(current)
    }

    fn resume(&self, now: SystemTime) -> io::Result<Current> {
        let file = OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        // Whoever moves logs away may have put a file there that others can read.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let found = file.metadata()?;
        let bytes = found.len();
        let begun = match bytes {
            0 => now,
            // Where the file system does not tell when a file was made, its last line is the best there is.
            _ => found.created().or_else(|_| found.modified()).unwrap_or(now),
        };
        let mut last = [b'\n'];
        if bytes > 0 {
            file.read_exact_at(&mut last, bytes - 1)?;
        }
        Ok(Current {
            file,
            begun,
            bytes,
            torn: last != [b'\n'],
        })
    }

    /// Renames the file that is full.
    fn set_aside(&self, now: SystemTime) -> io::Result<()> {
        let mut moment = jiff::Timestamp::try_from(now).map_err(io::Error::other)?;
        loop {
            let mut name = self.path.clone().into_os_string();
            name.push(moment.strftime(".%Y%m%dT%H%M%S.%3fZ").to_string());
            if !fs::exists(&name)? {
                return fs::rename(&self.path, name);
            }
            moment += jiff::SignedDuration::from_millis(1);
        }
    }

    /// Removes what is too old or too much. What cannot be removed is tried again at the next file.
    fn prune(&mut self, now: SystemTime) {
        let files: Vec<(PathBuf, u64, SystemTime)> = older(&self.path)
            .into_iter()
            .filter_map(|path| {
                let found = fs::metadata(&path).ok()?;
                let goes = found.modified().ok()?.checked_add(self.rules.keep)?;
                Some((path, found.len(), goes))
            })
            .collect();
        // The one that is written is left room to become full.
        let total_max = self.rules.total_bytes_max.saturating_sub(self.rules.bytes_max);
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        self.goes = None;
        for (path, bytes, goes) in files {
            if (total > total_max || goes <= now) && fs::remove_file(path).is_ok() {
                total -= bytes;
            } else {
                self.goes = self.goes.into_iter().chain([goes]).min();
            }
        }
    }
}

impl Output for LogFiles {
    fn write(&mut self, line: &[u8], now: SystemTime) -> io::Result<()> {
        self.append(line, now)
    }

    fn reopen(&mut self, rules: LogRules) {
        self.rules = rules;
        let now = SystemTime::now();
        self.current = self.resume(now).ok();
        self.prune(now);
    }

    fn tend(&mut self, now: SystemTime) {
        let ends = |current: &Current| current.bytes > 0 && self.is_old(current, now);
        if self.current.as_ref().is_some_and(ends) {
            // After an error it is opened anew at the next line.
            self.current = self.turn(now).ok();
        } else {
            self.prune(now);
        }
    }

    fn due(&self) -> Option<SystemTime> {
        let current = self.current.as_ref().filter(|current| current.bytes > 0);
        let ends = current.and_then(|current| current.begun.checked_add(self.rules.age_max));
        ends.into_iter().chain(self.goes).min()
    }
}

/// The files of a log that are full, the oldest first.
fn older(path: &Path) -> Vec<PathBuf> {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn rules() -> LogRules {
        LogRules {
            bytes_max: 10,
            age_max: DAY,
            total_bytes_max: 25,
            keep: 14 * DAY,
        }
    }

    /// The files, the newest last.
    fn texts(path: &Path) -> Vec<String> {
        let all = older(path).into_iter().chain([path.to_owned()]);
        all.map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    #[test]
    fn size_age_and_total_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.log");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let now = SystemTime::now();
        let mut files = LogFiles::open(&path, rules()).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            files.write(line.as_bytes(), now).unwrap();
        }
        assert_eq!(texts(&path), ["one\ntwo\n", "three\n"]);
        files.write(b"4\n", now + 2 * DAY).unwrap();
        assert_eq!(texts(&path), ["one\ntwo\n", "three\n", "4\n"]);
        // Another run goes on with the newest file, at the same moment too.
        let patient = LogRules {
            age_max: 30 * DAY,
            ..rules()
        };
        let mut files = LogFiles::open(&path, patient).unwrap();
        files.write(b"5\n", now + 2 * DAY).unwrap();
        files.write(b"a long one\n", now + 2 * DAY).unwrap();
        assert_eq!(texts(&path), ["three\n", "4\n5\n", "a long one\n"]);
        for file in older(&path).into_iter().chain([path.clone()]) {
            assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
        }
        files.write(b"6\n", now + 200 * DAY).unwrap();
        assert_eq!(texts(&path), ["6\n"]);
    }

    #[test]
    fn age_counts_though_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.log");
        let now = SystemTime::now();
        let mut files = LogFiles::open(&path, rules()).unwrap();
        files.write(b"one\n", now).unwrap();
        files.tend(now);
        assert_eq!(texts(&path), ["one\n"]);
        // It ends at the moment that it has said, and says when it goes.
        let ends = files.due().unwrap();
        assert!(ends >= now + DAY, "{ends:?}");
        files.tend(ends);
        assert_eq!(texts(&path), ["one\n", ""]);
        let goes = files.due().unwrap();
        assert!(goes >= now + 14 * DAY && goes < now + 15 * DAY, "{goes:?}");
        files.tend(now + 2 * DAY);
        assert_eq!(texts(&path), ["one\n", ""]);
        // One that has nothing in it does not end.
        files.tend(now + 4 * DAY);
        assert_eq!(texts(&path), ["one\n", ""]);
        files.tend(goes);
        assert_eq!(texts(&path), [""]);
        assert_eq!(files.due(), None);
        files.write(b"two\n", now + 15 * DAY).unwrap();
        assert_eq!(texts(&path), ["two\n"]);
    }

    /// logrotate turns it as well: by numbers, by days (`dateext`), compressed.
    #[test]
    fn what_others_have_set_aside_is_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.log");
        let foreign = [
            "1",
            "2.gz",
            "20260131",
            "20260131-1769817600",
            "20260131T235959.123Z.gz",
            "20260131T235959Z",
            "20260131t235959.123Z",
            "2026013xT235959.123Z",
        ];
        let foreign = foreign.map(|end| folder.path().join(format!("service.log.{end}")));
        for theirs in &foreign {
            fs::write(theirs, "more than all files may have\n").unwrap();
        }
        let own = folder.path().join("service.log.20260131T235959.123Z");
        fs::write(&own, "more than all files may have\n").unwrap();
        assert_eq!(older(&path), std::slice::from_ref(&own));
        let mut files = LogFiles::open(&path, rules()).unwrap();
        files.tend(SystemTime::now() + 200 * DAY);
        assert!(!own.exists());
        assert_eq!(foreign.iter().find(|theirs| !theirs.exists()), None);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.log");
        let now = SystemTime::now();
        let mut files = LogFiles::open(&path, rules()).unwrap();
        files.write(b"one\n", now).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        files.write(b"two\n", now).unwrap();
        files.reopen(rules());
        files.write(b"3\n", now).unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join("moved")).unwrap(),
            "one\ntwo\n"
        );
        assert_eq!(texts(&path), ["3\n"]);
    }

    #[test]
    fn a_torn_line_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.log");
        fs::write(&path, "{\"to").unwrap();
        let mut files = LogFiles::open(&path, rules()).unwrap();
        files.write(b"next\n", SystemTime::now()).unwrap();
        assert_eq!(texts(&path), ["{\"to\nnext\n"]);
    }
}
