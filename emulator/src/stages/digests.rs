//! What files are told apart by, remembered as long as they stay as they are.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use md5::{Digest as _, Md5};
use twox_hash::XxHash3_128;

/// Digests that are remembered; beyond that they are computed again.
const KEPT_MAX: usize = 10_000;

/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;

/// What a digest is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// For users and clients, who know it from Snowflake.
    Md5,
    /// For load records and `METADATA$FILE_CONTENT_KEY`, made while a file comes in: ten times as fast, and equal by chance
    /// as rarely. Nobody gains by making two files that have the same, because only the own stage is asked.
    Fingerprint,
}

impl Kind {
    pub(super) fn hasher(self) -> Hasher {
        match self {
            Self::Md5 => Hasher::Md5(Box::default()),
            Self::Fingerprint => Hasher::Fingerprint(Box::new(XxHash3_128::new())),
        }
    }
}

/// A digest that is being made.
pub(super) enum Hasher {
    Md5(Box<Md5>),
    Fingerprint(Box<XxHash3_128>),
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Fingerprint(hasher) => hasher.write(bytes),
        }
    }

    /// The digest of all bytes so far, in hexadecimal.
    pub(super) fn text(&self) -> String {
        use std::fmt::Write as _;
        match self {
            Self::Md5(hasher) => {
                let digest = Md5::clone(hasher).finalize();
                digest.iter().fold(String::new(), |mut text, byte| {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{byte:02x}");
                    text
                })
            }
            Self::Fingerprint(hasher) => format!("{:032x}", hasher.finish_128()),
        }
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Md5(_) => "Md5",
            Self::Fingerprint(_) => "Fingerprint",
        })
    }
}

/// How a file is while it stays the same: its size, and when it was written in milliseconds since 1970.
pub(super) type Version = (u64, i64);

/// The digests of files that were looked at.
#[derive(Debug, Default)]
pub(super) struct Digests {
    kept: Mutex<HashMap<(PathBuf, Kind), (Version, String)>>,
}

impl Digests {
    /// A file's digest; it is read when that is not known.
    pub(super) fn of(&self, path: &Path, version: Version, kind: Kind) -> io::Result<String> {
        let key = (path.to_owned(), kind);
        if let Some((known, digest)) = self.lock().get(&key)
            && *known == version
        {
            return Ok(digest.clone());
        }
        let mut hasher = kind.hasher();
        let mut reader = File::open(path)?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
        }
        let text = hasher.text();
        self.keep(path, version, kind, text.clone());
        Ok(text)
    }

    /// Remembers a digest that was made on the way.
    pub(super) fn keep(&self, path: &Path, version: Version, kind: Kind, digest: String) {
        let mut kept = self.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert((path.to_owned(), kind), (version, digest));
    }

    /// Forgets a file that is gone.
    pub(super) fn forget(&self, path: &Path) {
        let mut kept = self.lock();
        for kind in [Kind::Md5, Kind::Fingerprint] {
            kept.remove(&(path.to_owned(), kind));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(PathBuf, Kind), (Version, String)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "333\n").unwrap();
        let digests = Digests::default();
        let md5 = |version| digests.of(&path, version, Kind::Md5).unwrap();
        assert_eq!(md5((4, 1)), "40b134ab8a3dee5dd9760a7805fd495c");
        let of_content = digests.of(&path, (4, 1), Kind::Fingerprint).unwrap();
        // Made in pieces, it is the same.
        let mut hasher = Kind::Fingerprint.hasher();
        for byte in "333\n".bytes() {
            hasher.update(&[byte]);
        }
        assert_eq!(hasher.text(), of_content);
        std::fs::write(&path, "334\n").unwrap();
        // As long as the file seems the same, it is not read.
        assert_eq!(md5((4, 1)), "40b134ab8a3dee5dd9760a7805fd495c");
        assert_ne!(md5((4, 2)), "40b134ab8a3dee5dd9760a7805fd495c");
        assert_ne!(digests.of(&path, (4, 2), Kind::Fingerprint).unwrap(), of_content);
        std::fs::remove_file(&path).unwrap();
        digests.forget(&path);
        assert!(digests.of(&path, (4, 2), Kind::Md5).is_err());
    }
}
