//! Sessions that outlive the service: transactions and temporary tables over a restart, a kill and an upgrade.

use std::fs;
use std::path::Path;

use snowflake_session_tests::machine::{ALICE, Machine, PATIENCE, ROOT};
use snowflake_session_tests::wait::until_true;

use crate::{SERVICE, alices_socket, listen, main_pid, rows, upstream};

/// Asks for the session as JSON.
fn shown(machine: &Machine) -> String {
    machine.alice(&["sfctl", "context", "--format", "json"])
}

pub(crate) fn a_transaction_survives_restart_kill_and_upgrade(machine: &Machine) {
    upstream(machine);
    listen(machine);
    machine.alice(&["sfctl", "write", "create database db"]);
    machine.alice(&["sfctl", "write", "create table kept (a int)"]);
    machine.alice(&["sfctl", "write", "create temporary table scratch (a int)"]);
    machine.alice(&["sfctl", "query", "set x = 'from the variable'"]);
    machine.alice(&["sfctl", "begin"]);
    machine.alice(&["sfctl", "write", "insert into kept values (1)"]);
    let session = rows(machine, "select current_session()");
    let identity = rows(machine, "select current_transaction()");
    assert_eq!(machine.show(SERVICE, &["NFileDescriptorStore"]), "1");

    let goes_on = |number: u32| {
        assert_eq!(
            rows(machine, "select current_session()"),
            session,
            "the upstream session is the same"
        );
        assert_eq!(
            rows(machine, "select current_transaction()"),
            identity,
            "and so is its transaction"
        );
        machine.alice(&["sfctl", "write", &format!("insert into kept values ({number})")]);
        machine.alice(&[
            "sfctl",
            "write",
            &format!("insert into scratch values ({number})"),
        ]);
        assert_eq!(rows(machine, "select $x"), "from the variable");
    };

    let pid = main_pid(machine);
    machine.alice(&["systemctl", "--user", "restart", SERVICE]);
    assert_ne!(main_pid(machine), pid);
    goes_on(2);

    let pid = main_pid(machine);
    machine.signal("KILL", &pid);
    goes_on(3);
    assert_ne!(main_pid(machine), pid);

    upgrade(machine);
    goes_on(4);

    assert_eq!(rows(machine, "select count(*) from scratch"), "3");
    machine.alice(&["sfctl", "commit"]);
    let of_another = [
        "sfctl",
        "--session",
        "other",
        "query",
        "select count(*) from db.public.kept",
        "--format",
        "csv",
    ];
    assert_eq!(
        machine.alice(&of_another).lines().last(),
        Some("4"),
        "all of it was one transaction"
    );
}

/// Replaces the program as a package manager does, and restarts the service with the command that is printed.
fn upgrade(machine: &Machine) {
    // The program is mounted where packages put it; the folder before it in the search path is free.
    let (built, installed) = (
        machine.path("/usr/bin/snowflake-session"),
        "/usr/local/bin/snowflake-session",
    );
    fs::copy(&built, machine.path(installed)).expect("the machine has room");
    machine.alice(&["systemctl", "--user", "daemon-reload"]);
    machine.alice(&["systemctl", "--user", "restart", SERVICE]);
    let pid = main_pid(machine);
    assert_eq!(
        machine.ok(ROOT, &["readlink", &format!("/proc/{pid}/exe")]),
        installed
    );
    let changed = || {
        machine
            .alice(&["sfctl", "service", "status", "--format", "json"])
            .replace(' ', "")
            .contains("\"binary_changed\":true")
    };
    assert!(!changed());

    let next = format!("{installed}.dpkg-new");
    fs::copy(&built, machine.path(&next)).expect("the machine has room");
    fs::rename(machine.path(&next), machine.path(installed)).expect("one folder");
    until_true("the replaced program to be noticed", PATIENCE, changed);
    let status = machine.run(ALICE, &["sfctl", "service", "status"]);
    assert!(status.stderr.contains("sfctl service restart"), "{status}");
    assert_eq!(main_pid(machine), pid, "a service that holds sessions goes on");
    machine.alice(&["sfctl", "service", "restart"]);
    assert_ne!(main_pid(machine), pid);
    assert!(!changed());
}

pub(crate) fn what_cannot_be_carried_is_told(machine: &Machine) {
    upstream(machine);
    listen(machine);
    // A stop logs out: nobody comes who could go on.
    machine.alice(&["sfctl", "begin"]);
    machine.alice(&["systemctl", "--user", "stop", SERVICE]);
    assert_eq!(machine.show(SERVICE, &["NFileDescriptorStore"]), "0");
    machine
        .run(ALICE, &["sfctl", "query", "select 1"])
        .fails(1, &["lost the open transaction (the service was stopped)"]);
    machine.alice(&["sfctl", "query", "--accept-loss", "select 1"]);

    // The emulator of the connection `local` ends with the service.
    let local = |arguments: &[&str]| {
        let mut all = vec!["sfctl", "--session", "l", "--connection", "local"];
        all.extend(arguments);
        machine.run(ALICE, &all)
    };
    local(&["begin"]).ok();
    machine.alice(&["systemctl", "--user", "restart", SERVICE]);
    local(&["query", "select 1"]).fails(1, &["lost the open transaction (the service was stopped)"]);
    local(&["query", "--accept-loss", "select 1"]).ok();

    // A session that its server has forgotten meanwhile.
    machine.alice(&["sfctl", "begin"]);
    machine.alice(&["systemctl", "--user", "restart", "upstream.service"]);
    let pid = main_pid(machine);
    machine.signal("KILL", &pid);
    machine
        .run(ALICE, &["sfctl", "query", "select 1"])
        .fails(1, &["lost the open transaction"]);
    assert!(shown(machine).contains("lost") || shown(machine).contains("loss"));
}

/// Tokens wait in memory: none of them is in any file of the user or the service.
pub(crate) fn no_token_is_on_disk(machine: &Machine) {
    upstream(machine);
    listen(machine);
    machine.alice(&["sfctl", "begin"]);
    let token = token(machine);
    let pid = main_pid(machine);
    machine.signal("KILL", &pid);
    assert!(!shown(machine).is_empty());
    for folder in ["/home/alice", "/var", "/tmp", "/run", "/etc"] {
        let found = machine.run(
            ROOT,
            &[
                "grep",
                "--recursive",
                "--files-with-matches",
                "--no-messages",
                "--devices=skip",
                "--fixed-strings",
                &token,
                folder,
            ],
        );
        assert_eq!(found.out(), "", "a token is in a file");
    }
    assert!(
        !machine.log(SERVICE).contains(&token),
        "a token is in the journal"
    );
    let _ = alices_socket();
}

/// The session token, from the memory that the service left with systemd.
fn token(machine: &Machine) -> String {
    let folder = format!("/proc/{}/fd", main_pid(machine));
    let listed = machine.ok(
        ROOT,
        &[
            "sh",
            "-c",
            &format!("for fd in {folder}/*; do echo \"$fd $(readlink $fd)\"; done"),
        ],
    );
    let line = listed
        .lines()
        .find(|line| line.contains("memfd:snowflake-session"))
        .unwrap_or_else(|| panic!("no memory file: {listed}"));
    let file = line.split_whitespace().next().unwrap_or_default();
    let bytes = fs::read(machine.path(Path::new(file))).expect("root reads everything");
    let text = String::from_utf8_lossy(&bytes);
    let mark = "session_token\\\":\\\"";
    let (_, rest) = text.split_once(mark).expect("the ticket has a token");
    rest.split('\\').next().unwrap_or_default().to_owned()
}
