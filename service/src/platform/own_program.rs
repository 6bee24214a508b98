//! Whether the program on disk is still the one that runs.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The program's file as it was when the process began.
#[derive(Debug, Clone)]
pub struct OwnProgram {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OwnProgram {
    /// Looks at the file that this process runs; `None` when the system does not say, or it is gone already.
    pub fn look() -> Option<Self> {
        Self::at(&std::env::current_exe().ok()?)
    }

    fn at(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
        })
    }

    /// True when another file is there now, as after an upgrade. A file that is missing for a moment is no upgrade.
    pub fn is_replaced(&self) -> bool {
        std::fs::metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) != (self.device, self.inode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_of_the_name_is_a_replacement() {
        let folder = tempfile::tempdir().unwrap();
        let (path, next) = (folder.path().join("program"), folder.path().join("program.new"));
        std::fs::write(&path, "1").unwrap();
        let program = OwnProgram::at(&path).unwrap();
        assert!(!program.is_replaced());
        std::fs::write(&next, "2").unwrap();
        std::fs::rename(&next, &path).unwrap();
        assert!(program.is_replaced());
        std::fs::remove_file(&path).unwrap();
        assert!(!program.is_replaced());
    }

    #[test]
    fn we_are_not_replaced_while_we_are_tested() {
        assert!(OwnProgram::look().is_some_and(|program| !program.is_replaced()));
    }
}
