//! Connections while the service is being replaced, and connections of others.

use snowflake_session_tests::machine::{ALICE, BOB, Machine, ROOT};
use snowflake_session_tests::process::PATIENCE;

use crate::{SERVICE, alices_socket, listen, main_pid, upstream};

/// Connections that are wanted at least.
const CONNECTIONS: &str = "500";

pub(crate) fn nobody_is_turned_away_by_a_restart(machine: &Machine) {
    upstream(machine);
    listen(machine);
    machine.alice(&["sfctl", "service", "start"]);
    let script =
        "until [ -e /tmp/restarted ]; do sfctl --no-autostart query 'select 1' >/dev/null || exit 9; done";
    let asking = machine.start(ALICE, &["bash", "-c", script]);
    // It ends with its input, which is the pipe of a shell that waits for a file.
    let socket = alices_socket();
    let script = "(until [ -e /tmp/enough ]; do sleep 0.1; done) | knock \"$0\" \"$1\"";
    let knocking = machine.start(ALICE, &["bash", "-c", script, &socket, CONNECTIONS]);
    for _ in 0..2 {
        let pid = main_pid(machine);
        machine.alice(&["systemctl", "--user", "restart", SERVICE]);
        assert_ne!(main_pid(machine), pid);
    }
    machine.write("/tmp/restarted", "");
    let ran = asking.wait(PATIENCE);
    assert_eq!(ran.code, 0, "a query was turned away by a restart: {ran}");

    let pid = main_pid(machine);
    machine.signal("KILL", &pid);
    machine.alice(&["sfctl", "--no-autostart", "service", "status"]);
    machine.until_shown(SERVICE, &["NRestarts", "ActiveState"], "1 active");
    machine.write("/tmp/enough", "");
    let ran = knocking.wait(PATIENCE);
    let words: Vec<String> = ran.out().split_whitespace().map(str::to_owned).collect();
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name);
        at.and_then(|at| words.get(at + 1)?.parse::<u64>().ok())
            .unwrap_or_else(|| panic!("no {name}: {ran}"))
    };
    assert!(Some(number("connections")) >= CONNECTIONS.parse().ok(), "{ran}");
    assert_eq!(number("refused"), 0, "{ran}");
    // A kill cuts the calls that are under way, at most one of each caller.
    assert!(number("broken") <= 8, "{ran}");
}

/// Whoever gets at the socket by a mistake of its mode still gets nothing.
pub(crate) fn other_users_stay_out(machine: &Machine) {
    listen(machine);
    machine.alice(&["sfctl", "service", "start"]);
    let socket = alices_socket();
    let as_bob = [
        "sfctl",
        "--no-autostart",
        "--socket",
        &socket,
        "service",
        "status",
    ];
    machine.run(BOB, &as_bob).fails(3, &["ermission denied"]);
    machine.ok(
        ROOT,
        &[
            "chmod",
            "0777",
            "/run/user/2001",
            "/run/user/2001/snowflake-session",
            &socket,
        ],
    );
    // He is told by his own client whose service that is, and by hers nothing.
    machine.run(BOB, &as_bob).fails(3, &["served by user 2001"]);
    machine.run(BOB, &["knock", &socket]);
    assert!(
        machine
            .log(SERVICE)
            .contains("connection of another user refused")
    );
}
