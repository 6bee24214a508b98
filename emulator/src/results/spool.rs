//! Where chunks lie: in memory while the shared budget lasts, then in a file per result.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use super::ResultError;

/// Segments up to this size are joined with their neighbours: many small writes cost more than one copy.
const JOINED_SEGMENT_MAX: usize = 16 * 1024;

/// How much all results together may take.
#[derive(Clone, Copy, Debug)]
pub struct SpoolLimits {
    /// Bytes of chunks kept in memory.
    pub memory_bytes_max: u64,
    /// Bytes of chunks kept in files.
    pub disk_bytes_max: u64,
}

/// The place of all results' chunks; shared by the server's sessions.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    limits: SpoolLimits,
    memory: AtomicU64,
    disk: AtomicU64,
}

impl Spool {
    /// Opens the spool; its files lie in `folder`, which is made if it is missing.
    pub fn open(folder: &Path, limits: SpoolLimits) -> std::io::Result<Arc<Self>> {
        std::fs::create_dir_all(folder)?;
        let folder = folder.to_owned();
        Ok(Arc::new(Self {
            folder,
            limits,
            memory: AtomicU64::new(0),
            disk: AtomicU64::new(0),
        }))
    }

    /// Bytes of chunks in memory now.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Bytes of chunks in files now.
    pub fn disk_bytes(&self) -> u64 {
        self.disk.load(Ordering::Relaxed)
    }

    /// True when results that nobody needs any more should go: half of the memory is taken, or an eighth
    /// of the files' limit.
    pub fn is_crowded(&self) -> bool {
        self.memory_bytes() > self.limits.memory_bytes_max / 2
            || self.disk_bytes() > self.limits.disk_bytes_max / 8
    }

    /// True when results must go, needed or not: three quarters of the files' limit are taken.
    pub fn is_nearly_full(&self) -> bool {
        self.disk_bytes() > self.limits.disk_bytes_max / 4 * 3
    }
}

/// Takes `bytes` of a counter unless that would pass `limit`.
fn reserve(counter: &AtomicU64, bytes: u64, limit: u64) -> bool {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|total| *total <= limit)
        })
        .is_ok()
}

/// One result's share of the spool: gives its memory and its file back when dropped.
#[derive(Debug)]
pub(super) struct SpoolShare {
    spool: Arc<Spool>,
    memory: u64,
    file: Option<SpillFile>,
}

#[derive(Debug)]
struct SpillFile {
    file: Arc<File>,
    length: u64,
}

/// Where one chunk lies.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In memory, in segments that follow one another.
    Memory(Vec<Bytes>),
    /// In the result's file.
    File {
        file: Arc<File>,
        offset: u64,
        length: u64,
    },
}

impl SpoolShare {
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self {
            spool,
            memory: 0,
            file: None,
        }
    }

    /// Keeps one chunk.
    pub(super) fn keep(&mut self, segments: Vec<Bytes>) -> Result<Place, ResultError> {
        let length = segments.iter().map(|segment| segment.len() as u64).sum();
        if reserve(&self.spool.memory, length, self.spool.limits.memory_bytes_max) {
            self.memory += length;
            return Ok(Place::Memory(join_small(segments)));
        }
        let limit_bytes = self.spool.limits.disk_bytes_max;
        if !reserve(&self.spool.disk, length, limit_bytes) {
            return Err(ResultError::DiskFull { limit_bytes });
        }
        // Counted first: whatever fails from here on, dropping the share gives back what the file has.
        let spill = match &mut self.file {
            Some(spill) => spill,
            none => match SpillFile::create(&self.spool.folder) {
                Ok(created) => none.insert(created),
                Err(error) => {
                    self.spool.disk.fetch_sub(length, Ordering::Relaxed);
                    return Err(error.into());
                }
            },
        };
        let offset = spill.length;
        spill.length += length;
        let mut writer = &*spill.file;
        for segment in &segments {
            writer.write_all(segment)?;
        }
        Ok(Place::File {
            file: Arc::clone(&spill.file),
            offset,
            length,
        })
    }
}

impl Drop for SpoolShare {
    fn drop(&mut self) {
        self.spool.memory.fetch_sub(self.memory, Ordering::Relaxed);
        if let Some(spill) = &self.file {
            self.spool.disk.fetch_sub(spill.length, Ordering::Relaxed);
        }
    }
}

impl SpillFile {
    /// Makes a file without a name: whatever becomes of this process, nothing is left behind.
    fn create(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join(format!(".result-{}", Uuid::new_v4()));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self {
            file: Arc::new(file),
            length: 0,
        })
    }
}

impl Place {
    /// The chunk's bytes as segments. Reads a file: call it where blocking is allowed.
    pub(super) fn read(&self) -> Result<Vec<Bytes>, ResultError> {
        match self {
            Self::Memory(segments) => Ok(segments.clone()),
            Self::File { file, offset, length } => {
                let mut bytes = vec![0; *length as usize];
                file.read_exact_at(&mut bytes, *offset)?;
                Ok(vec![Bytes::from(bytes)])
            }
        }
    }

    /// True when [`Place::read`] touches a file.
    pub(super) fn blocks(&self) -> bool {
        matches!(self, Self::File { .. })
    }
}

/// Joins runs of small segments.
fn join_small(segments: Vec<Bytes>) -> Vec<Bytes> {
    let mut joined = Vec::new();
    let mut small = BytesMut::new();
    for segment in segments {
        if segment.len() <= JOINED_SEGMENT_MAX {
            small.extend_from_slice(&segment);
            continue;
        }
        if !small.is_empty() {
            joined.push(small.split().freeze());
        }
        joined.push(segment);
    }
    if !small.is_empty() {
        joined.push(small.freeze());
    }
    joined
}
