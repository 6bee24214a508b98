//! Where results lie: in memory while the shared budgets last, then in the one file of them all.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

use super::ResultError;
use super::arena::{Arena, Parcel};

/// Segments up to this size are joined with their neighbours: many small writes cost more than one copy.
const JOINED_SEGMENT_MAX: usize = 16 * 1024;

/// How much all results together may take.
#[derive(Clone, Copy, Debug)]
pub struct SpoolLimits {
    /// Bytes of chunks kept in memory.
    pub memory_bytes_max: u64,
    /// Bytes of first parts, of columns and of statements' texts kept in memory.
    pub first_bytes_max: u64,
    /// Bytes of all of these kept in a file.
    pub disk_bytes_max: u64,
}

/// The place of all results; shared by the server's sessions.
#[derive(Debug)]
pub struct Spool {
    limits: SpoolLimits,
    memory: AtomicU64,
    first: AtomicU64,
    arena: Arc<Arena>,
}

/// Bytes in memory and in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolBytes {
    /// Of chunks in memory.
    pub memory: u64,
    /// In the file.
    pub disk: u64,
}

impl Spool {
    /// Opens the spool; its file lies in `folder`, which is made if it is missing.
    pub fn open(folder: &Path, limits: SpoolLimits) -> std::io::Result<Arc<Self>> {
        std::fs::create_dir_all(folder)?;
        Ok(Arc::new(Self {
            limits,
            memory: AtomicU64::new(0),
            first: AtomicU64::new(0),
            arena: Arena::new(folder, limits.disk_bytes_max),
        }))
    }

    /// Bytes of chunks in memory now.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Bytes of first parts, columns and texts in memory now.
    pub fn first_bytes(&self) -> u64 {
        self.first.load(Ordering::Relaxed)
    }

    /// Bytes in the file now.
    pub fn disk_bytes(&self) -> u64 {
        self.arena.used_bytes()
    }

    /// What results that were read to their end must give up: what is beyond half of the memory, and beyond an
    /// eighth of the file's limit.
    pub fn excess(&self) -> SpoolBytes {
        SpoolBytes {
            memory: self
                .memory_bytes()
                .saturating_sub(self.limits.memory_bytes_max / 2),
            disk: self.disk_bytes().saturating_sub(self.limits.disk_bytes_max / 8),
        }
    }

    /// True when first parts in memory should begin to move into the file, so that new ones find room: three
    /// quarters of their budget are taken.
    pub fn is_first_crowded(&self) -> bool {
        self.first_bytes() > self.limits.first_bytes_max / 4 * 3
    }

    /// True while so many must move: half of the budget is for what comes next.
    pub fn is_first_half_full(&self) -> bool {
        self.first_bytes() > self.limits.first_bytes_max / 2
    }

    /// Takes bytes of the first parts' budget, if there are so many.
    pub(super) fn reserve_first(&self, bytes: u64) -> bool {
        reserve(&self.first, bytes, self.limits.first_bytes_max)
    }

    /// Takes bytes of the first parts' budget, also beyond it.
    pub(super) fn take_first(&self, bytes: u64) {
        self.first.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn release_first(&self, bytes: u64) {
        self.first.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Puts segments that follow one another into the file. Blocks.
    pub(super) fn put(&self, segments: &[Bytes]) -> Result<Parcel, ResultError> {
        self.arena.put(segments)
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

/// One result's share of the spool: gives its memory back when dropped.
#[derive(Debug)]
pub(super) struct SpoolShare {
    spool: Arc<Spool>,
    bytes: SpoolBytes,
}

/// Where one chunk lies.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In memory, in segments that follow one another.
    Memory(Vec<Bytes>),
    /// In the file.
    File(Arc<Parcel>),
}

impl SpoolShare {
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self {
            spool,
            bytes: SpoolBytes::default(),
        }
    }

    pub(super) fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    pub(super) fn bytes(&self) -> SpoolBytes {
        self.bytes
    }

    /// Keeps one chunk.
    pub(super) fn keep(&mut self, segments: Vec<Bytes>) -> Result<Place, ResultError> {
        let length = segments.iter().map(|segment| segment.len() as u64).sum();
        let segments = join_small(segments);
        if reserve(&self.spool.memory, length, self.spool.limits.memory_bytes_max) {
            self.bytes.memory += length;
            return Ok(Place::Memory(segments));
        }
        let parcel = self.spool.put(&segments)?;
        self.bytes.disk += length;
        Ok(Place::File(Arc::new(parcel)))
    }
}

impl Drop for SpoolShare {
    fn drop(&mut self) {
        self.spool.memory.fetch_sub(self.bytes.memory, Ordering::Relaxed);
    }
}

impl Place {
    /// The chunk's bytes as segments. Reads a file: call it where blocking is allowed.
    pub(super) fn read(&self) -> Result<Vec<Bytes>, ResultError> {
        match self {
            Self::Memory(segments) => Ok(segments.clone()),
            Self::File(parcel) => Ok(vec![parcel.read()?]),
        }
    }

    /// True when [`Place::read`] touches a file.
    pub(super) fn blocks(&self) -> bool {
        matches!(self, Self::File(_))
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
