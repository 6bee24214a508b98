//! What happens when something breaks: the process, its program, the journal, what it is passed.

use std::time::{Duration, Instant};

use snowflake_session_tests::machine::{ALICE, Machine, PATIENCE, ROOT};
use snowflake_session_tests::wait::until_true;

use crate::{SERVICE, SOCKET, listen, main_pid};

pub(crate) fn a_killed_service_is_back_before_anybody_notices(machine: &Machine) {
    listen(machine);
    machine.alice(&["sfctl", "service", "start"]);
    for _ in 0..2 {
        let pid = main_pid(machine);
        machine.signal("KILL", &pid);
        // Asked in the middle of it: the socket was never gone, so the call waits and is answered.
        machine.alice(&["sfctl", "--no-autostart", "service", "status"]);
        assert_ne!(main_pid(machine), pid);
    }
    assert_eq!(machine.show(SERVICE, &["NRestarts"]), "2");
}

pub(crate) fn a_hung_service_is_replaced(machine: &Machine) {
    listen(machine);
    machine.drop_in(
        SERVICE,
        "watch",
        "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n",
    );
    machine.alice(&["sfctl", "service", "start"]);
    let pid = main_pid(machine);
    // It is watched, and alive: several times the limit passes without complaint while we look.
    let start = Instant::now();
    until_true("the watchdog's limit to pass twice", PATIENCE, || {
        assert_eq!(main_pid(machine), pid, "a healthy service was replaced");
        start.elapsed() > Duration::from_secs(4)
    });
    machine.signal("STOP", &pid);
    until_true("the hung process to be replaced", PATIENCE, || {
        !matches!(main_pid(machine).as_str(), "0") && main_pid(machine) != pid
    });
    assert!(machine.log(SERVICE).contains("Watchdog timeout"));
    machine.alice(&["sfctl", "--no-autostart", "service", "status"]);
}

pub(crate) fn a_program_that_always_fails_is_explained(machine: &Machine) {
    listen(machine);
    machine.drop_in(
        SERVICE,
        "broken",
        "[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=10ms\n",
    );
    machine
        .run(ALICE, &["sfctl", "query", "select 1"])
        .fails(3, &["systemctl --user status snowflake-session.service"]);
    machine.until_shown(SOCKET, &["ActiveState"], "failed");
    let ran = machine.run(ALICE, &["sfctl", "query", "select 1"]).fails(
        3,
        &[
            "snowflake-session.socket has failed",
            "service-start-limit-hit",
            "systemctl --user status snowflake-session.service",
            "systemctl --user reset-failed snowflake-session.socket snowflake-session.service",
        ],
    );
    assert_eq!(
        machine.show(SOCKET, &["ActiveState"]),
        "failed",
        "nothing was reset behind the user's back: {ran}"
    );
    // Mended, it starts when it is told to.
    machine.drop_in(SERVICE, "broken", "");
    machine.alice(&["sfctl", "service", "start"]);
    assert_eq!(
        machine
            .alice(&["sfctl", "query", "select 1", "--format", "csv"])
            .lines()
            .last(),
        Some("1")
    );
}

/// A program that runs and is never ready is not taken for a service.
pub(crate) fn a_start_that_takes_too_long_is_ended(machine: &Machine) {
    listen(machine);
    machine.drop_in(
        SERVICE,
        "mute",
        "[Service]\nExecStart=\nExecStart=/bin/sleep infinity\nTimeoutStartSec=1s\nTimeoutStopSec=1s\nRestart=no\n",
    );
    let ran = machine.run(ALICE, &["systemctl", "--user", "start", SERVICE]);
    assert_ne!(ran.code, 0, "{ran}");
    assert_eq!(
        machine.show(SERVICE, &["ActiveState", "Result"]),
        "failed timeout"
    );
    // Whoever calls hears that, and is not kept waiting.
    machine
        .run(ALICE, &["timeout", "60", "sfctl", "query", "select 1"])
        .fails(3, &["systemctl --user status snowflake-session.service"]);
}

/// The journal comes and goes; records have the fields by which they are looked for.
pub(crate) fn a_restarted_journal_has_all_fields(machine: &Machine) {
    listen(machine);
    machine.alice(&["sfctl", "service", "start"]);
    let pid = main_pid(machine);
    machine.ok(ROOT, &["systemctl", "restart", "systemd-journald"]);
    machine.alice(&["sfctl", "--session", "etl", "query", "select 1"]);
    let of_session = || {
        let read = ["journalctl", "--user", "--quiet", "--no-pager", "--output=json"];
        let filtered = [&read[..], &["SNOWFLAKE_SESSION=etl"]].concat();
        machine.run(ALICE, &filtered).out()
    };
    until_true("the statement to be in the journal", PATIENCE, || {
        of_session().lines().any(|line| line.contains("\"statement\""))
    });
    let records = of_session();
    let record = records.lines().find(|line| line.contains("\"statement\""));
    let record: serde_json::Value = serde_json::from_str(record.expect("it was there")).expect("JSON");
    for (field, wanted) in [
        ("MESSAGE", "statement"),
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "snowflake-session"),
        ("SNOWFLAKE_SESSION", "etl"),
        ("SNOWFLAKE_CONNECTION", "local"),
        ("SNOWFLAKE_STATE", "succeeded"),
        ("SNOWFLAKE_UID", "2001"),
        ("_SYSTEMD_USER_UNIT", SERVICE),
    ] {
        assert_eq!(record[field], wanted, "{field}: {record:#}");
    }
    for field in ["SNOWFLAKE_REQUEST_ID", "SNOWFLAKE_QUERY_ID"] {
        assert!(record[field].is_string(), "{field}: {record:#}");
    }
    assert!(!records.contains("select 1"), "SQL is no business of the journal");
    assert_eq!(main_pid(machine), pid);
}

/// A journal that does not read must not keep anybody waiting.
pub(crate) fn a_stopped_journal_stops_nobody(machine: &Machine) {
    listen(machine);
    machine.write_home(
        ".config/snowflake-session/config.toml",
        "[log]\nlevel = \"debug\"\nqueue_max = 64\n",
    );
    machine.alice(&["sfctl", "query", "select 1"]);
    let journal = machine.ok(
        ROOT,
        &[
            "systemctl",
            "show",
            "--value",
            "--property=MainPID",
            "systemd-journald",
        ],
    );
    machine.signal("STOP", &journal);
    // Each logs several records; far more than the kernel's buffer and our queue hold.
    let answered = machine.run(
        ALICE,
        &[
            "timeout",
            "60",
            "bash",
            "-c",
            "for i in $(seq 100); do sfctl query 'select 1' >/dev/null || exit 9; done",
        ],
    );
    machine.signal("CONT", &journal);
    answered.ok();
    machine.alice(&["sfctl", "query", "select 1"]);
    until_true("the dropped records to be told", PATIENCE, || {
        machine.log(SERVICE).contains("dropped")
    });
}

/// Sockets that are meant for somebody else are neither served nor unlinked, and a status cannot smuggle anything in.
pub(crate) fn sockets_of_others_are_left_alone(machine: &Machine) {
    listen(machine);
    let ran = machine.run(
        ALICE,
        &[
            "env",
            "LISTEN_FDS=1",
            "LISTEN_PID=1",
            "LISTEN_FDNAMES=grpc",
            "snowflake-session",
            "run",
        ],
    );
    assert_eq!(ran.code, 78, "{ran}");
    assert!(ran.stderr.contains("no socket for this process"), "{ran}");
    machine.alice(&["sfctl", "--no-autostart", "service", "status"]);

    // A path may hold a line break; what systemd is told may not.
    let folder = "/run/user/2001/odd\nMAINPID=1\nX";
    machine.alice(&[
        "systemd-run",
        "--user",
        "--quiet",
        "--unit=odd",
        "--property=Type=notify",
        "snowflake-session",
        "run",
        "--state-dir",
        "/run/user/2001/odd-state",
        "--socket",
        &format!("{folder}/grpc.sock"),
    ]);
    let status = machine.show("odd.service", &["StatusText"]);
    assert_eq!(status, "serving /run/user/2001/odd MAINPID=1 X/grpc.sock");
    assert_ne!(machine.show("odd.service", &["MainPID"]), "1");
    machine.alice(&["systemctl", "--user", "stop", "odd.service"]);
}
