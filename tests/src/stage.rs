//! A throw-away home in which a test runs the programs: nothing of the user's is seen or touched, and nothing is left.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::config;
use crate::process::{Ran, Running, run};
use crate::wait::until_true;

/// Longest wait for killed processes to be gone.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// A home with its own socket, configuration, data and processes.
///
/// Dropping it kills every process that was started in it, also those that the programs started themselves, and fails
/// the test when they logged a warning or an error that it did not foresee.
#[derive(Debug)]
pub struct Stage {
    home: TempDir,
    variables: Vec<(OsString, OsString)>,
    /// Parts of warnings and errors that belong to the test.
    foreseen: RefCell<Vec<&'static str>>,
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// Makes an empty home.
    pub fn new() -> Self {
        // A short name: the path of a socket may have 108 bytes.
        let home = tempfile::Builder::new()
            .prefix("sfs-")
            .tempdir()
            .expect("a temporary folder can be made");
        let stage = Self {
            home,
            variables: Vec::new(),
            foreseen: RefCell::default(),
        };
        for folder in ["run", "tmp", "config", "data", "state", "cache"] {
            fs::create_dir(stage.path(folder)).expect("the new home is writable");
        }
        fs::set_permissions(stage.path("run"), fs::Permissions::from_mode(0o700)).expect("our own folder");
        stage
    }

    /// Sets a variable for every program started from now on.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.push((name.into(), value.into()));
    }

    /// A path in the home.
    pub fn path(&self, inner: impl AsRef<Path>) -> PathBuf {
        self.home.path().join(inner)
    }

    /// Writes a file in the home and returns its path.
    pub fn write(&self, inner: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(inner);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("the home is writable");
        fs::write(&path, text).expect("the home is writable");
        path
    }

    /// Writes `connections.toml` with the permissions that Snowflake's tools ask for.
    pub fn connections(&self, toml: &str) -> PathBuf {
        let path = self.write("config/snowflake/connections.toml", toml);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
        path
    }

    /// A program in this home, with nothing of the outer environment but where the system's programs are.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.home.path());
        command
            .env("PATH", config::search_path())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC");
        command
            .env("HOME", self.home.path())
            .env("TMPDIR", self.path("tmp"));
        command
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_CONFIG_HOME", self.path("config"));
        command
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"));
        command.env("XDG_CACHE_HOME", self.path("cache"));
        // Most journeys are about other things than what may run; those that are not set these again.
        command
            .env("SFCTL_POLICY", "open")
            .env("SNOWFLAKE_SESSIOND_POLICY__LEVEL", "open");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A program under test in this home.
    pub fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(config::program(name));
        command.args(arguments);
        command
    }

    /// Runs `sfctl` to its end.
    pub fn sfctl(&self, arguments: &[&str]) -> Ran {
        run(self.program("sfctl", arguments), None)
    }

    /// Runs `sfctl` with this on standard input.
    pub fn sfctl_with_input(&self, arguments: &[&str], input: impl Into<Vec<u8>>) -> Ran {
        run(self.program("sfctl", arguments), Some(input.into()))
    }

    /// Starts `sfctl` and lets it run.
    pub fn sfctl_running(&self, arguments: &[&str]) -> Running {
        Running::start(self.program("sfctl", arguments), None)
    }

    /// Runs a query and returns its rows as CSV without the header.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> String {
        let out = self.sfctl(&["query", sql, "--format", "csv"]).ok();
        out.split_once('\n')
            .map_or_else(String::new, |(_, rows)| rows.trim_end().to_owned())
    }

    /// The processes of this home that run the program under test with this name.
    pub fn processes(&self, name: &str) -> Vec<Pid> {
        self.all_processes()
            .into_iter()
            .filter(|pid| runs(*pid, name))
            .collect()
    }

    /// Kills them without warning, and waits until they are gone.
    pub fn kill(&self, name: &str) {
        let processes = self.processes(name);
        assert!(
            !processes.is_empty(),
            "no {name} runs in {}",
            self.home.path().display()
        );
        kill_all(&processes);
        // A process loses its name before it closes its sockets.
        until_true("killed processes to be gone", END_DEADLINE, || {
            processes.iter().all(|pid| has_ended(*pid))
        });
    }

    /// Processor time that the processes with this name have used.
    pub fn processor_time(&self, name: &str) -> Duration {
        self.processes(name).into_iter().map(processor_time).sum()
    }

    /// What the service has written to its log in this home.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        gather(&self.path("state"), &mut text);
        text
    }

    /// Says that a logged warning or error with this text in it belongs to the test.
    pub fn foresee(&self, text: &'static str) {
        self.foreseen.borrow_mut().push(text);
    }

    /// Logged warnings and errors that the test did not foresee.
    fn unforeseen(&self) -> Vec<String> {
        let foreseen = self.foreseen.borrow();
        let is_unforeseen =
            |line: &&str| is_complaint(line) && !foreseen.iter().any(|text| line.contains(text));
        self.logs()
            .lines()
            .filter(is_unforeseen)
            .map(str::to_owned)
            .collect()
    }

    /// Every process that was started with this home, or names it on its command line.
    fn all_processes(&self) -> Vec<Pid> {
        let home = self.home.path().as_os_str().as_encoded_bytes();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
        pids.filter(|pid| {
            let of = |file| fs::read(format!("/proc/{}/{file}", pid.as_raw_nonzero())).unwrap_or_default();
            let names_home = |bytes: Vec<u8>| bytes.windows(home.len()).any(|window| window == home);
            names_home(of("environ")) || names_home(of("cmdline"))
        })
        .collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        kill_all(&self.all_processes());
        // The folder can be removed only when nobody writes into it any more.
        until_true("the home's processes to be gone", END_DEADLINE, || {
            self.all_processes().is_empty()
        });
        // A test that fails already has its own reason to tell.
        if !std::thread::panicking() {
            let complaints = self.unforeseen();
            assert!(
                complaints.is_empty(),
                "the programs logged:\n{}",
                complaints.join("\n")
            );
        }
    }
}

/// True for a line of a log at the levels that somebody should look at.
fn is_complaint(line: &str) -> bool {
    [" WARN ", " ERROR ", "\"WARN\"", "\"ERROR\""]
        .iter()
        .any(|level| line.contains(level))
}

/// A figure from `/proc/PID/status`, in bytes.
pub fn memory(pid: Pid, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap_or_default();
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap_or_default()
        * 1024
}

/// Processor time of all threads of a process, in steps of ten milliseconds.
fn processor_time(pid: Pid) -> Duration {
    /// The unit of `/proc`: hundredths of a second on every Linux.
    const TICK: Duration = Duration::from_millis(10);

    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // The name, in parentheses, may hold spaces; user and system time are the 12th and 13th field after it.
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2);
    fields.map(|ticks| TICK * ticks.parse().unwrap_or_default()).sum()
}

fn runs(pid: Pid, name: &str) -> bool {
    let program = fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero())).unwrap_or_default();
    // A program that was rebuilt while it ran is shown as `name (deleted)`.
    program
        .file_name()
        .and_then(OsStr::to_str)
        .is_some_and(|file| file.trim_end_matches(" (deleted)") == name)
}

/// Whether all is closed that a process had open, though its parent may not have taken notice.
fn has_ended(pid: Pid) -> bool {
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    let stat = fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
    // The name before it is in parentheses and may have any.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    let threads = fs::read_dir(format!("{folder}/task")).map_or(0, Iterator::count);
    state.is_none_or(|state| matches!(state, 'Z' | 'X') && threads <= 1)
}

fn kill_all(processes: &[Pid]) {
    for pid in processes {
        // It may have ended by itself.
        let _ = kill_process(*pid, Signal::KILL);
    }
}

fn gather(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            gather(&entry.path(), text);
        } else if entry.path().to_string_lossy().contains(".log") {
            text.push_str(&fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
}
