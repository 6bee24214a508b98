//! Files that the configuration names, read as a whole, and the one rule for those with secrets in them.
//!
//! A secret is its owner's alone. Where the owner is somebody else, as root is of what systemd hands to a service and of
//! keys that a group of services shares, the group may read it too, since that is how the service comes to it; nobody
//! else may, and nobody may change it but the owner.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Who else may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everybody.
    Public,
    /// Nobody: there are secrets in it.
    Secret,
}

/// Why a file cannot be used. No text quotes what is in it.
#[derive(Debug, thiserror::Error)]
pub enum NamedFileError {
    /// The system does not let us, or it is not there.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is a folder, a pipe or a device.
    #[error("is not a file")]
    NotAFile,
    /// Nobody wants to read so much.
    #[error("has more than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// There are secrets in it, and others can read or change it.
    #[error(
        "its mode is {mode:04o}, so others can read or change it; run `chmod {advised:o} {}`", path.display()
    )]
    Open {
        /// Where it is.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it should have.
        advised: u32,
    },
}

/// Reads a file of at most so many bytes.
///
/// # Errors
///
/// When it cannot be read, is no file or too large, or is a secret that others can read.
pub fn read(path: &Path, bytes_max: u64, kind: Kind) -> Result<Vec<u8>, NamedFileError> {
    // Opened once: what is looked at is what is read. A pipe that nobody writes to would be waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|error| NamedFileError::Unreadable(error.into()))?;
    let found = file.metadata().map_err(NamedFileError::Unreadable)?;
    if !found.is_file() {
        return Err(NamedFileError::NotAFile);
    }
    let is_own = found.uid() == rustix::process::geteuid().as_raw();
    let mode = found.mode() & 0o7777;
    if kind == Kind::Secret && is_open(mode, is_own) {
        return Err(NamedFileError::Open {
            path: path.to_owned(),
            mode,
            advised: if is_own { 0o600 } else { 0o640 },
        });
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(NamedFileError::Unreadable)?;
    if bytes.len() as u64 > bytes_max {
        return Err(NamedFileError::TooLarge { bytes_max });
    }
    Ok(bytes)
}

/// True when a file of this mode gives somebody more than the rule does.
fn is_open(mode: u32, is_own: bool) -> bool {
    let others = if is_own { 0o077 } else { 0o037 };
    mode & others != 0
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_its_owners_or_that_of_the_group_by_which_we_come_to_it() {
        for (mode, of_ours, of_others) in [
            (0o400, false, false),
            (0o600, false, false),
            (0o700, false, false),
            (0o440, true, false),
            (0o640, true, false),
            (0o660, true, true),
            (0o604, true, true),
            (0o601, true, true),
        ] {
            assert_eq!(
                (is_open(mode, true), is_open(mode, false)),
                (of_ours, of_others),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn only_files_are_read_and_only_so_much() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = |path: &Path, bytes_max, kind| read(path, bytes_max, kind).unwrap_err().to_string();
        assert_eq!(read(&path, 6, Kind::Public).unwrap(), b"secret");
        assert_eq!(error(&path, 5, Kind::Public), "has more than 5 bytes");
        let told = error(&path, 6, Kind::Secret);
        assert!(
            told.contains("mode is 0644") && told.contains("chmod 600"),
            "{told}"
        );
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path, 6, Kind::Secret).unwrap(), b"secret");
        assert_eq!(error(folder.path(), 6, Kind::Public), "is not a file");
        assert!(error(&folder.path().join("no"), 6, Kind::Public).starts_with("cannot be read: "));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        let told = read(&pipe, 6, Kind::Secret).unwrap_err();
        assert!(matches!(told, NamedFileError::NotAFile), "{told}");
    }
}
