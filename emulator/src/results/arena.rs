//! One file without a name, in which pieces of any size lie; the room of those that are gone is used again.
//!
//! All results share it: a file of its own for each would take a descriptor for each, and of those a process has few.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use uuid::Uuid;

use super::ResultError;

/// Room at the file's end, or in one of its holes, that is worth giving back to the file system.
const GIVEN_BACK_MIN: u64 = 1024 * 1024;

/// The file and what is free in it.
#[derive(Debug)]
pub(super) struct Arena {
    folder: PathBuf,
    bytes_max: u64,
    file: OnceLock<File>,
    space: Mutex<Space>,
    /// Bytes that are taken: told for every statement, so without the lock.
    used: AtomicU64,
}

/// A piece of the file; its room is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Parcel {
    arena: Arc<Arena>,
    extents: Vec<Extent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    offset: u64,
    length: u64,
}

/// A free part of the file before its end.
#[derive(Clone, Copy, Debug)]
struct Hole {
    length: u64,
    /// Bytes of it, at most, that were not given back to the file system.
    held: u64,
}

/// Which bytes of the file are taken: all before `end`, but for the holes.
#[derive(Debug, Default)]
struct Space {
    /// By offset; never two that touch, never one that touches the end.
    holes: BTreeMap<u64, Hole>,
    /// Their lengths and offsets, shortest first.
    by_length: BTreeSet<(u64, u64)>,
    free: u64,
    end: u64,
    /// How long the file may be.
    file_length: u64,
}

impl Arena {
    /// An arena whose file lies in `folder` and is made when it is needed.
    pub(super) fn new(folder: &Path, bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            folder: folder.to_owned(),
            bytes_max,
            file: OnceLock::new(),
            space: Mutex::default(),
            used: AtomicU64::new(0),
        })
    }

    /// Bytes that are taken.
    pub(super) fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Keeps segments that follow one another as one piece. Blocks.
    pub(super) fn put(self: &Arc<Self>, segments: &[Bytes]) -> Result<Parcel, ResultError> {
        let length = segments.iter().map(|segment| segment.len() as u64).sum();
        let parcel = {
            let mut space = self.lock();
            if self.file.get().is_none() {
                // Nobody else makes one: the lock is held.
                let _ = self.file.set(nameless_file(&self.folder)?);
            }
            let extents = space.take(length, self.bytes_max).ok_or(ResultError::DiskFull {
                limit_bytes: self.bytes_max,
            })?;
            self.used.fetch_add(length, Ordering::Relaxed);
            Parcel {
                arena: Arc::clone(self),
                extents,
            }
        };
        parcel.write(segments)?;
        Ok(parcel)
    }

    fn file(&self) -> &File {
        self.file.get().expect("a parcel is made after the file")
    }

    fn lock(&self) -> MutexGuard<'_, Space> {
        self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parcel {
    /// The bytes. Blocks.
    pub(super) fn read(&self) -> io::Result<Bytes> {
        let length: u64 = self.extents.iter().map(|extent| extent.length).sum();
        let mut bytes = vec![0; length as usize];
        let mut rest = bytes.as_mut_slice();
        for extent in &self.extents {
            let (part, after) = rest.split_at_mut(extent.length as usize);
            self.arena.file().read_exact_at(part, extent.offset)?;
            rest = after;
        }
        Ok(Bytes::from(bytes))
    }

    fn write(&self, segments: &[Bytes]) -> io::Result<()> {
        let mut extents = self.extents.iter().copied();
        let mut room = Extent { offset: 0, length: 0 };
        for segment in segments {
            let mut rest = segment.as_ref();
            while !rest.is_empty() {
                if room.length == 0 {
                    room = extents.next().expect("the extents are as long as the segments");
                }
                let (part, after) = rest.split_at(rest.len().min(room.length as usize));
                self.arena.file().write_all_at(part, room.offset)?;
                room = Extent {
                    offset: room.offset + part.len() as u64,
                    length: room.length - part.len() as u64,
                };
                rest = after;
            }
        }
        Ok(())
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let (arena, file) = (&self.arena, self.arena.file());
        for extent in &self.extents {
            // Large ones while they are still this parcel's: nobody else writes there, and nobody waits meanwhile.
            let is_given_back = extent.length >= GIVEN_BACK_MIN && punch(file, *extent);
            let held = if is_given_back { 0 } else { extent.length };
            let mut space = arena.lock();
            let hole = space.give(*extent, held);
            arena.used.fetch_sub(extent.length, Ordering::Relaxed);
            // While the lock is held: nobody else may have the room meanwhile.
            space.give_back(file, hole);
        }
    }
}

impl Space {
    /// Takes `length` bytes, in as few pieces as holes and end allow; nothing when there are not so many.
    fn take(&mut self, length: u64, bytes_max: u64) -> Option<Vec<Extent>> {
        let at_end = bytes_max.saturating_sub(self.end);
        if length > at_end + self.free {
            return None;
        }
        let mut extents = Vec::with_capacity(1);
        let mut rest = length;
        while rest > 0 {
            let at_end = bytes_max.saturating_sub(self.end);
            let fitting = self.by_length.range((rest, 0)..).next().copied();
            let extent = match fitting {
                Some((_, offset)) => self.cut(offset, rest),
                None if at_end >= rest => self.append(rest),
                None => match self.by_length.last().copied() {
                    Some((length, offset)) => self.cut(offset, length),
                    None => self.append(at_end),
                },
            };
            rest -= extent.length;
            extents.push(extent);
        }
        Some(extents)
    }

    /// Takes the beginning of a hole.
    fn cut(&mut self, offset: u64, length: u64) -> Extent {
        if let Some(hole) = self.close(offset) {
            let rest = hole.length - length;
            if rest > 0 {
                let held = hole.held.min(rest);
                self.open(offset + length, Hole { length: rest, held });
            }
        }
        Extent { offset, length }
    }

    fn append(&mut self, length: u64) -> Extent {
        let offset = self.end;
        self.end += length;
        self.file_length = self.file_length.max(self.end);
        Extent { offset, length }
    }

    /// Makes an extent free, joined with what is free beside it; `held` bytes of it are the file system's still. Gives
    /// the hole's offset, unless it is at the end.
    fn give(&mut self, extent: Extent, held: u64) -> Option<u64> {
        let mut offset = extent.offset;
        let length = extent.length;
        let mut hole = Hole { length, held };
        let before = self.holes.range(..offset).next_back();
        let before = before.map(|(&before, hole)| (before, hole.length));
        if let Some((before, length)) = before
            && before + length == offset
        {
            hole = hole.joined(self.close(before));
            offset = before;
        }
        hole = hole.joined(self.close(extent.offset + length));
        if offset + hole.length == self.end {
            self.end = offset;
            return None;
        }
        self.open(offset, hole);
        Some(offset)
    }

    fn open(&mut self, offset: u64, hole: Hole) {
        self.holes.insert(offset, hole);
        self.by_length.insert((hole.length, offset));
        self.free += hole.length;
    }

    /// Takes a hole out, if there is one at this offset.
    fn close(&mut self, offset: u64) -> Option<Hole> {
        let hole = self.holes.remove(&offset)?;
        self.by_length.remove(&(hole.length, offset));
        self.free -= hole.length;
        Some(hole)
    }

    /// Gives the file system back what is free at the end, and what a hole holds, each if it is much. What fails is
    /// used again later.
    fn give_back(&mut self, file: &File, hole: Option<u64>) {
        if self.file_length - self.end >= GIVEN_BACK_MIN && file.set_len(self.end).is_ok() {
            self.file_length = self.end;
        }
        if let Some(offset) = hole
            && let Some(hole) = self.holes.get_mut(&offset)
            && hole.held >= GIVEN_BACK_MIN
        {
            let length = hole.length;
            // Also when it fails: it is tried again when as much has come to it.
            hole.held = 0;
            punch(file, Extent { offset, length });
        }
    }
}

impl Hole {
    fn joined(self, other: Option<Self>) -> Self {
        other.map_or(self, |other| Self {
            length: self.length + other.length,
            held: self.held + other.held,
        })
    }
}

/// Gives the file system back the room of an extent; false where it cannot take it.
fn punch(file: &File, extent: Extent) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(file, punch, extent.offset, extent.length).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, extent);
        false
    }
}

/// Makes a file without a name: whatever becomes of this process, nothing is left behind.
fn nameless_file(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!(".results-{}", Uuid::new_v4()));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: u64 = 4096;

    /// Puts a piece of so many bytes, or drops one of those there are.
    #[derive(Clone, Debug)]
    enum Step {
        Put(u16),
        Drop(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0u16..1500).prop_map(Step::Put),
            2 => (0usize..64).prop_map(Step::Drop),
        ];
        proptest::collection::vec(step, 0..80)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pieces_keep_their_bytes_and_nothing_is_lost(steps in steps()) {
            let folder = tempfile::tempdir().unwrap();
            let arena = Arena::new(folder.path(), BYTES_MAX);
            let mut kept: Vec<(Parcel, Vec<u8>)> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Put(length) => {
                        let bytes: Vec<u8> = (0..length).map(|at| at as u8 ^ number as u8).collect();
                        let (one, two) = bytes.split_at(bytes.len() / 3);
                        let segments = [one, two].map(Bytes::copy_from_slice);
                        let used: u64 = kept.iter().map(|(_, bytes)| bytes.len() as u64).sum();
                        let put = arena.put(&segments);
                        // Refused only when there is no room, however scattered it is.
                        prop_assert_eq!(put.is_ok(), used + u64::from(length) <= BYTES_MAX);
                        kept.extend(put.ok().map(|parcel| (parcel, bytes)));
                    }
                    Step::Drop(index) if index < kept.len() => drop(kept.swap_remove(index)),
                    Step::Drop(_) => {}
                }
                let used: u64 = kept.iter().map(|(_, bytes)| bytes.len() as u64).sum();
                prop_assert_eq!(arena.used_bytes(), used);
                let space = arena.lock();
                prop_assert_eq!(space.end - space.free, used);
                prop_assert!(space.end <= BYTES_MAX);
                prop_assert!(space.holes.values().all(|hole| hole.held <= hole.length));
            }
            for (parcel, bytes) in &kept {
                prop_assert_eq!(parcel.read().unwrap(), bytes);
            }
            kept.clear();
            prop_assert_eq!((arena.used_bytes(), arena.lock().end), (0, 0));
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has a name");
        }
    }

    #[test]
    fn what_is_free_goes_back_to_the_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let arena = Arena::new(folder.path(), u64::MAX);
        let large = || Bytes::from(vec![7; 2 * GIVEN_BACK_MIN as usize]);
        let first = arena.put(&[large()]).unwrap();
        let second = arena.put(&[large()]).unwrap();
        let last = arena.put(&[Bytes::from_static(b"x")]).unwrap();
        drop(second);
        let length = || arena.file().metadata().unwrap().len();
        assert_eq!(length(), 4 * GIVEN_BACK_MIN + 1);
        drop(last);
        assert_eq!(length(), 2 * GIVEN_BACK_MIN);
        assert_eq!(first.read().unwrap(), large());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn small_neighbours_go_back_together() {
        use std::os::unix::fs::MetadataExt as _;

        let folder = tempfile::tempdir().unwrap();
        let arena = Arena::new(folder.path(), u64::MAX);
        let piece = || Bytes::from(vec![7; GIVEN_BACK_MIN as usize / 4]);
        let mut pieces: Vec<_> = (0..16).map(|_| arena.put(&[piece()]).unwrap()).collect();
        let last = arena.put(&[Bytes::from_static(b"x")]).unwrap();
        // Every other one first, so that the others join them.
        for index in (0..8).rev() {
            drop(pieces.remove(2 * index));
        }
        let kept = pieces.pop().unwrap();
        let file = || arena.file().metadata().unwrap();
        let before = file().blocks() * 512;
        drop(pieces);
        assert_eq!(file().len(), 4 * GIVEN_BACK_MIN + 1);
        let after = file().blocks() * 512;
        // But for a rest that is not much yet.
        assert!(after <= 2 * GIVEN_BACK_MIN, "{before} before, {after} after");
        assert_eq!(kept.read().unwrap(), piece());
        assert_eq!(last.read().unwrap(), Bytes::from_static(b"x"));
    }
}
