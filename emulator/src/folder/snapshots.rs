//! Copies of a data folder under a name: made while the emulator runs or not, put back when it does not.
//!
//! Nobody has to be asked for a snapshot, since the engine's files are fit to be copied as they are after a crash: between
//! two checkpoints the database file only gains blocks, and each commit adds to the log. So the log is copied first, then
//! the file; what the log's copy names is in the file's copy by then. A checkpoint in between would break that; it
//! changes the file's head, which is compared before and after, and then the copy is made again.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DATABASE_FILE, DataFolder, FolderLock, STAGES, Serving, entries, remove_folder};

const FOLDER: &str = "snapshots";
const DESCRIPTION: &str = "snapshot.json";
/// How folders begin that are not a snapshot yet, or not any more. No name begins so.
const PARTIAL: &str = ".partial-";
/// How files and folders begin in stages that are not for keeping: unfinished uploads.
const UNFINISHED: &str = ".partial-";

/// Letters of a name.
const NAME_LENGTH_MAX: usize = 64;
/// Bytes at the beginning of the database file that a checkpoint changes: three blocks of 4 KiB.
const HEAD_BYTES: u64 = 3 * 4096;
/// Copies that are tried while checkpoints come in between.
const TRIES_MAX: usize = 20;
/// Pause before another try: a checkpoint takes about that long.
const TRY_PAUSE: Duration = Duration::from_millis(50);

/// The name of a snapshot: letters, digits, `-`, `_` and `.`, at most 64, not beginning with `.` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotName(String);

impl FromStr for SnapshotName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty()
            || text.len() > NAME_LENGTH_MAX
            || !text.chars().all(fits)
            || text.starts_with(['.', '-'])
        {
            return Err(format!(
                "a snapshot's name has 1 to {NAME_LENGTH_MAX} letters, digits, `-`, `_` and `.`, and begins with none of `-` and `.`"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A snapshot that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub name: SnapshotName,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Bytes of its database and files.
    pub bytes: u64,
}

/// What is written beside a snapshot's data.
#[derive(Deserialize, Serialize)]
struct Description {
    created: u64,
    bytes: u64,
    version: String,
}

/// Why a snapshot was not made, found, put back or deleted.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is nothing to copy.
    #[error("there is no database in {0:?} yet")]
    Empty(PathBuf),
    /// The name is taken.
    #[error("there is a snapshot {0} already")]
    Exists(SnapshotName),
    /// There is none of this name.
    #[error("there is no snapshot {0}")]
    Unknown(SnapshotName),
    /// Checkpoints came in between each time.
    #[error("the database is written too fast to be copied; {TRIES_MAX} tries were in vain")]
    Busy,
    /// The copy does not open, which says that the database does not either.
    #[error("the copy cannot be opened: {0}")]
    Broken(String),
    /// The system's word.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl DataFolder {
    /// Copies databases and files in stages under a name. `check` opens the copy before it counts.
    pub fn take_snapshot(
        &self,
        name: &SnapshotName,
        check: impl Fn(&DataFolder) -> Result<(), String>,
    ) -> Result<Snapshot, SnapshotError> {
        let target = self.snapshot_path(name);
        if target.exists() {
            return Err(SnapshotError::Exists(name.clone()));
        }
        if !self.database().exists() {
            return Err(SnapshotError::Empty(self.path().to_owned()));
        }
        fs::create_dir_all(self.path().join(FOLDER))?;
        let partial = Partial::new(&self.path().join(FOLDER))?;
        let copy = DataFolder::new(&partial.0);
        self.copy_database(&copy)?;
        link_stages(&self.stages(), &copy.stages())?;
        check(&copy).map_err(SnapshotError::Broken)?;
        let created = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let bytes = copy.bytes()?;
        let description = Description {
            created,
            bytes,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let document = serde_json::to_value(description).map_err(io::Error::other)?;
        Serving::write_whole(&partial.0.join(DESCRIPTION), &document)?;
        match fs::rename(&partial.0, &target) {
            Ok(()) => {}
            Err(_) if target.exists() => return Err(SnapshotError::Exists(name.clone())),
            Err(error) => return Err(error.into()),
        }
        Ok(Snapshot {
            name: name.clone(),
            created,
            bytes,
        })
    }

    /// The snapshots there are, by name.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, SnapshotError> {
        let mut found = Vec::new();
        for path in entries(&self.path().join(FOLDER))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let (Ok(name), Ok(text)) = (name.parse(), fs::read(path.join(DESCRIPTION))) else {
                continue;
            };
            if let Ok(Description { created, bytes, .. }) = serde_json::from_slice(&text) {
                found.push(Snapshot { name, created, bytes });
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Puts a snapshot in the place of what the folder holds.
    ///
    /// The copy is made before anything is removed, and the snapshot stays: after a failure or a kill in between, restoring
    /// again makes the folder whole.
    pub fn restore(&self, name: &SnapshotName, lock: &FolderLock) -> Result<(), SnapshotError> {
        let source = DataFolder::new(self.known(name)?);
        let partial = Partial::new(self.path())?;
        let copy = DataFolder::new(&partial.0);
        for file in source.database_files()? {
            fs::copy(&file, partial.0.join(file.file_name().unwrap_or_default()))?;
        }
        link_stages(&source.stages(), &copy.stages())?;
        self.clear(lock)?;
        if copy.stages().exists() {
            fs::rename(copy.stages(), self.stages())?;
        }
        for file in copy.database_files()? {
            fs::rename(&file, self.path().join(file.file_name().unwrap_or_default()))?;
        }
        Ok(())
    }

    /// Deletes a snapshot.
    pub fn delete_snapshot(&self, name: &SnapshotName) -> Result<(), SnapshotError> {
        let path = self.known(name)?;
        // Out of sight first, so that nobody finds half of it.
        let partial = Partial::new(&self.path().join(FOLDER))?;
        fs::rename(path, partial.0.join("deleted"))?;
        Ok(())
    }

    fn known(&self, name: &SnapshotName) -> Result<PathBuf, SnapshotError> {
        let path = self.snapshot_path(name);
        if path.join(DESCRIPTION).exists() {
            Ok(path)
        } else {
            Err(SnapshotError::Unknown(name.clone()))
        }
    }

    fn snapshot_path(&self, name: &SnapshotName) -> PathBuf {
        self.path().join(FOLDER).join(&name.0)
    }

    fn copy_database(&self, copy: &Self) -> Result<(), SnapshotError> {
        for attempt in 0..TRIES_MAX {
            if attempt > 0 {
                std::thread::sleep(TRY_PAUSE);
            }
            let before = self.fingerprint()?;
            let is_folding = before.files.len() > 2 && self.is_locked()?;
            if is_folding || !copy.take_copies(&before.files)? {
                continue;
            }
            if self.fingerprint()? == before {
                return Ok(());
            }
        }
        Err(SnapshotError::Busy)
    }

    /// Makes this folder's files copies of logs, then the database; false when one went away meanwhile.
    fn take_copies(&self, files: &[PathBuf]) -> io::Result<bool> {
        for old in self.database_files()? {
            fs::remove_file(old)?;
        }
        for file in files {
            match fs::copy(file, self.path().join(file.file_name().unwrap_or_default())) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// What is another after a checkpoint, or after the first commit since one.
    fn fingerprint(&self) -> io::Result<Fingerprint> {
        let mut head = Vec::new();
        File::open(self.path().join(DATABASE_FILE))?
            .take(HEAD_BYTES)
            .read_to_end(&mut head)?;
        Ok(Fingerprint {
            head,
            files: self.database_files()?,
        })
    }
}

#[derive(PartialEq)]
struct Fingerprint {
    head: Vec<u8>,
    files: Vec<PathBuf>,
}

/// A folder that ends with this, unless it was given another name.
struct Partial(PathBuf);

impl Partial {
    fn new(within: &Path) -> io::Result<Self> {
        let path = within.join(format!("{PARTIAL}{}", Uuid::new_v4()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = remove_folder(&self.0);
    }
}

/// Gives the files in stages a second name. They are never written again: a new one takes the place of an old one.
fn link_stages(from: &Path, to: &Path) -> io::Result<()> {
    for area in entries(from)? {
        let name = area
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with(UNFINISHED) || !area.is_dir() {
            continue;
        }
        let target = to.join(&name);
        fs::create_dir_all(&target)?;
        for file in entries(&area)? {
            let name = file.file_name().unwrap_or_default();
            if name.to_string_lossy().starts_with(UNFINISHED) {
                continue;
            }
            let linked = fs::hard_link(&file, target.join(name)).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Err(error),
                // A file system without second names.
                _ => fs::copy(&file, target.join(name)).map(|_| ()),
            });
            match linked {
                // Removed since the folder was read, which may just as well have been before.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
    }
    debug_assert!(to.ends_with(STAGES));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SnapshotName {
        text.parse().unwrap()
    }

    fn fixture() -> (tempfile::TempDir, DataFolder) {
        let home = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(home.path());
        fs::create_dir_all(folder.stages().join("a")).unwrap();
        fs::write(folder.stages().join("a/b"), "file").unwrap();
        fs::write(folder.database(), "database").unwrap();
        fs::write(folder.log(), "log").unwrap();
        (home, folder)
    }

    #[test]
    fn names_are_names_and_no_paths() {
        for bad in ["", ".", "..", ".a", "-a", "a/b", "ä", &"a".repeat(65)] {
            assert!(SnapshotName::from_str(bad).is_err(), "{bad:?}");
        }
        assert_eq!(name("v1.2-base_3").to_string(), "v1.2-base_3");
    }

    #[test]
    fn a_snapshot_is_put_back_whole() {
        let (_home, folder) = fixture();
        let taken = folder.take_snapshot(&name("s"), |_| Ok(())).unwrap();
        assert_eq!(taken.bytes, 15);
        assert!(matches!(
            folder.take_snapshot(&name("s"), |_| Ok(())),
            Err(SnapshotError::Exists(_))
        ));
        fs::write(folder.database(), "another").unwrap();
        fs::remove_file(folder.log()).unwrap();
        fs::write(folder.stages().join("a/c"), "more").unwrap();
        let lock = folder.lock(Duration::ZERO).unwrap().unwrap();
        for _ in 0..2 {
            folder.restore(&name("s"), &lock).unwrap();
            assert_eq!(fs::read_to_string(folder.database()).unwrap(), "database");
            assert_eq!(fs::read_to_string(folder.log()).unwrap(), "log");
            assert!(folder.stages().join("a/b").exists() && !folder.stages().join("a/c").exists());
        }
        assert_eq!(folder.snapshots().unwrap(), [taken]);
        folder.delete_snapshot(&name("s")).unwrap();
        assert_eq!(folder.snapshots().unwrap(), []);
        assert!(matches!(
            folder.restore(&name("s"), &lock),
            Err(SnapshotError::Unknown(_))
        ));
        assert_eq!(entries(&folder.path().join(FOLDER)).unwrap(), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_copy_that_does_not_open_is_no_snapshot() {
        let (_home, folder) = fixture();
        let broken = folder.take_snapshot(&name("s"), |_| Err("no".to_owned()));
        assert!(matches!(broken, Err(SnapshotError::Broken(_))));
        assert_eq!(folder.snapshots().unwrap(), []);
    }

    #[test]
    fn a_checkpoint_in_between_is_noticed() {
        let (_home, folder) = fixture();
        let before = folder.fingerprint().unwrap();
        fs::write(folder.log(), "log and more").unwrap();
        assert!(
            folder.fingerprint().unwrap() == before,
            "commits are no checkpoint"
        );
        fs::write(folder.database(), "Database").unwrap();
        assert!(folder.fingerprint().unwrap() != before);
    }
}
