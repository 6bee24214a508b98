//! Starting and stopping the service, and what happens when nobody listens.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arrow::{events, two_rows};
use crate::fake::{Fake, Script};
use crate::harness::{House, Ran, finished, program, ran, sfctl, spawned};

/// A folder with a copy of sfctl, so that the program beside it is the test's.
pub(crate) struct Installed {
    directory: tempfile::TempDir,
    sfctl: PathBuf,
}

impl Installed {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sfctl = directory.path().join("sfctl");
        std::fs::copy(env!("CARGO_BIN_EXE_sfctl"), &sfctl).unwrap();
        Self { directory, sfctl }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a script beside sfctl as the service's program.
    fn with_service(self, script: &str) -> Self {
        self.with_program("snowflake-session", script)
    }

    /// Puts a script beside sfctl.
    pub(crate) fn with_program(self, name: &str, script: &str) -> Self {
        let path = self.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.sfctl, self.path(), arguments);
        command
            .env("PATH", "/usr/bin:/bin")
            .env("SFCTL_SOCKET", self.path().join("run/grpc.sock"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments))
    }
}

/// A script whose `start` makes a waiting stand-in's socket appear.
const STARTS: &str = "echo \"$@\" >> calls; ln -s ../real/grpc.sock run/grpc.sock";

#[test]
fn nobody_listening_is_an_exit_code_and_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        &["--no-autostart", "query", "select 1"][..],
        &["--no-autostart", "context"],
        &["service", "status"],
    ] {
        let mut all = vec!["--socket", "nobody.sock"];
        all.extend(arguments);
        let ran = ran(sfctl(directory.path(), &all));
        let stderr = ran.failed(3);
        assert!(stderr.contains("nobody listens on nobody.sock"), "{stderr}");
        assert!(
            stderr.ends_with("hint: start it with `sfctl service start`\n"),
            "{stderr}"
        );
    }
    let mut command = sfctl(directory.path(), &["--socket", "nobody.sock", "context"]);
    command.env("SFCTL_NO_AUTOSTART", "1");
    ran(command).failed(3);
}

#[test]
fn a_stale_socket_is_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let ran = ran(sfctl(
        directory.path(),
        &["--socket", "stale.sock", "service", "status"],
    ));
    assert!(ran.failed(3).contains("the service does not run"), "{ran:?}");
}

#[test]
fn a_verb_starts_the_service_once() {
    let installed = Installed::new().with_service(STARTS);
    let real = installed.path().join("real");
    std::fs::create_dir(&real).unwrap();
    let _fake = Fake::start(&real, Script::Events(events(&[two_rows()])));
    let children: Vec<_> = (0..4)
        .map(|_| spawned(installed.command(&["query", "--format", "csv", "select 1"])))
        .collect();
    for child in children {
        assert_eq!(
            finished(child.wait_with_output().unwrap()).ok(),
            "N,T\n1,one\n2,\n"
        );
    }
    let calls = std::fs::read_to_string(installed.path().join("calls")).unwrap();
    let socket = installed.path().join("run/grpc.sock");
    assert_eq!(calls, format!("start --socket {}\n", socket.display()));
    let folder = std::fs::metadata(installed.path().join("run")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
}

#[test]
fn service_start_reports_and_does_it_once() {
    let installed = Installed::new().with_service(STARTS);
    let real = installed.path().join("real");
    std::fs::create_dir(&real).unwrap();
    let _fake = Fake::start(&real, Script::Events(Vec::new()));
    let first = installed.run(&["service", "start"]);
    assert!(first.ok().contains("serving"), "{first:?}");
    assert_eq!(
        first.stderr,
        "the service is started; it is run by no service manager\n"
    );
    let second = installed.run(&["service", "start"]);
    second.ok();
    assert_eq!(
        second.stderr,
        "the service runs already; it is run by no service manager\n"
    );
}

#[test]
fn a_service_that_does_not_start_is_quoted() {
    let installed = Installed::new().with_service("echo 'the port is taken' >&2; exit 1");
    let ran = installed.run(&["query", "select 1"]);
    let stderr = ran.failed(3);
    assert!(
        stderr.contains("error: cannot start the service\ncaused by: the port is taken\n"),
        "{stderr}"
    );
    let installed = Installed::new().with_service("echo 'error: unknown key' >&2; exit 78");
    let ran = installed.run(&["query", "select 1"]);
    assert!(ran.failed(2).contains("caused by: unknown key\n"), "{ran:?}");
}

#[test]
fn a_detached_child_does_not_hold_the_failed_start() {
    // The child keeps stderr open long after its parent has failed.
    let installed = Installed::new().with_service("sleep 600 & echo $! > child; echo broken >&2; exit 1");
    let ran = installed.run(&["context"]);
    assert_eq!(ran.code, Some(3));
    let child = std::fs::read_to_string(installed.path().join("child")).unwrap();
    Command::new("kill").arg(child.trim()).status().unwrap();
}

#[test]
fn without_the_program_the_hint_says_so() {
    let installed = Installed::new();
    let ran = installed.run(&["query", "select 1"]);
    assert!(
        ran.failed(3)
            .contains("neither beside sfctl nor on the search path"),
        "{ran:?}"
    );
}

#[test]
fn the_program_is_also_found_on_the_search_path() {
    let elsewhere = Installed::new().with_service("echo \"elsewhere $1\" >&2; exit 1");
    let installed = Installed::new();
    let mut command = installed.command(&["context"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", elsewhere.path().display()));
    let ran = ran(command);
    assert!(ran.failed(3).contains("elsewhere start"), "{ran:?}");
}

#[test]
fn service_run_becomes_the_service() {
    let installed = Installed::new().with_service("echo \"run as $$: $1\"; exit 7");
    let child = spawned(installed.command(&["service", "run"]));
    let pid = child.id();
    let ran = finished(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout), (Some(7), format!("run as {pid}: run\n")));
}

#[test]
fn service_stop_waits_for_the_end() {
    let house = House::new(Script::Events(Vec::new()));
    let process = Command::new("sleep")
        .arg("600")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let pid = process.id();
    *house.fake.state.process.lock().unwrap() = Some(process);
    let ran = house.run(&["service", "stop"]);
    assert_eq!((ran.ok(), ran.stderr.as_str()), ("", "the service is stopped\n"));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn stopping_what_does_not_run_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let ran = ran(sfctl(
        directory.path(),
        &["--socket", "nobody.sock", "service", "stop"],
    ));
    assert_eq!(
        (ran.ok(), ran.stderr.as_str()),
        ("", "the service does not run\n")
    );
}

#[test]
fn a_reload_says_what_the_service_made_of_it() {
    let house = House::new(Script::Events(Vec::new()));
    let ran = house.run(&["service", "reload", "--format", "json"]);
    let said: serde_json::Value = serde_json::from_str(ran.ok()).unwrap();
    let wanted = serde_json::json!({"applied": ["log.level"], "needs_restart": ["rpc.calls_max"]});
    assert_eq!(said, wanted);
    for part in [
        "unknown variable SNOWFLAKE_SESSIOND_X",
        "no service manager",
        "sfctl service restart",
    ] {
        assert!(ran.stderr.contains(part), "{ran:?}");
    }
}

#[test]
fn service_metrics_prints_what_the_service_wrote() {
    let house = House::new(Script::Events(Vec::new()));
    let ran = house.run(&["service", "metrics"]);
    assert_eq!(ran.ok(), "# TYPE snowflake_jobs gauge\nsnowflake_jobs 3\n");
    let directory = tempfile::tempdir().unwrap();
    let ran = asked_in_vain(directory.path());
    assert!(ran.failed(3).contains("the service does not run"), "{ran:?}");
}

/// Asks a service that is not there, which is not started for it.
fn asked_in_vain(directory: &Path) -> Ran {
    ran(sfctl(
        directory,
        &["--socket", "nobody.sock", "service", "metrics"],
    ))
}
