//! The folder in which the files of all stages lie.
//!
//! A file is written under a name of its own and takes its place when it is complete: nobody reads half a file, and
//! what a broken upload leaves is removed. With no data folder the store is a private folder that ends with it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::digests::{Digests, Hasher, Kind, Version};
use super::key::TEMPORARY;
use super::{Area, Key, Scratch};

/// How files begin that are not complete yet.
const PARTIAL: &str = ".partial-";

/// How the digests of load records begin that are fingerprints (XXH3).
const FINGERPRINTED: &str = "x3:";

/// How much a store takes.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Bytes of all files together.
    pub bytes_max: u64,
    /// Files of one stage.
    pub files_max: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            file_bytes_max: 5 * 1024 * 1024 * 1024,
            bytes_max: 64 * 1024 * 1024 * 1024,
            files_max: 100_000,
        }
    }
}

/// Why a file was not kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is larger than one file may be.
    #[error("the file is larger than the limit of {limit} bytes")]
    FileLarge {
        /// The limit.
        limit: u64,
    },
    /// All files together are larger than they may be.
    #[error("the stages are full: their files have reached the limit of {limit} bytes")]
    Full {
        /// The limit.
        limit: u64,
    },
    /// The stage has as many files as it may have.
    #[error("the stage has reached the limit of {limit} files")]
    ManyFiles {
        /// The limit.
        limit: usize,
    },
    /// The system's word.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A file in a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageFile {
    /// Its name in the stage.
    pub key: Key,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was written, in milliseconds since 1970.
    pub modified_ms: i64,
}

impl StageFile {
    fn version(&self) -> Version {
        (self.bytes, self.modified_ms)
    }
}

/// The files of all stages.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    /// The folder ends with the store.
    is_private: bool,
    limits: StoreLimits,
    bytes: AtomicU64,
    digests: Digests,
    /// Held while a file takes its place.
    placing: Mutex<()>,
}

impl FileStore {
    /// Opens the store in a folder; without one, in a private folder below `temporary`.
    pub fn open(folder: Option<&Path>, temporary: &Path, limits: StoreLimits) -> io::Result<Arc<Self>> {
        let is_private = folder.is_none();
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => temporary.join(format!("snowflake-emulator-{}", Uuid::new_v4())),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let store = Self {
            folder,
            is_private,
            limits,
            bytes: AtomicU64::new(0),
            digests: Digests::default(),
            placing: Mutex::new(()),
        };
        store.take_stock()?;
        Ok(Arc::new(store))
    }

    /// Counts what is there and removes what an ended process has left.
    fn take_stock(&self) -> io::Result<()> {
        let mut bytes = 0;
        for area in fs::read_dir(&self.folder)? {
            let area = area?;
            if area.file_name().to_string_lossy().starts_with(TEMPORARY) {
                fs::remove_dir_all(area.path())?;
                continue;
            }
            if !area.file_type()?.is_dir() {
                if area.file_name().to_string_lossy().starts_with(PARTIAL) {
                    fs::remove_file(area.path())?;
                }
                continue;
            }
            for file in fs::read_dir(area.path())? {
                let file = file?;
                if file.file_name().to_string_lossy().starts_with(PARTIAL) {
                    fs::remove_file(file.path())?;
                } else {
                    bytes += file.metadata()?.len();
                }
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Where a file lies or would lie.
    pub fn path(&self, area: &Area, key: &Key) -> PathBuf {
        self.folder.join(area.folder()).join(key.encoded())
    }

    /// Begins to write a file; it takes its place with [`Upload::finish`].
    pub fn create(self: &Arc<Self>, area: &Area, key: &Key) -> Result<Upload, StoreError> {
        let folder = self.folder.join(area.folder());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        if fs::read_dir(&folder)?.count() >= self.limits.files_max {
            return Err(StoreError::ManyFiles {
                limit: self.limits.files_max,
            });
        }
        let partial = folder.join(format!("{PARTIAL}{}", Uuid::new_v4()));
        Ok(Upload {
            file: File::create_new(&partial)?,
            store: Arc::clone(self),
            target: folder.join(key.encoded()),
            partial: Some(partial),
            written: 0,
            hasher: Kind::Fingerprint.hasher(),
        })
    }

    /// A file for one piece of work, which ends with it.
    pub fn scratch(self: &Arc<Self>) -> io::Result<Scratch> {
        let path = self.folder.join(format!("{PARTIAL}{}", Uuid::new_v4()));
        Ok(Scratch {
            file: File::create_new(&path)?,
            path,
            bytes_max: self.limits.file_bytes_max,
        })
    }

    /// A file, if it is there.
    pub fn find(&self, area: &Area, key: &Key) -> io::Result<Option<StageFile>> {
        let path = self.path(area, key);
        match fs::metadata(&path) {
            Ok(found) => Ok(Some(StageFile {
                key: key.clone(),
                path,
                bytes: found.len(),
                modified_ms: milliseconds(found.modified()?),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The files of a stage whose names begin so, in the order of their names.
    pub fn list(&self, area: &Area, prefix: &str) -> io::Result<Vec<StageFile>> {
        let entries = match fs::read_dir(self.folder.join(area.folder())) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(key) = entry.file_name().to_str().and_then(Key::of_encoded) else {
                continue;
            };
            if !key.as_str().starts_with(prefix) {
                continue;
            }
            // Removed since the folder was read: not there.
            let Ok(found) = entry.metadata() else { continue };
            files.push(StageFile {
                key,
                path: entry.path(),
                bytes: found.len(),
                modified_ms: milliseconds(found.modified()?),
            });
        }
        files.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(files)
    }

    /// Removes a file; no error when it is gone already.
    pub fn remove(&self, file: &StageFile) -> io::Result<()> {
        match fs::remove_file(&file.path) {
            Ok(()) => {
                self.give_back(file.bytes);
                self.digests.forget(&file.path);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes all files of a stage.
    pub fn clear(&self, area: &Area) -> io::Result<()> {
        for file in self.list(area, "")? {
            self.remove(&file)?;
        }
        match fs::remove_dir_all(self.folder.join(area.folder())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// MD5 of a file in hexadecimal, as LIST shows it.
    pub fn md5(&self, file: &StageFile) -> io::Result<String> {
        self.digests.of(&file.path, file.version(), Kind::Md5)
    }

    /// What `METADATA$FILE_CONTENT_KEY` shows: it differs when the content does.
    pub fn fingerprint(&self, file: &StageFile) -> io::Result<String> {
        self.digests.of(&file.path, file.version(), Kind::Fingerprint)
    }

    /// What a load record holds of a file's content; it says by which function it was made.
    pub fn load_digest(&self, file: &StageFile) -> io::Result<String> {
        Ok(format!("{FINGERPRINTED}{}", self.fingerprint(file)?))
    }

    /// True when a load record's digest is that of the file as it is now.
    ///
    /// Records without a mark hold MD5: earlier versions of the emulator wrote them.
    pub fn has_digest(&self, file: &StageFile, recorded: &str) -> io::Result<bool> {
        match recorded.strip_prefix(FINGERPRINTED) {
            Some(fingerprint) => Ok(self.fingerprint(file)? == fingerprint),
            None => Ok(self.md5(file)? == recorded),
        }
    }

    fn take(&self, bytes: u64) -> Result<(), StoreError> {
        let limit = self.limits.bytes_max;
        let more = |used: u64| used.checked_add(bytes).filter(|total| *total <= limit);
        match self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Full { limit }),
        }
    }

    fn give_back(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        // Never fails: the closure always gives a value.
        let _ = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl FileStore {
    /// Removes a private folder: threads that end with the process may hold the store until then.
    pub fn end(&self) {
        if !self.is_private {
            return;
        }
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %self.folder.display(), "failed to remove the stages' folder");
            }
            _ => {}
        }
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.end();
    }
}

/// A file that is being written; dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct Upload {
    store: Arc<FileStore>,
    file: File,
    target: PathBuf,
    /// None once it is in its place.
    partial: Option<PathBuf>,
    written: u64,
    hasher: Hasher,
}

impl Upload {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let (more, limit) = (bytes.len() as u64, self.store.limits.file_bytes_max);
        if self.written + more > limit {
            return Err(StoreError::FileLarge { limit });
        }
        self.store.take(more)?;
        self.written += more;
        self.hasher.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }

    /// Bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Puts the file in its place, where it replaces one of the same name.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.file.sync_data()?;
        let modified_ms = milliseconds(self.file.metadata()?.modified()?);
        let Some(partial) = self.partial.take() else {
            return Ok(());
        };
        // What is remembered of the name is of the file that has it, also when two come in at once.
        let store = Arc::clone(&self.store);
        let _placing = store.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = fs::metadata(&self.target).map_or(0, |found| found.len());
        if let Err(error) = fs::rename(&partial, &self.target) {
            self.partial = Some(partial);
            return Err(error.into());
        }
        self.store.give_back(replaced);
        // One of the same size and time may have been there.
        self.store.digests.forget(&self.target);
        let version = (self.written, modified_ms);
        let fingerprint = self.hasher.text();
        self.store
            .digests
            .keep(&self.target, version, Kind::Fingerprint, fingerprint);
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(partial) = self.partial.take() {
            self.store.give_back(self.written);
            if let Err(error) = fs::remove_file(&partial) {
                tracing::warn!(%error, "failed to remove an upload that broke off");
            }
        }
    }
}

fn milliseconds(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
