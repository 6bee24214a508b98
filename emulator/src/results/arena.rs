//! One file without a name, in which pieces of any size lie; the room of those that are gone is used again.
//!
//! All results share it: a file of its own for each would take a descriptor for each, and of those a process has few.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
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

/// Which bytes of the file are taken: all before `end`, but for the holes.
#[derive(Debug, Default)]
struct Space {
    /// Lengths by offset; never two that touch, never one that touches the end.
    holes: BTreeMap<u64, u64>,
    /// The same, shortest first.
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
        })
    }

    /// Bytes that are taken.
    pub(super) fn used_bytes(&self) -> u64 {
        let space = self.lock();
        space.end - space.free
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
        let mut space = self.arena.lock();
        for extent in &self.extents {
            space.give(*extent);
            // While the lock is held: nobody else may have the room meanwhile.
            give_back(self.arena.file(), &mut space, *extent);
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
                Some((length, offset)) => self.cut(Extent { offset, length }, rest),
                None if at_end >= rest => self.append(rest),
                None => match self.by_length.last().copied() {
                    Some((length, offset)) => self.cut(Extent { offset, length }, length),
                    None => self.append(at_end),
                },
            };
            rest -= extent.length;
            extents.push(extent);
        }
        Some(extents)
    }

    /// Takes the beginning of a hole.
    fn cut(&mut self, hole: Extent, length: u64) -> Extent {
        self.close(hole);
        if length < hole.length {
            self.open(Extent {
                offset: hole.offset + length,
                length: hole.length - length,
            });
        }
        Extent {
            offset: hole.offset,
            length,
        }
    }

    fn append(&mut self, length: u64) -> Extent {
        let offset = self.end;
        self.end += length;
        self.file_length = self.file_length.max(self.end);
        Extent { offset, length }
    }

    /// Makes an extent free, joined with what is free beside it.
    fn give(&mut self, mut extent: Extent) {
        if let Some((&offset, &length)) = self.holes.range(..extent.offset).next_back()
            && offset + length == extent.offset
        {
            self.close(Extent { offset, length });
            extent = Extent {
                offset,
                length: length + extent.length,
            };
        }
        let after = extent.offset + extent.length;
        if let Some(&length) = self.holes.get(&after) {
            self.close(Extent {
                offset: after,
                length,
            });
            extent.length += length;
        }
        if extent.offset + extent.length == self.end {
            self.end = extent.offset;
        } else {
            self.open(extent);
        }
    }

    fn open(&mut self, hole: Extent) {
        self.holes.insert(hole.offset, hole.length);
        self.by_length.insert((hole.length, hole.offset));
        self.free += hole.length;
    }

    fn close(&mut self, hole: Extent) {
        self.holes.remove(&hole.offset);
        self.by_length.remove(&(hole.length, hole.offset));
        self.free -= hole.length;
    }
}

/// Gives the file system back what an extent leaves free, if it is much. What fails is used again later.
fn give_back(file: &File, space: &mut Space, extent: Extent) {
    if space.file_length - space.end >= GIVEN_BACK_MIN {
        if file.set_len(space.end).is_ok() {
            space.file_length = space.end;
        }
    } else if extent.length >= GIVEN_BACK_MIN && extent.offset + extent.length <= space.end {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = fallocate(file, punch, extent.offset, extent.length);
        }
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
                prop_assert!(arena.lock().end <= BYTES_MAX);
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
}
