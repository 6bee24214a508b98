//! A machine with a real systemd, for tests of what only a service manager can show.
//!
//! `tests/systemd/machine` boots it in namespaces of this host; here is how a test talks to it. It has two users,
//! [`ALICE`] and [`BOB`], the programs under test and the engine's library in `/usr`, and the units of `systemd/`
//! installed as a package would. Its network is its own. When the test ends, however it does, the machine goes.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::config;
use crate::process::{Ran, Running, run};
use crate::wait::until_true;

/// The administrator.
pub const ROOT: &str = "root";
/// A user with a manager of her own.
pub const ALICE: &str = "alice";
/// Another one.
pub const BOB: &str = "bob";

/// Alice's number.
pub const ALICE_UID: u32 = 2001;
/// Bob's number.
pub const BOB_UID: u32 = 2002;

/// Longest wait for something that systemd is about to do.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Whose systemd it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// The one that is installed on this host, booted from the host's own files.
    Host,
    /// That of Debian 13.
    Trixie,
}

/// A running machine; dropping it removes it.
#[derive(Debug)]
pub struct Machine {
    /// Holds the machine; it goes when this one's input closes.
    keeper: Child,
    /// Its process 1, as this host numbers it.
    init: String,
}

impl Machine {
    /// Boots a machine and installs programs and units in it.
    ///
    /// # Panics
    ///
    /// When no systemd can be had: then nothing of this can be tested, which is a failure and says why.
    pub fn boot(system: System) -> Self {
        let programs = ["snowflake-session", "sfctl", "snowflake-emulator", "knock"];
        let mut mounts: Vec<(PathBuf, String)> = programs
            .into_iter()
            .map(|name| (config::program(name), format!("/usr/bin/{name}")))
            .collect();
        mounts.extend(libraries().into_iter().map(|library| {
            let name = library.file_name().unwrap_or_default().to_string_lossy();
            let inside = format!("/usr/lib/snowflake-session/{name}");
            (library, inside)
        }));
        let machine = Self::boot_with(system, &mounts);
        machine.install_units();
        machine
    }

    /// Boots a machine that has nothing of ours but these files or folders of this host, which it cannot write to.
    ///
    /// # Panics
    ///
    /// As [`boot`](Self::boot).
    pub fn boot_with(system: System, mounts: &[(PathBuf, String)]) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "a machine with systemd can be booted by root only; run `cargo xtask test --only systemd` as root"
        );
        let root = match system {
            System::Host => "/".to_owned(),
            System::Trixie => script(&["root", "trixie"]).ok().trim().to_owned(),
        };
        let mut command = command();
        command
            .args(["boot", &root])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        for (here, inside) in mounts {
            command.arg("--bind").arg(here).arg(inside);
        }
        let mut keeper = command
            .spawn()
            .unwrap_or_else(|error| panic!("start the machine: {error}"));
        let mut said = String::new();
        let output = keeper.stdout.take().expect("a piped output");
        BufReader::new(output)
            .read_line(&mut said)
            .expect("the machine's word is text");
        let init = said.trim().strip_prefix("ready ").map(str::to_owned);
        let Some(init) = init else {
            let _ = keeper.wait();
            panic!("no machine with systemd; it said above why");
        };
        Self { keeper, init }
    }

    /// Runs a command inside, to its end.
    pub fn run(&self, user: &str, arguments: &[&str]) -> Ran {
        run(self.command(user, arguments), None)
    }

    /// Starts a command inside and lets it run.
    pub fn start(&self, user: &str, arguments: &[&str]) -> Running {
        Running::start(self.command(user, arguments), None)
    }

    /// Runs a command inside that must succeed, and returns its output without the last line's end.
    #[track_caller]
    pub fn ok(&self, user: &str, arguments: &[&str]) -> String {
        self.run(user, arguments).ok().trim_end().to_owned()
    }

    /// Runs a command of Alice's that must succeed.
    #[track_caller]
    pub fn alice(&self, arguments: &[&str]) -> String {
        self.ok(ALICE, arguments)
    }

    /// Properties of one of Alice's units, joined by spaces.
    pub fn show(&self, unit: &str, properties: &[&str]) -> String {
        let values = properties.iter().map(|property| {
            self.alice(&[
                "systemctl",
                "--user",
                "show",
                "--value",
                "--property",
                property,
                unit,
            ])
        });
        values.collect::<Vec<_>>().join(" ")
    }

    /// Waits until properties of one of Alice's units are so.
    #[track_caller]
    pub fn until_shown(&self, unit: &str, properties: &[&str], wanted: &str) {
        until_true(&format!("{unit} to be {wanted}"), PATIENCE, || {
            self.show(unit, properties) == wanted
        });
    }

    /// What one of Alice's units has logged, messages only.
    pub fn log(&self, unit: &str) -> String {
        // Everybody's journal, since a manager's words about a unit that failed may be in the system's.
        self.ok(ROOT, &["journalctl", "--sync"]);
        self.ok(
            ROOT,
            &[
                "journalctl",
                "--quiet",
                "--no-pager",
                "--output=cat",
                &format!("_SYSTEMD_USER_UNIT={unit}"),
                "+",
                &format!("USER_UNIT={unit}"),
            ],
        )
    }

    /// Where a file of the machine is on this host.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        let inner = inside.strip_prefix("/").unwrap_or(inside);
        Path::new("/proc").join(&self.init).join("root").join(inner)
    }

    /// Writes a file in the machine, for everybody to read.
    pub fn write(&self, inside: &str, text: impl AsRef<[u8]>) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("a file lies in a folder"))
            .expect("the machine can be written to");
        fs::write(path, text).expect("the machine can be written to");
    }

    /// Writes a file of Alice's that only she can read; `inside` is below her home.
    pub fn write_home(&self, inside: &str, text: impl AsRef<[u8]>) {
        let file = Path::new("home/alice").join(inside);
        for folder in file
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != Path::new("home/alice"))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            if !self.path(folder).exists() {
                fs::create_dir(self.path(folder)).expect("the machine can be written to");
                chown(self.path(folder), Some(ALICE_UID), Some(ALICE_UID)).expect("we are root");
            }
        }
        fs::write(self.path(&file), text).expect("the machine can be written to");
        chown(self.path(&file), Some(ALICE_UID), Some(ALICE_UID)).expect("we are root");
        fs::set_permissions(self.path(&file), fs::Permissions::from_mode(0o600)).expect("we are root");
    }

    /// Adds lines to one of Alice's units and tells her manager.
    pub fn drop_in(&self, unit: &str, name: &str, lines: &str) {
        self.write(&format!("/etc/systemd/user/{unit}.d/{name}.conf"), lines);
        self.alice(&["systemctl", "--user", "daemon-reload"]);
    }

    /// Sends a signal to a process of the machine.
    pub fn signal(&self, signal: &str, pid: &str) {
        self.ok(ROOT, &["kill", &format!("-{signal}"), pid]);
    }

    fn command(&self, user: &str, arguments: &[&str]) -> Command {
        let mut command = command();
        command.args(["enter", &self.init, user]).args(arguments);
        command
    }

    fn install_units(&self) {
        let units = config::repository().join("systemd");
        for kind in ["user", "system"] {
            for unit in fs::read_dir(units.join(kind))
                .expect("the repository has units")
                .flatten()
            {
                let is_unit = unit
                    .path()
                    .extension()
                    .is_some_and(|ending| ending == "socket" || ending == "service");
                if is_unit {
                    let text = fs::read(unit.path()).expect("a unit can be read");
                    let name = unit.file_name().to_string_lossy().into_owned();
                    self.write(&format!("/usr/lib/systemd/{kind}/{name}"), text);
                }
            }
        }
        let strict = fs::read(units.join("user/strict.conf")).expect("a drop-in can be read");
        self.write("/usr/share/snowflake-session/systemd/strict.conf", strict);
        let journal = fs::read(units.join("journald@snowflake.conf")).expect("a configuration can be read");
        self.write("/etc/systemd/journald@snowflake.conf", journal);
        self.alice(&["systemctl", "--user", "daemon-reload"]);
        self.ok(BOB, &["systemctl", "--user", "daemon-reload"]);
        self.ok(ROOT, &["systemctl", "daemon-reload"]);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It removes the machine first; there is nothing to be done about one that does not.
        let _ = self.keeper.wait();
    }
}

fn command() -> Command {
    Command::new(config::repository().join("tests/systemd/machine"))
}

fn script(arguments: &[&str]) -> Ran {
    let mut command = command();
    command.args(arguments);
    // Preparing a root takes its time where it is not kept from an earlier run.
    Running::start(command, None).wait(Duration::from_mins(10))
}

/// The engine's libraries, which the emulator looks for beside the installed programs.
fn libraries() -> Vec<PathBuf> {
    let folder = config::repository().join("target/engine");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension() == Some(OsStr::new("so")))
        .collect()
}
