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

/// A line of `/proc/PID/status` of Alice's service.
fn status_line(machine: &Machine, key: &str) -> String {
    let path = format!("/proc/{}/status", main_pid(machine));
    let text = machine.ok(ROOT, &["cat", &path]);
    let line = text
        .lines()
        .find(|line| line.starts_with(key))
        .unwrap_or_default();
    line.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

/// Whether a process in the namespaces of Alice's service can write to a folder.
fn can_write(machine: &Machine, folder: &str) -> bool {
    let pid = main_pid(machine);
    let file = format!("{folder}/probe");
    let ran = machine.run(
        ROOT,
        &[
            "nsenter",
            "--target",
            &pid,
            "--mount",
            "--setuid=2001",
            "--setgid=2001",
            "touch",
            &file,
        ],
    );
    ran.code == 0
}

/// Not the score but the running process: the score knows nothing of lines without effect.
pub(crate) fn the_portable_sandbox_is_in_effect(machine: &Machine) {
    listen(machine);
    machine.alice(&["sfctl", "service", "start"]);
    assert_eq!(
        (
            status_line(machine, "NoNewPrivs:").as_str(),
            status_line(machine, "Seccomp:").as_str()
        ),
        ("1", "2")
    );
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
    assert_eq!(status_line(machine, "CapBnd:"), "0000000000000000");
    for folder in ["/usr/local", "/home/alice", "/etc"] {
        assert!(!can_write(machine, folder), "{folder} can be written to");
    }
    assert_eq!(
        machine
            .alice(&["sfctl", "query", "select 40 + 2", "--format", "csv"])
            .lines()
            .last(),
        Some("42")
    );
}
