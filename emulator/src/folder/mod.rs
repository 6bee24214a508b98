//! The data folder: what lies where, which process has it, and snapshots of it.
//!
//! | name | what |
//! |---|---|
//! | `emulator.duckdb`, `emulator.duckdb.wal` | all databases, and the engine's log of what is not in the file yet |
//! | `stages/` | files in stages |
//! | `results/`, `spill/` | what outgrew memory; of no use to the next process |
//! | `snapshots/NAME/` | a snapshot: a database, `stages/`, `snapshot.json` |
//! | `lock` | locked by the process that has the folder; the system unlocks it even when that is killed |
//! | `serving.json` | who has it: address, process, command line; only true while `lock` is locked |
//! | `emulator.log` | what a detached emulator writes |
//!
//! Knows nothing of what is in a database. Start at [`DataFolder`].

mod serving;
mod snapshots;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

pub use serving::Serving;
pub use snapshots::{Snapshot, SnapshotError, SnapshotName};

/// The database, also in a snapshot.
const DATABASE_FILE: &str = "emulator.duckdb";
/// The engine's log beside it; while the engine folds it into the database there may be another one.
const LOG_FILE: &str = "emulator.duckdb.wal";
const STAGES: &str = "stages";
/// What a new beginning leaves behind: results, and what the engine put aside.
const PASSING: [&str; 2] = ["results", "spill"];

/// Pause between two tries to get the folder.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// A folder with an emulator's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFolder(PathBuf);

/// The folder is this process's while this lives.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl DataFolder {
    /// A folder, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join(DATABASE_FILE)
    }

    /// The engine's log.
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG_FILE)
    }

    /// Where files in stages lie.
    pub fn stages(&self) -> PathBuf {
        self.0.join(STAGES)
    }

    /// Where results lie that outgrow memory.
    pub fn results(&self) -> PathBuf {
        self.0.join(PASSING[0])
    }

    /// Where the engine puts aside what outgrows memory.
    pub fn spill(&self) -> PathBuf {
        self.0.join(PASSING[1])
    }

    /// What a detached emulator writes.
    pub fn output(&self) -> PathBuf {
        self.0.join("emulator.log")
    }

    /// Takes the folder, which is made if it is missing, for this process. Waits at most so long for another one that
    /// has it; none when that keeps it.
    pub fn lock(&self, wait_max: Duration) -> io::Result<Option<FolderLock>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.0.join("lock"))?;
        let deadline = Instant::now() + wait_max;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    // One that was killed has left it.
                    self.retract();
                    return Ok(Some(FolderLock(file)));
                }
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    std::thread::sleep(LOCK_POLL);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// True when an emulator, or a command like `restore`, has the folder.
    pub fn is_locked(&self) -> io::Result<bool> {
        let file = match File::open(self.0.join("lock")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        // A shared lock for a moment: two that look do not see one another.
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes databases, files in stages and what has no use without them; snapshots stay.
    pub fn clear(&self, _lock: &FolderLock) -> io::Result<()> {
        // The database last: a reset that is cut short has not yet made a folder without its files look whole.
        remove_folder(&self.stages())?;
        for name in PASSING {
            remove_folder(&self.0.join(name))?;
        }
        for file in self.database_files()? {
            fs::remove_file(file)?;
        }
        Ok(())
    }

    /// Bytes of database, log and files in stages.
    pub fn bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for file in self.database_files()? {
            bytes += fs::metadata(file).map_or(0, |found| found.len());
        }
        for area in entries(&self.stages())? {
            for file in entries(&area)? {
                bytes += fs::metadata(file).map_or(0, |found| found.len());
            }
        }
        Ok(bytes)
    }

    /// The database and its logs, as far as there are any; logs first.
    fn database_files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = entries(&self.0)?
            .into_iter()
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(DATABASE_FILE)
            })
            .collect();
        files.sort_by_key(|path| std::cmp::Reverse(path.as_os_str().len()));
        Ok(files)
    }
}

/// What is in a folder; nothing when it is not there, or is none.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_folder() {
        let home = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(home.path().join("data"));
        assert!(!folder.is_locked().unwrap(), "there is none yet");
        let lock = folder.lock(Duration::ZERO).unwrap().unwrap();
        assert!(folder.is_locked().unwrap());
        assert!(folder.lock(Duration::ZERO).unwrap().is_none());
        drop(lock);
        assert!(!folder.is_locked().unwrap());
        assert!(folder.lock(Duration::ZERO).unwrap().is_some());
    }

    #[test]
    fn a_cleared_folder_keeps_its_snapshots() {
        let home = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(home.path());
        let lock = folder.lock(Duration::ZERO).unwrap().unwrap();
        fs::create_dir_all(folder.stages().join("a")).unwrap();
        fs::create_dir_all(home.path().join("snapshots/s")).unwrap();
        fs::write(folder.stages().join("a/b"), "four").unwrap();
        fs::write(folder.database(), "123").unwrap();
        fs::write(folder.log(), "12").unwrap();
        assert_eq!(folder.bytes().unwrap(), 9);
        folder.clear(&lock).unwrap();
        assert_eq!(folder.bytes().unwrap(), 0);
        assert!(home.path().join("snapshots/s").is_dir());
    }
}
