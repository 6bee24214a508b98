//! `sfctl doctor` under a manager: healthy units, a socket that was given up, a sandbox that cannot be set up, a package.

use std::fs;

use serde_json::Value;
use snowflake_session_tests::machine::{ALICE, Machine, ROOT};

use crate::{SERVICE, SOCKET, alices_socket, listen};

/// Exit code and findings.
fn examined(machine: &Machine, arguments: &[&str]) -> (i32, Value) {
    let ran = machine.run(ALICE, &[&["sfctl", "doctor", "--json"], arguments].concat());
    let found = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
    (ran.code, found)
}

#[track_caller]
fn is(found: &Value, id: &str, state: &str, told: &str) {
    let checks = found["checks"].as_array().expect("a list of checks");
    let check = checks.iter().find(|check| check["id"] == id);
    let check = check.unwrap_or_else(|| panic!("no {id}: {found:#}"));
    assert!(
        check["state"] == state && check.to_string().contains(told),
        "{id} should be {state}, {told}: {check:#}"
    );
}

pub(crate) fn a_managed_service_is_examined(machine: &Machine) {
    listen(machine);
    let (code, found) = examined(machine, &[]);
    assert!(code <= 1, "{found:#}");
    is(&found, "manager.kind", "ok", "systemd");
    is(&found, "manager.reachable", "ok", "/run/user/2001");
    is(&found, "units.files", "ok", SOCKET);
    is(&found, "units.program", "ok", "/usr/bin/snowflake-session");
    is(&found, "units.socket", "ok", "enabled");
    is(&found, "units.service", "ok", "is active");
    is(&found, "units.sandbox", "ok", "system calls are filtered");
    is(&found, "socket.held", "ok", "user manager");
    is(&found, "logging.place", "ok", "sfctl service logs");
    is(&found, "resources.files", "ok", "files are open");

    // Somebody has cleaned the runtime folder up: the unit still says that it listens.
    machine.alice(&["systemctl", "--user", "stop", SERVICE]);
    fs::remove_file(machine.path(alices_socket())).expect("root removes everything");
    let (code, found) = examined(machine, &[]);
    assert_eq!(code, 2);
    is(
        &found,
        "socket.held",
        "fail",
        "systemctl --user restart snowflake-session.socket",
    );

    let bundle = "/home/alice/report.tar.gz";
    machine.run(ALICE, &["sfctl", "doctor", "--bundle", bundle]);
    assert_eq!(machine.ok(ROOT, &["stat", "--format=%a %U", bundle]), "600 alice");
    let names = machine.ok(ROOT, &["tar", "-tzf", bundle]);
    for name in [
        "doctor.json",
        "versions.txt",
        "log.txt",
        "snowflake-session.socket.cat.txt",
        "snowflake-session.service.show.txt",
    ] {
        assert!(names.contains(name), "{names}");
    }
}

pub(crate) fn what_systemd_gave_up_is_explained(machine: &Machine) {
    listen(machine);
    machine.drop_in(
        SERVICE,
        "broken",
        "[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=10ms\n",
    );
    machine.run(ALICE, &["sfctl", "query", "select 1"]);
    machine.until_shown(SOCKET, &["ActiveState"], "failed");
    let (code, found) = examined(machine, &[]);
    assert_eq!(code, 2);
    is(
        &found,
        "units.socket",
        "fail",
        "systemctl --user reset-failed snowflake-session.socket snowflake-session.service",
    );
    is(&found, "units.service", "fail", "sfctl service logs");
    is(&found, "socket.listener", "fail", "nobody listens");
    assert_eq!(
        machine.show(SOCKET, &["ActiveState"]),
        "failed",
        "looking resets nothing"
    );
}

pub(crate) fn a_sandbox_that_is_denied_is_told_from_other_failures(machine: &Machine) {
    listen(machine);
    // As on hosts that let no user make namespaces.
    machine.write(
        "/etc/systemd/system/user@.service.d/deny.conf",
        "[Service]\nRestrictNamespaces=~user\n",
    );
    machine.ok(ROOT, &["systemctl", "daemon-reload"]);
    machine.ok(ROOT, &["systemctl", "restart", "user@2001.service"]);
    listen(machine);
    machine.drop_in(SERVICE, "strict", "[Service]\nPrivateUsers=yes\n");
    machine.run(ALICE, &["systemctl", "--user", "start", SERVICE]);
    let (code, found) = examined(machine, &[]);
    assert_eq!(code, 2);
    is(&found, "units.service", "fail", "exit code 217");
    is(&found, "units.service", "fail", "sfctl service install");
}
