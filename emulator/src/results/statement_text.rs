//! The text of a statement, kept beside its result.

use std::sync::Arc;

use bytes::Bytes;

use super::kept::{Kept, Spillable};
use super::{ResultError, Spool};

/// Characters of a text that are kept; Snowflake's own records of statements end there too.
const KEPT_CHARACTERS: usize = 100_000;
/// Texts up to this size stay in memory.
const SMALL_TEXT_MAX: usize = 1024;

/// A statement's text, in memory or in the spool's file.
#[derive(Debug)]
pub struct KeptText(Kept<String>);

impl KeptText {
    /// Keeps a text, or its first 100,000 characters; in memory for now.
    pub fn new(spool: &Arc<Spool>, text: &str) -> Self {
        let end = text.char_indices().nth(KEPT_CHARACTERS);
        let kept = &text[..end.map_or(text.len(), |(at, _)| at)];
        Self(Kept::always(spool, kept.to_owned()))
    }

    /// The text. May read a file.
    pub fn get(&self) -> Result<Arc<String>, ResultError> {
        self.0.get()
    }

    /// Moves it into the file, unless it is short. Blocks.
    pub fn spill(&self) -> Result<(), ResultError> {
        self.0.spill()
    }
}

impl Spillable for String {
    fn memory_bytes(&self) -> u64 {
        if self.len() > SMALL_TEXT_MAX {
            self.len() as u64
        } else {
            0
        }
    }

    fn write(&self) -> Result<Vec<Bytes>, ResultError> {
        Ok(vec![Bytes::copy_from_slice(self.as_bytes())])
    }

    fn read(bytes: Bytes) -> Result<Self, ResultError> {
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::SpoolLimits;

    #[test]
    fn long_texts_lie_in_the_file_and_are_cut() {
        let limits = SpoolLimits {
            memory_bytes_max: 0,
            disk_bytes_max: 1 << 20,
            first_bytes_max: 0,
        };
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), limits).unwrap();
        let short = KeptText::new(&spool, "select 1");
        let long = KeptText::new(&spool, &"ü".repeat(KEPT_CHARACTERS + 1));
        assert!(spool.first_bytes() > 0);
        short.spill().unwrap();
        long.spill().unwrap();
        assert_eq!(
            (spool.first_bytes(), spool.disk_bytes()),
            (0, 2 * KEPT_CHARACTERS as u64)
        );
        assert_eq!(*short.get().unwrap(), "select 1");
        assert_eq!(*long.get().unwrap(), "ü".repeat(KEPT_CHARACTERS));
        drop(long);
        assert_eq!(spool.disk_bytes(), 0);
    }
}
