//! A file that is memory alone, and that a service manager holds while one process ends and the next begins.
//!
//! It has numbered places, each with two halves. A change goes to the half that is not current, with a number one
//! higher and a checksum; so a process that is killed in the middle of a change leaves the state before it. The file can
//! grow but not shrink: whoever reads it may rely on what it has seen. It has no name in any folder and no disk behind
//! it. Like all memory it can be swapped out.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use super::{PlatformError, Result};

/// Bytes of a half of a place, its head included.
const HALF_BYTES: usize = 8 << 10;

/// Number, length and checksum, eight bytes each.
const HEAD_BYTES: usize = 24;

/// Most bytes that fit in a place.
pub const PLACE_BYTES_MAX: usize = HALF_BYTES - HEAD_BYTES;

/// Most places.
pub const PLACES_MAX: usize = 1 << 14;

/// An open memory file.
#[derive(Debug)]
pub struct MemoryFile {
    file: File,
    /// Numbers of the current halves. The half of a number is its last bit.
    numbers: Mutex<Vec<u64>>,
}

/// What is in the places that are not empty.
pub type Contents = Vec<(usize, Vec<u8>)>;

impl MemoryFile {
    /// Makes an empty one. `places` beyond [`PLACES_MAX`] are not made.
    pub fn create(places: usize) -> Result<Self> {
        let fd = memfd_create(
            "snowflake-session",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )
        .map_err(|error| PlatformError::io("make a file in memory")(error.into()))?;
        fcntl_add_seals(&fd, SealFlags::SHRINK)
            .map_err(|error| PlatformError::io("seal a file in memory")(error.into()))?;
        let file = Self {
            file: File::from(fd),
            numbers: Mutex::default(),
        };
        file.provide(places)?;
        Ok(file)
    }

    /// Opens one that an earlier process made, with at least so many places, and reads it.
    ///
    /// # Errors
    ///
    /// [`PlatformError::Activation`] for what is no such file.
    pub fn adopt(fd: OwnedFd, places: usize) -> Result<(Self, Contents)> {
        // Whoever has sealed it further keeps us from writing to it, which is found out now and not when it matters.
        let closed = SealFlags::WRITE | SealFlags::FUTURE_WRITE | SealFlags::GROW;
        let is_ours = fcntl_get_seals(&fd)
            .is_ok_and(|seals| seals.contains(SealFlags::SHRINK) && !seals.intersects(closed));
        if !is_ours {
            return Err(PlatformError::Activation {
                what: "something else in the place of the file with the sessions".to_owned(),
            });
        }
        let file = Self {
            file: File::from(fd),
            numbers: Mutex::default(),
        };
        let there = usize::try_from(file.length()?).unwrap_or(usize::MAX) / (2 * HALF_BYTES);
        file.provide(places.max(there))?;
        let contents = file.read();
        Ok((file, contents))
    }

    /// Replaces the bytes of a place; none empty it.
    ///
    /// # Errors
    ///
    /// When there is no such place, the bytes are more than [`PLACE_BYTES_MAX`], or memory is short.
    pub fn write(&self, place: usize, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > PLACE_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{} bytes, {PLACE_BYTES_MAX} are possible", bytes.len()),
            ));
        }
        let mut numbers = self.numbers();
        let current = numbers
            .get_mut(place)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such place"))?;
        let number = *current + 1;
        let mut half = Vec::with_capacity(HEAD_BYTES + bytes.len());
        half.extend_from_slice(&number.to_le_bytes());
        half.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        half.extend_from_slice(&checksum(number, bytes).to_le_bytes());
        half.extend_from_slice(bytes);
        self.file.write_all_at(&half, offset(place, number))?;
        *current = number;
        Ok(())
    }

    fn numbers(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        // A number is advanced after its half is written, so a panic in between has changed nothing.
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn provide(&self, places: usize) -> Result<()> {
        let places = places.min(PLACES_MAX);
        let bytes = (places * 2 * HALF_BYTES) as u64;
        // One that is longer cannot shrink, and need not.
        if self.length()? < bytes {
            self.file
                .set_len(bytes)
                .map_err(PlatformError::io("size a file in memory"))?;
        }
        self.numbers().resize(places, 0);
        Ok(())
    }

    fn length(&self) -> Result<u64> {
        let told = self.file.metadata();
        Ok(told
            .map_err(PlatformError::io("look at the file in memory"))?
            .len())
    }

    /// Reads all places, and learns which halves are current.
    fn read(&self) -> Contents {
        let mut numbers = self.numbers();
        let mut contents = Vec::new();
        for (place, current) in numbers.iter_mut().enumerate() {
            let halves = [self.half(place, 0), self.half(place, 1)];
            let newest = halves.into_iter().flatten().max_by_key(|(number, _)| *number);
            let Some((number, bytes)) = newest else { continue };
            *current = number;
            if !bytes.is_empty() {
                contents.push((place, bytes));
            }
        }
        contents
    }

    /// What is in a half, if it is whole.
    fn half(&self, place: usize, half: u64) -> Option<(u64, Vec<u8>)> {
        let mut head = [0; HEAD_BYTES];
        let at = offset(place, half);
        self.file.read_exact_at(&mut head, at).ok()?;
        let mut words = head
            .chunks_exact(8)
            .map(|word| word.try_into().map(u64::from_le_bytes));
        let mut word = || words.next()?.ok();
        let (number, length, sum) = (word()?, word()?, word()?);
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= PLACE_BYTES_MAX)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at + HEAD_BYTES as u64).ok()?;
        let is_whole = number > 0 && number % 2 == half && checksum(number, &bytes) == sum;
        is_whole.then_some((number, bytes))
    }
}

impl AsFd for MemoryFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn offset(place: usize, number: u64) -> u64 {
    (2 * place as u64 + number % 2) * HALF_BYTES as u64
}

/// FNV-1a over the number and the bytes: it tells half a change from a whole one, and is no protection against anybody.
fn checksum(number: u64, bytes: &[u8]) -> u64 {
    let all = number.to_le_bytes().into_iter().chain(bytes.iter().copied());
    all.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file as the next process gets it.
    fn passed(file: &MemoryFile) -> OwnedFd {
        file.as_fd().try_clone_to_owned().unwrap()
    }

    #[test]
    fn what_is_written_is_there_for_the_next_process() {
        let file = MemoryFile::create(3).unwrap();
        file.write(0, b"first").unwrap();
        file.write(2, b"third").unwrap();
        file.write(0, b"first, again").unwrap();
        let (next, contents) = MemoryFile::adopt(passed(&file), 3).unwrap();
        assert_eq!(contents, [(0, b"first, again".to_vec()), (2, b"third".to_vec())]);
        next.write(0, b"").unwrap();
        next.write(2, b"3").unwrap();
        let (_, contents) = MemoryFile::adopt(passed(&file), 3).unwrap();
        assert_eq!(contents, [(2, b"3".to_vec())]);
    }

    #[test]
    fn half_a_change_leaves_the_state_before_it() {
        let file = MemoryFile::create(1).unwrap();
        for round in 0_u64..4 {
            let whole = vec![b'a' + u8::try_from(round).unwrap(); 100];
            file.write(0, &whole).unwrap();
            let number = round + 2;
            // The head of a next change without its bytes, as a killed process may leave it.
            let mut torn = number.to_le_bytes().to_vec();
            torn.extend(100_u64.to_le_bytes());
            torn.extend(checksum(number, &[b'z'; 100]).to_le_bytes());
            file.file.write_all_at(&torn, offset(0, number)).unwrap();
            let (_, contents) = MemoryFile::adopt(passed(&file), 1).unwrap();
            assert_eq!(contents, [(0, whole)], "round {round}");
        }
    }

    #[test]
    fn it_grows_for_a_service_that_needs_more_and_never_shrinks() {
        let file = MemoryFile::create(1).unwrap();
        file.write(0, b"a").unwrap();
        assert!(file.write(1, b"b").is_err());
        let (grown, contents) = MemoryFile::adopt(passed(&file), 4).unwrap();
        assert_eq!(contents, [(0, b"a".to_vec())]);
        grown.write(3, b"d").unwrap();
        let (small, contents) = MemoryFile::adopt(passed(&file), 1).unwrap();
        assert_eq!(contents.len(), 2, "a place beyond what is needed is read too");
        small.write(3, b"").unwrap();
        assert!(grown.file.set_len(10).is_err());
    }

    #[test]
    fn what_is_too_large_is_refused_and_changes_nothing() {
        let file = MemoryFile::create(1).unwrap();
        file.write(0, &[1; PLACE_BYTES_MAX]).unwrap();
        assert!(file.write(0, &[2; PLACE_BYTES_MAX + 1]).is_err());
        let (_, contents) = MemoryFile::adopt(passed(&file), 1).unwrap();
        assert_eq!(contents, [(0, vec![1; PLACE_BYTES_MAX])]);
    }

    #[test]
    fn a_file_of_another_length_gives_what_it_has() {
        let file = MemoryFile::create(1).unwrap();
        file.write(0, b"a").unwrap();
        for longer in [1, (2 * HALF_BYTES * PLACES_MAX) as u64] {
            file.file.set_len(file.length().unwrap() + longer).unwrap();
            let (_, contents) = MemoryFile::adopt(passed(&file), 1).unwrap();
            assert_eq!(contents, [(0, b"a".to_vec())]);
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_to_or_grow_is_refused() {
        for seal in [SealFlags::WRITE, SealFlags::FUTURE_WRITE, SealFlags::GROW] {
            let file = MemoryFile::create(1).unwrap();
            fcntl_add_seals(&file, seal).unwrap();
            assert!(MemoryFile::adopt(passed(&file), 1).is_err(), "{seal:?}");
        }
    }

    #[test]
    fn another_kind_of_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create_new(folder.path().join("f")).unwrap();
        assert!(MemoryFile::adopt(file.into(), 1).is_err());
    }
}
