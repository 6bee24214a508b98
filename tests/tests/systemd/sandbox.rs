//! The units: what systemd says of them, and whether the sandbox is there.

use snowflake_session_tests::machine::{ALICE, Machine, ROOT};

use crate::{SERVICE, SOCKET, TCP, listen, main_pid};

/// `systemd-analyze verify` finds nothing to say, and the exposure is within its limits, in tenths.
pub(crate) fn units_verify_and_score(machine: &Machine) {
    let silent = |user: &str, arguments: &[&str]| {
        let ran = machine.run(user, arguments);
        assert!(
            ran.code == 0 && ran.out().is_empty() && ran.stderr.is_empty(),
            "{ran}"
        );
    };
    silent(
        ALICE,
        &[
            "systemd-analyze",
            "--user",
            "--man=no",
            "verify",
            SERVICE,
            SOCKET,
            TCP,
        ],
    );
    machine.ok(ROOT, &["groupadd", "--system", "snowflake"]);
    silent(
        ROOT,
        &["systemd-analyze", "--man=no", "verify", SERVICE, SOCKET, TCP],
    );
    silent(
        ROOT,
        &[
            "systemd-analyze",
            "--man=no",
            "verify",
            "snowflake-session@alice.service",
            "snowflake-session@alice.socket",
        ],
    );

    listen(machine);
    let within = |user: &str, scope: &[&str], unit: &str, limit: &str| {
        let mut arguments = vec!["systemd-analyze"];
        arguments.extend(scope);
        let threshold = format!("--threshold={limit}");
        arguments.extend(["security", "--no-pager", &threshold, unit]);
        let ran = machine.run(user, &arguments);
        assert!(ran.code == 0, "{}", ran.out().lines().last().unwrap_or_default());
    };
    within(ROOT, &[], SERVICE, "15");
    within(ROOT, &[], "snowflake-session@alice.service", "20");
    within(ALICE, &["--user"], SERVICE, "55");
    strict(machine);
    within(ALICE, &["--user"], SERVICE, "20");
}

/// Adds the rest of the sandbox to Alice's service.
fn strict(machine: &Machine) {
    let text =
        std::fs::read(machine.path("/usr/share/snowflake-session/systemd/strict.conf")).expect("a drop-in");
    machine.drop_in(SERVICE, "strict", &String::from_utf8_lossy(&text));
}

/// A line of `/proc/PID/status` of a process.
fn status_line(machine: &Machine, pid: &str, key: &str) -> String {
    let path = format!("/proc/{pid}/status");
    let text = machine.ok(ROOT, &["cat", &path]);
    let line = text
        .lines()
        .find(|line| line.starts_with(key))
        .unwrap_or_default();
    line.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

/// Whether a process has a namespace of its own; `kind` is its name in `/proc`.
fn has_own(machine: &Machine, pid: &str, kind: &str) -> bool {
    let of = |pid: &str| machine.ok(ROOT, &["readlink", &format!("/proc/{pid}/ns/{kind}")]);
    of(pid) != of("1")
}

/// Whether Alice can write to a folder as a process with these namespaces sees it.
fn can_write(machine: &Machine, pid: &str, folder: &str) -> bool {
    let file = format!("{folder}/probe");
    let ran = machine.run(
        ROOT,
        &[
            "nsenter",
            "--target",
            pid,
            "--mount",
            "--setuid=2001",
            "--setgid=2001",
            "touch",
            &file,
        ],
    );
    ran.code == 0
}

/// A process gets no rights that it does not have, and not all system calls.
#[track_caller]
fn is_confined(machine: &Machine, pid: &str) {
    let status = ["NoNewPrivs:", "Seccomp:"].map(|key| status_line(machine, pid, key));
    assert_eq!(status, ["1", "2"]);
}

/// A process has nothing of the machine but what it is given.
#[track_caller]
fn is_strictly_confined(machine: &Machine, pid: &str) {
    is_confined(machine, pid);
    assert_eq!(status_line(machine, pid, "CapBnd:"), "0000000000000000");
    for kind in ["user", "mnt"] {
        assert!(
            has_own(machine, pid, kind),
            "it is in the machine's namespace: {kind}"
        );
    }
    for folder in ["/usr/local", "/home/alice", "/etc"] {
        assert!(!can_write(machine, pid, folder), "{folder} can be written to");
    }
}

/// Not the score but the running process: the score knows nothing of lines without effect.
pub(crate) fn the_portable_sandbox_is_in_effect(machine: &Machine) {
    listen(machine);
    machine.alice(&["sfctl", "service", "start"]);
    is_confined(machine, &main_pid(machine));
    let state = machine.alice(&["sfctl", "service", "status", "--format", "json"]);
    assert!(
        state.contains("\"manager\":\"systemd\"") || state.contains("\"manager\": \"systemd\""),
        "{state}"
    );
    // Statements run in it: the engine, its child process and its files get along with the filters.
    assert_eq!(
        machine
            .alice(&["sfctl", "query", "select 40 + 2", "--format", "csv"])
            .lines()
            .last(),
        Some("42")
    );
}

/// With user namespaces, paths are closed too.
pub(crate) fn the_strict_sandbox_is_in_effect(machine: &Machine) {
    listen(machine);
    strict(machine);
    machine.alice(&["sfctl", "service", "start"]);
    assert_eq!(
        machine.show(SERVICE, &["ActiveState", "Result"]),
        "active success"
    );
    is_strictly_confined(machine, &main_pid(machine));
    assert_eq!(
        machine
            .alice(&["sfctl", "query", "select 40 + 2", "--format", "csv"])
            .lines()
            .last(),
        Some("42")
    );
}

/// The services that the system runs have the whole sandbox, without a drop-in.
pub(crate) fn the_sandbox_of_the_system_is_in_effect(machine: &Machine) {
    machine.ok(ROOT, &["groupadd", "--system", "snowflake"]);
    let units = [SERVICE, "snowflake-session@alice.service"];
    for unit in units {
        machine.ok(ROOT, &["systemctl", "start", unit]);
        let pid = machine.ok(
            ROOT,
            &["systemctl", "show", "--value", "--property=MainPID", unit],
        );
        is_strictly_confined(machine, &pid);
    }
}
