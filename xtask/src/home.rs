//! A throw-away home for our programs: nothing of the user's is read, written or left running.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use tempfile::TempDir;

/// Variables of the outer environment that programs still see.
const PASSED_ON: [&str; 6] = ["PATH", "LANG", "LC_ALL", "TERM", "COLUMNS", "NO_COLOR"];
/// Variables that lead into the home.
const FOLDERS: [(&str, &str); 7] = [
    ("HOME", ""),
    ("TMPDIR", "tmp"),
    ("XDG_RUNTIME_DIR", "run"),
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_DATA_HOME", "data"),
    ("XDG_STATE_HOME", "state"),
    ("XDG_CACHE_HOME", "cache"),
];

/// A home and the programs that run in it. Dropping it stops the service that was started there.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    programs: PathBuf,
}

impl Home {
    /// Makes an empty home for the programs in this folder.
    pub(crate) fn new(programs: PathBuf) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sfs-").tempdir()?;
        for (_, inner) in FOLDERS {
            std::fs::create_dir_all(folder.path().join(inner))?;
        }
        Ok(Self { folder, programs })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `sfctl` in this home.
    #[expect(
        clippy::disallowed_methods,
        reason = "what a command passes on is the developer's own environment"
    )]
    pub(crate) fn sfctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("sfctl"));
        command.args(arguments).env_clear();
        command.envs(
            PASSED_ON
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        );
        command.envs(
            FOLDERS
                .iter()
                .map(|(name, inner)| (name, self.folder.path().join(inner))),
        );
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nothing runs when no command was given yet; what the service says then does not matter.
        let _ = self
            .sfctl(&["service", "stop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
