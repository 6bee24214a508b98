//! The emulator's process: found, started, watched, stopped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::EmulatorOptions;
use super::output::{LastLines, copy};
use crate::domain::error::{Error, Reason};

/// Name of the executable.
const EXECUTABLE: &str = "snowflake-emulator";

/// Pause between two looks for the file with which the child says that it is ready.
const READY_POLL: Duration = Duration::from_millis(2);

/// A running child.
pub(super) struct Child {
    process: tokio::process::Child,
    /// Its end tells the child to stop. Kept out of `process`, which closes it as soon as it is waited for.
    stdin: Option<ChildStdin>,
    /// The task that copies its stderr, until it was waited for.
    output: Option<JoinHandle<()>>,
    ready_file: PathBuf,
}

impl Child {
    /// Starts the emulator and waits until it is ready.
    pub(super) async fn start(options: &EmulatorOptions) -> Result<(Self, SocketAddr), Error> {
        let command = find(options)?;
        let ready_file = options.state_directory.join("emulator.ready");
        // One that an earlier process left would be taken for an answer.
        let _ = std::fs::remove_file(&ready_file);
        let log = (options.log.0)().map_err(|error| {
            Error::new(Reason::Configuration, "the emulator's log cannot be opened").with_source(error)
        })?;
        let mut process = spawn(&command, &ready_file, options).map_err(|error| {
            Error::new(
                Reason::Configuration,
                format!("{} cannot be started: {error}", command.display()),
            )
            .with_hint("reinstall snowflake-emulator, or set `emulator.command`")
        })?;
        let last = LastLines::default();
        let stderr = process
            .stderr
            .take()
            .ok_or_else(|| Error::internal("the emulator has no stderr"))?;
        let stdin = process.stdin.take();
        let output = tokio::spawn(copy(stderr, log, last.clone()));
        let mut child = Self {
            process,
            stdin,
            output: Some(output),
            ready_file,
        };
        match child.until_ready(options.start_timeout).await {
            Ok(address) => Ok((child, address)),
            Err(what) => {
                child.stop(options.stop_timeout).await;
                let words = last.text();
                let told = if words.is_empty() {
                    String::new()
                } else {
                    format!(": {words}")
                };
                Err(
                    Error::new(Reason::Unreachable, format!("the local emulator {what}{told}"))
                        .with_hint("its log is in the state folder, which `sfctl service status` shows"),
                )
            }
        }
    }

    async fn until_ready(&mut self, limit: Duration) -> Result<SocketAddr, String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(address) = read_ready(&self.ready_file) {
                return Ok(address);
            }
            if let Some(status) = self.ended_already() {
                // Its last words may still be on their way.
                self.last_words(Duration::from_secs(1)).await;
                return Err(format!("ended at its start ({status})"));
            }
            if Instant::now() >= deadline {
                return Err(format!("was not ready within {limit:?}"));
            }
            sleep(READY_POLL).await;
        }
    }

    /// Waits until everything that it wrote has arrived.
    async fn last_words(&mut self, limit: Duration) {
        if let Some(output) = self.output.take() {
            // A grandchild may hold its stderr open; then what has arrived must do.
            let _ = timeout(limit, output).await;
        }
    }

    /// How the process ended, if it has.
    pub(super) fn ended_already(&mut self) -> Option<String> {
        self.process
            .try_wait()
            .ok()
            .flatten()
            .map(|status| status.to_string())
    }

    /// Waits until the process ends by itself.
    pub(super) async fn wait(&mut self) -> String {
        match self.process.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Stops the process: closes its stdin, then SIGTERM, then SIGKILL, a third of `limit` for each.
    pub(super) async fn stop(&mut self, limit: Duration) {
        let step = limit / 3;
        drop(self.stdin.take());
        if timeout(step, self.process.wait()).await.is_err() {
            if let Some(pid) = self
                .process
                .id()
                .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
            {
                // It may have ended by now, which is what we want.
                let _ = kill_process(pid, Signal::TERM);
            }
            if timeout(step, self.process.wait()).await.is_err() {
                tracing::warn!("the emulator does not stop; killing it");
                let _ = timeout(step, self.process.kill()).await;
            }
        }
        self.last_words(step).await;
        let _ = std::fs::remove_file(&self.ready_file);
    }
}

fn spawn(
    command: &Path,
    ready_file: &Path,
    options: &EmulatorOptions,
) -> std::io::Result<tokio::process::Child> {
    Command::new(command)
        .args(["serve", "--listen", "127.0.0.1:0", "--stop-with-stdin", "--data"])
        .arg(&options.data_directory)
        .arg("--ready-file")
        .arg(ready_file)
        .args(options.fault_control.then_some("--fault-control"))
        .env_clear()
        .envs(options.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// The address in the ready file, a JSON object that appears whole.
fn read_ready(path: &Path) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(path).ok()?;
    let ready: serde_json::Value = serde_json::from_str(&text).ok()?;
    ready.get("address")?.as_str()?.parse().ok()
}

/// Finds the executable: as configured, else the first in the search path.
fn find(options: &EmulatorOptions) -> Result<PathBuf, Error> {
    if let Some(command) = &options.command {
        return Ok(command.clone());
    }
    let found = options
        .search_path
        .iter()
        .map(|folder| folder.join(EXECUTABLE))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        Error::new(
            Reason::Configuration,
            format!("connection local needs {EXECUTABLE}, which is not installed"),
        )
        .with_hint("install it beside snowflake-session or into $PATH, or set `emulator.command`")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::super::{Emulator, LogOpener};
    use super::*;

    /// A stand-in for the emulator: a script that is given the arguments.
    fn options(folder: &Path, script: &str) -> EmulatorOptions {
        let command = folder.join(EXECUTABLE);
        std::fs::write(&command, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o700)).unwrap();
        EmulatorOptions {
            command: None,
            search_path: vec!["/no/such/folder".into(), folder.to_owned()],
            data_directory: folder.join("data"),
            fault_control: false,
            state_directory: folder.to_owned(),
            start_timeout: Duration::from_secs(20),
            stop_timeout: Duration::from_secs(6),
            log: LogOpener(Arc::new(|| Ok(Box::new(std::io::sink())))),
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        }
    }

    /// Says that it is ready and waits for the end of its stdin. `$8` is the ready file.
    const GOOD: &str = "echo $$ >> \"$(dirname \"$8\")/started\"\necho '{\"address\":\"127.0.0.1:4567\",\"pid\":1}' > \"$8\"\ncat > /dev/null";

    fn starts(folder: &Path) -> Vec<i32> {
        let text = std::fs::read_to_string(folder.join("started")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn it_is_started_once_and_stopped_by_its_stdin() {
        let folder = tempfile::tempdir().unwrap();
        let emulator = Emulator::new(options(folder.path(), GOOD));
        assert_eq!(emulator.address(), None);
        let (one, two) = tokio::join!(emulator.running(), emulator.running());
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(
            (one.address, two.address),
            ("127.0.0.1:4567".parse().unwrap(), one.address)
        );
        assert_eq!(starts(folder.path()).len(), 1);
        assert_eq!(emulator.address(), Some(one.address));
        for _ in 0..50 {
            sleep(Duration::from_millis(1)).await;
            assert!(emulator.running().await.unwrap().is_alive());
        }
        assert_eq!(starts(folder.path()).len(), 1, "it stays until it is told to go");
        emulator.stop().await;
        assert!(!one.is_alive() && !two.is_alive());
        assert_eq!(emulator.address(), None);
    }

    #[tokio::test]
    async fn a_dead_one_is_noticed_and_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let emulator = Emulator::new(options(folder.path(), GOOD));
        let first = emulator.running().await.unwrap();
        kill_process(Pid::from_raw(starts(folder.path())[0]).unwrap(), Signal::KILL).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while first.is_alive() {
            assert!(Instant::now() < deadline, "its death was not noticed");
            sleep(Duration::from_millis(2)).await;
        }
        assert!(emulator.running().await.unwrap().is_alive());
        assert_eq!(starts(folder.path()).len(), 2);
        emulator.stop().await;
    }

    #[tokio::test]
    async fn a_failed_start_is_told_in_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let emulator = Emulator::new(options(
            folder.path(),
            "echo 'the data folder is in use' >&2\nexit 3",
        ));
        let error = emulator.running().await.unwrap_err();
        assert_eq!(error.reason(), Reason::Unreachable);
        assert_eq!(
            error.to_string(),
            "the local emulator ended at its start (exit status: 3): the data folder is in use"
        );
    }

    #[tokio::test]
    async fn one_that_never_gets_ready_is_given_up_and_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(
            folder.path(),
            "trap '' TERM\necho $$ > \"$(dirname \"$8\")/started\"\nwhile true; do sleep 0.01; done",
        );
        options.start_timeout = Duration::from_millis(300);
        options.stop_timeout = Duration::from_millis(300);
        let error = Emulator::new(options).running().await.unwrap_err();
        assert!(
            error.to_string().contains("was not ready within 300ms"),
            "{error}"
        );
        if let [pid] = starts(folder.path())[..] {
            assert!(
                rustix::process::test_kill_process(Pid::from_raw(pid).unwrap()).is_err(),
                "it still runs"
            );
        }
    }

    #[tokio::test]
    async fn a_missing_executable_is_a_matter_of_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), "");
        options.search_path.clear();
        let error = Emulator::new(options).running().await.unwrap_err();
        assert_eq!(error.reason(), Reason::Configuration);
    }
}
