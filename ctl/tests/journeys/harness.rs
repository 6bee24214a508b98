//! Runs `sfctl` with a cleared environment and a home of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::fake::{Fake, Script};

/// Most time that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A folder, a stand-in for the service in it, and commands that dial it.
pub(crate) struct House {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) fake: Fake,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl House {
    /// A stand-in that answers queries with the script.
    pub(crate) fn new(script: Script) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fake = Fake::start(directory.path(), script);
        Self { directory, fake }
    }

    /// A command that dials the stand-in.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sfctl(self.directory.path(), arguments);
        command.env("SFCTL_SOCKET", &self.fake.socket);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments))
    }

    /// Runs a command with this text on its stdin.
    pub(crate) fn run_with_stdin(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        finished(child.wait_with_output().unwrap())
    }

    /// Path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Names of the files in the folder, but the socket.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "grpc.sock")
            .collect();
        files.sort();
        files
    }
}

/// The program with nothing in its environment but a home and a time zone.
pub(crate) fn sfctl(directory: &Path, arguments: &[&str]) -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_sfctl")), directory, arguments)
}

/// A program with nothing in its environment but a home and a time zone.
pub(crate) fn program(program: &Path, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", directory)
        .env("TZ", "UTC")
        .current_dir(directory)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn ran(mut command: Command) -> Ran {
    finished(command.output().unwrap())
}

pub(crate) fn finished(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        // Not all output is text; what tests compare with is.
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Starts a command whose output the test reads itself.
pub(crate) fn spawned(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Polls until the condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen in time");
        std::thread::yield_now();
    }
}

impl Ran {
    /// Asserts success and answers stdout.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:#?}");
        &self.stdout
    }

    /// Asserts failure with this code and nothing on stdout, and answers stderr.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        &self.stderr
    }
}
