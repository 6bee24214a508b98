//! The life of a service under its units: started by a connection, ready, reloading, draining, gone when unused.

use std::time::Duration;

use snowflake_session_tests::machine::{ALICE, Machine, PATIENCE, ROOT};
use snowflake_session_tests::wait::until_true;

use crate::{SERVICE, SOCKET, alices_socket, listen, main_pid};

pub(crate) fn a_connection_starts_the_service_and_waits_for_it(machine: &Machine) {
    listen(machine);
    assert_eq!(
        (
            machine.show(SOCKET, &["ActiveState"]),
            machine.show(SERVICE, &["ActiveState"])
        ),
        ("active".to_owned(), "inactive".to_owned())
    );
    let socket = alices_socket();
    assert_eq!(
        machine.ok(ROOT, &["stat", "--format=%a %U", &socket]),
        "600 alice"
    );
    let folder = socket.trim_end_matches("/grpc.sock");
    assert_eq!(machine.ok(ROOT, &["stat", "--format=%a %U", folder]), "700 alice");

    // A start that takes its time is waited for by the connection, not answered with a refusal.
    machine.drop_in(SERVICE, "slow", "[Service]\nExecStartPre=/bin/sleep 1\n");
    let status = machine.alice(&["sfctl", "--no-autostart", "service", "status", "--format", "json"]);
    assert!(status.contains("systemd"), "{status}");
    assert_eq!(
        machine.show(SERVICE, &["ActiveState", "SubState"]),
        "active running"
    );
    assert_eq!(
        machine.show(SERVICE, &["StatusText"]),
        format!("serving {socket}")
    );

    // `systemctl start` alone does it too, and brings the socket.
    machine.alice(&["systemctl", "--user", "stop", SOCKET, SERVICE]);
    machine.alice(&["systemctl", "--user", "start", SERVICE]);
    assert_eq!(machine.show(SOCKET, &["ActiveState"]), "active");
}

pub(crate) fn start_reload_stop(machine: &Machine) {
    listen(machine);
    let said = machine.run(ALICE, &["sfctl", "service", "start"]);
    assert!(said.stderr.contains("systemd"), "{said}");
    let pid = main_pid(machine);
    assert!(!machine.log(SERVICE).contains("debugging"));

    machine.write_home(
        ".config/snowflake-session/config.toml",
        "[log]\nlevel = \"debug\"\n",
    );
    let said = machine.run(ALICE, &["sfctl", "service", "reload"]);
    assert!(said.code == 0 && said.stderr.contains("systemd"), "{said}");
    assert_eq!(main_pid(machine), pid, "reloading is no restart");
    machine.until_shown(
        SERVICE,
        &["ActiveState", "SubState", "StatusText"],
        &format!("active running serving {}", alices_socket()),
    );
    until_true("the reload to be logged", PATIENCE, || {
        machine.log(SERVICE).contains("configuration read again")
    });

    let said = machine.run(ALICE, &["sfctl", "service", "restart"]);
    assert!(said.code == 0 && said.stderr.contains("systemd"), "{said}");
    assert_ne!(main_pid(machine), pid);
    machine.alice(&["sfctl", "query", "select 1"]);
    let logs = machine.alice(&["sfctl", "service", "logs"]);
    assert!(logs.contains("serving"), "{logs}");
    let of_session = machine.alice(&["sfctl", "service", "logs", "--session", "default"]);
    assert!(
        of_session.contains("logged in") && !of_session.contains("serving"),
        "{of_session}"
    );

    let said = machine.run(ALICE, &["sfctl", "service", "stop"]);
    assert!(said.code == 0 && said.stderr.contains("systemd"), "{said}");
    assert_eq!(
        machine.show(SERVICE, &["ActiveState", "Result"]),
        "inactive success"
    );
    machine
        .run(ALICE, &["sfctl", "--no-autostart", "context"])
        .fails(3, &["nobody listens"]);
    // The next command starts it again through its unit.
    machine.alice(&["sfctl", "query", "select 1"]);
    assert_eq!(machine.show(SERVICE, &["ActiveState"]), "active");
}

pub(crate) fn an_unused_service_ends_and_comes_back(machine: &Machine) {
    listen(machine);
    // The shortest that is allowed.
    machine.write_home(
        ".config/snowflake-session/config.toml",
        "[service]\nidle_exit = \"30s\"\n",
    );
    machine.alice(&["sfctl", "service", "start"]);
    let first = main_pid(machine);
    machine.until_shown(
        SERVICE,
        &["ActiveState", "Result", "NRestarts"],
        "inactive success 0",
    );
    assert_eq!(
        machine.show(SOCKET, &["ActiveState", "SubState"]),
        "active listening"
    );
    until_left(machine);
    machine.alice(&["sfctl", "--no-autostart", "service", "status"]);
    assert_ne!(main_pid(machine), first);
}

/// Connections that come all the time do not keep a service that holds no session, and none of them is refused or cut
/// while it decides to leave and the next run begins; nor is a statement that comes at that moment.
pub(crate) fn nobody_is_turned_away_by_a_service_that_leaves(machine: &Machine) {
    listen(machine);
    machine.write_home(
        ".config/snowflake-session/config.toml",
        "[service]\nidle_exit = \"30s\"\n[session]\nidle_limit = \"1s\"\n",
    );
    machine.alice(&["sfctl", "service", "start"]);
    let first = main_pid(machine);
    let socket = alices_socket();
    let script = "(until [ -e /tmp/enough ]; do sleep 0.1; done) | knock \"$0\" 500";
    let knocking = machine.start(ALICE, &["bash", "-c", script, &socket]);
    // Each begins when the first run is gone from where it was, or is just about to go.
    let script = "until [ \"$(systemctl --user show --value --property MainPID \"$0\")\" != \"$1\" ]; do :; done; \
                  for n in 1 2 3 4 5; do sfctl --no-autostart --session \"s$n\" query 'select 1' >/dev/null || exit 9; done";
    let asking = machine.start(ALICE, &["bash", "-c", script, SERVICE, &first]);
    let ran = asking.wait(Duration::from_mins(2));
    assert_eq!(
        ran.code, 0,
        "a statement was turned away by a service that left: {ran}"
    );
    assert_ne!(main_pid(machine), first);
    until_left(machine);
    machine.write("/tmp/enough", "");
    let ran = knocking.wait(PATIENCE);
    assert!(ran.out().trim_end().ends_with("refused 0 broken 0"), "{ran}");
    assert_eq!(machine.show(SERVICE, &["NRestarts"]), "0");
}

/// `STOPPING=1` with `EXTEND_TIMEOUT_USEC` carries a drain beyond the unit's limit; who signals twice does not wait.
pub(crate) fn a_drain_is_waited_for_and_a_second_signal_ends_it(machine: &Machine) {
    listen(machine);
    machine.drop_in(SERVICE, "hasty", "[Service]\nTimeoutStopSec=1s\n");
    machine.alice(&["sfctl", "service", "start"]);
    let running = machine.start(
        ALICE,
        &[
            "sfctl",
            "query",
            "--policy",
            "open",
            "call system$wait(4)",
            "--format",
            "csv",
        ],
    );
    until_running(machine);
    machine.alice(&["systemctl", "--user", "stop", SERVICE]);
    let ran = running.wait(PATIENCE);
    assert_eq!(ran.code, 0, "the statement was finished: {ran}");
    assert_eq!(machine.show(SERVICE, &["Result"]), "success");

    machine.drop_in(SERVICE, "hasty", "[Service]\nTimeoutStopSec=30s\n");
    let running = machine.start(
        ALICE,
        &["sfctl", "query", "--policy", "open", "call system$wait(60)"],
    );
    until_running(machine);
    let pid = main_pid(machine);
    machine.alice(&["systemctl", "--user", "stop", "--no-block", SERVICE]);
    machine.until_shown(
        SERVICE,
        &["ActiveState", "StatusText"],
        "deactivating finishing queries",
    );
    machine.signal("TERM", &pid);
    machine.until_shown(SERVICE, &["ExecMainStatus"], "130");
    assert_ne!(running.wait(Duration::from_mins(1)).code, 0);
}

/// Waits until the journal has the reason for which the service left, which it may get after the service is gone.
fn until_left(machine: &Machine) {
    until_true("the reason for leaving to be logged", PATIENCE, || {
        machine.log(SERVICE).contains("no session for the idle limit")
    });
}

/// Waits until a statement runs.
fn until_running(machine: &Machine) {
    until_true("the statement to run", PATIENCE, || {
        let ran = machine.run(
            ALICE,
            &["sfctl", "--no-autostart", "service", "status", "--format", "csv"],
        );
        let out = ran.out();
        let mut lines = out.lines();
        let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let column = header
            .iter()
            .position(|name| name.eq_ignore_ascii_case("queries"));
        let values: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        column.is_some_and(|column| values.get(column) == Some(&"1"))
    });
}
