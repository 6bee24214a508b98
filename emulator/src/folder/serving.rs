//! Who serves a data folder: written by the emulator once it accepts connections, read by whoever looks for it.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DataFolder;

const FILE: &str = "serving.json";

/// An emulator that serves a data folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    /// `http` or `https`.
    pub scheme: String,
    /// Its process.
    pub pid: u32,
    /// It ends with the process that started it, which also starts it again.
    pub supervised: bool,
    /// Where it was started.
    pub directory: PathBuf,
    /// What followed `serve` on its command line.
    pub arguments: Vec<String>,
    /// Its version.
    pub version: String,
}

impl Serving {
    /// Writes a JSON document at `path`: whole or not at all, so that whoever waits for it never reads half of it.
    pub fn write_whole(path: &Path, document: &serde_json::Value) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let unfinished = path.with_file_name(name);
        let mut file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        writeln!(file, "{document}")?;
        drop(file);
        fs::rename(unfinished, path)
    }
}

impl DataFolder {
    /// Says who serves this folder. Only the process that has the folder may say so.
    pub fn announce(&self, serving: &Serving) -> io::Result<()> {
        let document = serde_json::to_value(serving).map_err(io::Error::other)?;
        Serving::write_whole(&self.path().join(FILE), &document)
    }

    /// Takes back what [`DataFolder::announce`] said.
    pub fn retract(&self) {
        // It may have been taken away with the folder.
        let _ = fs::remove_file(self.path().join(FILE));
    }

    /// Who serves this folder now. None when nobody does, or when it is not ready yet.
    pub fn serving(&self) -> io::Result<Option<Serving>> {
        // What a killed process left is not believed.
        if !self.is_locked()? {
            return Ok(None);
        }
        match fs::read(self.path().join(FILE)) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_that_a_killed_process_left_is_not_believed() {
        let home = tempfile::tempdir().unwrap();
        let folder = DataFolder::new(home.path());
        let serving = Serving {
            address: "127.0.0.1:4123".parse().unwrap(),
            scheme: "http".to_owned(),
            pid: 7,
            supervised: false,
            directory: "/".into(),
            arguments: vec!["--compress".to_owned()],
            version: "1".to_owned(),
        };
        let lock = folder.lock(Duration::ZERO).unwrap();
        assert_eq!(folder.serving().unwrap(), None);
        folder.announce(&serving).unwrap();
        assert_eq!(folder.serving().unwrap(), Some(serving));
        drop(lock);
        assert_eq!(folder.serving().unwrap(), None);
        let _lock = folder.lock(Duration::ZERO).unwrap();
        assert_eq!(
            folder.serving().unwrap(),
            None,
            "the next one is not taken for it"
        );
    }
}
