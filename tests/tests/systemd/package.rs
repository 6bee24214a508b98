//! The package for Debian on a real system: installed, upgraded under open sessions, removed, purged.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use snowflake_session_tests::machine::{ALICE, Machine, PATIENCE, ROOT, System};
use snowflake_session_tests::package::package;
use snowflake_session_tests::wait::until_true;

use crate::{SOCKET, main_pid, rows, upstream};

/// Listens on the network when an administrator wants it to.
const TCP_SOCKET: &str = "snowflake-session-tcp.socket";

/// The package and the one after it, packed once for all machines.
fn packages() -> &'static [PathBuf; 2] {
    static PACKAGES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        ["0.1.0-1", "0.1.0-2"].map(|version| package(&folder, version))
    })
}

pub(crate) fn on(system: System) {
    let [first, second] = packages();
    let folder = first.parent().expect("a file lies in a folder").to_owned();
    let machine = Machine::boot_with(system, &[(folder, "/packages".to_owned())]);
    let inside = |package: &Path| {
        let name = package.file_name().expect("a file has a name").to_string_lossy();
        format!("/packages/{name}")
    };
    let settings = "/etc/snowflake-session/config.toml";

    // A host that is a container itself may have a rule that packages start and stop nothing.
    machine.ok(ROOT, &["rm", "--force", "/usr/sbin/policy-rc.d"]);
    machine.ok(ROOT, &["dpkg", "--install", &inside(first)]);
    machine.ok(ROOT, &["dpkg", "--verify", "snowflake-session"]);
    machine.ok(ROOT, &["getent", "group", "snowflake"]);
    assert_eq!(
        machine.alice(&["systemctl", "--user", "is-enabled", SOCKET]),
        "enabled",
        "as after the next login"
    );
    let of_system = machine.run(ROOT, &["systemctl", "is-enabled", SOCKET]);
    assert_eq!(of_system.out().trim(), "disabled", "the administrator decides");
    machine.alice(&["systemctl", "--user", "daemon-reload"]);
    machine.alice(&["systemctl", "--user", "start", SOCKET]);
    upstream(&machine);
    machine.alice(&["sfctl", "write", "create database db"]);
    machine.alice(&["sfctl", "write", "create table kept (a int)"]);
    machine.alice(&["sfctl", "begin"]);
    machine.alice(&["sfctl", "write", "insert into kept values (1)"]);
    let transaction = rows(&machine, "select current_transaction()");
    machine.ok(ROOT, &["sh", "-c", &format!("echo '# ours' >>{settings}")]);

    let pid = main_pid(&machine);
    machine.ok(ROOT, &["dpkg", "--install", "--force-confold", &inside(second)]);
    assert_eq!(
        main_pid(&machine),
        pid,
        "an upgrade restarts nobody who holds sessions"
    );
    until_true("the replaced program to be noticed", PATIENCE, || {
        let status = machine.run(ALICE, &["sfctl", "service", "status"]);
        status.stderr.contains("sfctl service restart")
    });
    assert_eq!(rows(&machine, "select current_transaction()"), transaction);
    machine.alice(&["sfctl", "service", "restart"]);
    assert_ne!(main_pid(&machine), pid);
    assert_eq!(
        rows(&machine, "select current_transaction()"),
        transaction,
        "nothing was lost"
    );
    machine.alice(&["sfctl", "commit"]);
    assert_eq!(rows(&machine, "select a from kept"), "1");
    let kept = machine.ok(ROOT, &["tail", "--lines=1", settings]);
    assert_eq!(kept, "# ours", "the administrator's file stays");

    // Nobody is to listen on the network for a program that is gone.
    machine.ok(ROOT, &["systemctl", "start", TCP_SOCKET]);
    machine.ok(ROOT, &["dpkg", "--remove", "snowflake-session"]);
    let state = machine.run(ROOT, &["systemctl", "is-active", TCP_SOCKET]);
    assert_ne!(state.stdout.trim_ascii(), b"active");
    until_true("the service to be gone", PATIENCE, || main_pid(&machine) == "0");
    for gone in ["/usr/bin/sfctl", "/usr/lib/systemd/user/snowflake-session.socket"] {
        assert!(!machine.path(gone).exists(), "{gone} is left");
    }
    assert!(
        machine.path(settings).exists(),
        "settings stay until they are purged"
    );
    machine.ok(ROOT, &["dpkg", "--purge", "snowflake-session"]);
    let left = machine.ok(
        ROOT,
        &[
            "find",
            "/etc",
            "/usr",
            "/var/lib",
            "-xdev",
            "-name",
            "*snowflake*",
            "-not",
            "-path",
            "/usr/share/*",
        ],
    );
    // The group stays, as Debian's groups do: files may belong to it.
    assert_eq!(left, "", "a purge leaves nothing");
}
