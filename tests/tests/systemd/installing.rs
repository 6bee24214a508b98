//! `sfctl service install` and `uninstall`.

use snowflake_session_tests::machine::{ALICE, Machine, ROOT};

use crate::{SERVICE, SOCKET, main_pid};

/// Where a user's units are.
const UNITS: &str = "/home/alice/.config/systemd/user";

fn files(machine: &Machine) -> String {
    machine.ok(
        ROOT,
        &[
            "sh",
            "-c",
            &format!("cd {UNITS} 2>/dev/null && find . -type f | sort"),
        ],
    )
}

/// Takes away what a package would have installed, so that only the program is there.
fn without_package(machine: &Machine) {
    machine.ok(
        ROOT,
        &["sh", "-c", "rm -f /usr/lib/systemd/user/snowflake-session.*"],
    );
    machine.alice(&["systemctl", "--user", "daemon-reload"]);
}

pub(crate) fn install_tries_the_strict_sandbox_and_uninstall_leaves_nothing(machine: &Machine) {
    without_package(machine);
    // One that runs without a manager makes way.
    machine.alice(&["sfctl", "query", "select 1"]);
    assert_eq!(main_pid(machine), "0");
    let ran = machine.run(ALICE, &["sfctl", "service", "install"]);
    assert!(ran.code == 0 && ran.stderr.contains("strict sandbox"), "{ran}");
    assert_eq!(
        files(machine),
        "./snowflake-session.service\n./snowflake-session.service.d/strict.conf\n./snowflake-session.socket"
    );
    assert_eq!(
        machine.show(SOCKET, &["UnitFileState", "ActiveState"]),
        "enabled active"
    );
    assert_eq!(
        machine.show(SERVICE, &["ActiveState", "PrivateUsers"]),
        "active yes"
    );
    let status = machine.alice(&["sfctl", "service", "status", "--format", "json"]);
    assert!(status.contains("systemd"), "{status}");
    // Twice is as good as once.
    machine.alice(&["sfctl", "service", "install"]);

    let ran = machine.run(ALICE, &["sfctl", "service", "uninstall"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(files(machine), "");
    machine
        .run(ALICE, &["sfctl", "--no-autostart", "context"])
        .fails(3, &["nobody listens"]);
    assert_eq!(machine.show(SOCKET, &["LoadState"]), "not-found");
    let ran = machine.run(ALICE, &["sfctl", "service", "uninstall"]);
    assert!(ran.code == 0 && ran.stderr.contains("not installed"), "{ran}");

    // With a package's units, only what the package cannot know is added.
    let units = snowflake_session_tests::config::repository().join("systemd/user");
    for name in ["snowflake-session.service", "snowflake-session.socket"] {
        machine.write(
            &format!("/usr/lib/systemd/user/{name}"),
            std::fs::read(units.join(name)).expect("a unit"),
        );
    }
    machine.alice(&["systemctl", "--user", "daemon-reload"]);
    machine.alice(&["sfctl", "service", "install"]);
    assert_eq!(files(machine), "./snowflake-session.service.d/strict.conf");
}

pub(crate) fn install_falls_back_where_user_namespaces_are_denied(machine: &Machine) {
    without_package(machine);
    // As distributions do that do not let users make such namespaces.
    machine.write(
        "/etc/systemd/system/user@2001.service.d/denied.conf",
        "[Service]\nRestrictNamespaces=~user\n",
    );
    machine.ok(ROOT, &["systemctl", "daemon-reload"]);
    machine.ok(ROOT, &["systemctl", "restart", "user@2001.service"]);
    let ran = machine.run(ALICE, &["sfctl", "service", "install"]);
    assert!(ran.code == 0 && ran.stderr.contains("portable sandbox"), "{ran}");
    assert_eq!(
        files(machine),
        "./snowflake-session.service\n./snowflake-session.socket"
    );
    assert_eq!(
        machine.show(SERVICE, &["ActiveState", "PrivateUsers"]),
        "active no"
    );
    assert_eq!(
        machine
            .alice(&["sfctl", "query", "select 1", "--format", "csv"])
            .lines()
            .last(),
        Some("1")
    );
}
