//! Names of files in stages, and the names under which they lie on disk.
//!
//! A stage is an object store: `a/b.csv` is one name, and folders are only how names begin. So all files of a stage
//! lie side by side in one folder, each under its whole name with what a file name cannot hold written as `%2F`.
//! No name can lead out of the folder, and a file never stands in the way of a folder of the same name.

use std::fmt::Write as _;

/// Longest name of a file on disk, in bytes; file systems end at 255.
const ENCODED_BYTES_MAX: usize = 240;

/// The folder of one stage, relative to the store's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Area(String);

impl Area {
    /// Area of a named stage, by its number in the catalog.
    pub fn named(id: i64) -> Self {
        Self(format!("named-{id}"))
    }

    /// Area of a user's stage, `@~`.
    pub fn user(user: &str) -> Self {
        Self(format!("user-{}", encode(user)))
    }

    /// Area of a table's stage, `@%t`, by the table's number in the catalog.
    pub fn table(id: i64) -> Self {
        Self(format!("table-{id}"))
    }

    /// Area of the `number`-th temporary stage of a session.
    pub fn temporary(session: u64, number: u64) -> Self {
        Self(format!("{TEMPORARY}{session}-{number}"))
    }

    /// Area of a folder's name, as [`Area::folder`] gave it.
    pub fn of_folder(folder: &str) -> Self {
        Self(folder.to_owned())
    }

    /// The folder's name.
    pub fn folder(&self) -> &str {
        &self.0
    }
}

/// How the folders of temporary stages begin: what an ended process has left of them is removed.
pub(super) const TEMPORARY: &str = "temporary-";

/// Name of a file in its stage, such as `2024/a.csv.gz`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is empty, or ends as a folder does.
    #[error("the file has no name")]
    Empty,
    /// A part of it is empty, `.` or `..`: clients would make a path of it.
    #[error("a part of the file's path is empty, '.' or '..'")]
    Relative,
    /// It holds a control character.
    #[error("the file's name holds a control character")]
    Control,
    /// It does not fit on disk.
    #[error("the file's name is longer than {ENCODED_BYTES_MAX} bytes")]
    Long,
}

impl Key {
    /// A checked name.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        if name.is_empty() || name.ends_with('/') {
            return Err(KeyError::Empty);
        }
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(KeyError::Relative);
        }
        if name.chars().any(char::is_control) {
            return Err(KeyError::Control);
        }
        if encode(name).len() > ENCODED_BYTES_MAX {
            return Err(KeyError::Long);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows its last `/`.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Its name on disk.
    pub(super) fn encoded(&self) -> String {
        encode(&self.0)
    }

    /// The key of a file on disk; none for files that are not a stage's.
    pub(super) fn of_encoded(name: &str) -> Option<Self> {
        if name.starts_with('.') {
            return None;
        }
        decode(name).map(Self)
    }
}

/// What a text means in which bytes are written as `%2F`; none when it is not written so.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for (at, byte) in name.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'=') || (byte == b'.' && at > 0);
        if plain {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_never_lead_anywhere() {
        for name in [
            "a.csv.gz",
            "2024/é b/x=1.csv",
            ".hidden",
            "a%2Fb",
            "A/b",
            "x'y\"z",
        ] {
            let key = Key::new(name).unwrap();
            let encoded = key.encoded();
            assert!(!encoded.contains('/') && !encoded.starts_with('.'), "{encoded}");
            assert_eq!(Key::of_encoded(&encoded), Some(key));
        }
        assert_eq!(Area::user("../x").folder(), "user-%2E./x".replace('/', "%2F"));
        assert_eq!(Key::new("a/b").unwrap().file_name(), "b");
    }

    #[test]
    fn names_that_are_paths_are_refused() {
        for name in ["..", "../x", "a/../b", "a//b", "/etc/passwd", "./a"] {
            assert_eq!(Key::new(name), Err(KeyError::Relative), "{name}");
        }
        assert_eq!(Key::new(""), Err(KeyError::Empty));
        assert_eq!(Key::new("a/"), Err(KeyError::Empty));
        assert_eq!(Key::new("a\0b"), Err(KeyError::Control));
        assert_eq!(Key::new(&"x".repeat(241)), Err(KeyError::Long));
    }
}
