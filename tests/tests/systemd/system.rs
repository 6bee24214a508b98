//! The units for whole machines: one service that a group shares, and one for each user without a manager.

use snowflake_session_tests::machine::{ALICE, BOB, Machine, PATIENCE, ROOT};
use snowflake_session_tests::wait::until_true;

use crate::{SERVICE, SOCKET};

pub(crate) fn a_group_shares_the_system_service(machine: &Machine) {
    machine.ok(ROOT, &["groupadd", "--system", "snowflake"]);
    machine.ok(ROOT, &["gpasswd", "--add", "alice", "snowflake"]);
    machine.ok(ROOT, &["systemctl", "enable", "--quiet", "--now", SOCKET]);
    let socket = "/run/snowflake-session/grpc.sock";
    assert_eq!(
        machine.ok(ROOT, &["stat", "--format=%a %U %G", socket]),
        "660 root snowflake"
    );
    let query = [
        "sfctl",
        "--socket",
        socket,
        "query",
        "select 40 + 2",
        "--format",
        "csv",
    ];
    let ran = machine.run(ALICE, &query);
    assert_eq!(
        ran.code,
        0,
        "{ran}\n{}",
        machine
            .run(ROOT, &["systemctl", "status", "--no-pager", SERVICE])
            .out()
    );
    assert_eq!(ran.out().lines().last(), Some("42"));
    machine.run(BOB, &query).fails(3, &["ermission denied"]);

    let status = machine.ok(
        ROOT,
        &["systemctl", "show", "--value", "--property=StatusText", SERVICE],
    );
    assert_eq!(status, format!("serving {socket}"));
    let user = machine.ok(
        ROOT,
        &[
            "stat",
            "--format=%U",
            "/var/lib/private/snowflake-session/sessions",
        ],
    );
    assert_ne!(user, "root");
    // Its journal is apart.
    let read = |namespace: &str| {
        machine
            .run(
                ROOT,
                &[
                    "journalctl",
                    "--quiet",
                    "--no-pager",
                    "--output=cat",
                    namespace,
                    &format!("_SYSTEMD_UNIT={SERVICE}"),
                ],
            )
            .out()
    };
    until_true("the log to be there", PATIENCE, || {
        read("--namespace=snowflake").contains("serving")
    });
    assert!(!read("--namespace=").contains("serving"));
    assert!(!read("--namespace=snowflake").contains("where clients look"));
    // Whoever may use the service may not read its log for that, and is told so.
    let logs = ["sfctl", "--socket", socket, "service", "logs"];
    machine.run(ALICE, &logs).fails(
        3,
        &["the log cannot be read", "the groups systemd-journal and adm"],
    );
    machine
        .run(ALICE, &["sfctl", "--socket", socket, "service", "restart"])
        .fails(3, &["root alone may do that to the system's units"]);
    let doctor = ["sfctl", "--socket", socket, "doctor"];
    let ran = machine.run(ALICE, &doctor);
    assert!(ran.out().contains("warn  logging.place"), "{ran}");
    machine.ok(ROOT, &["gpasswd", "--add", "alice", "systemd-journal"]);
    assert!(machine.alice(&logs).contains("serving"));

    // With a connection that only root can read.
    machine.write(
        "/etc/snowflake-session/connections.toml",
        "[one]\naccount = \"a\"\nuser = \"u\"\npassword = \"p\"\n",
    );
    machine.ok(ROOT, &["chmod", "600", "/etc/snowflake-session/connections.toml"]);
    let drop_in =
        std::fs::read(snowflake_session_tests::config::repository().join("systemd/system/connections.conf"));
    machine.write(
        &format!("/etc/systemd/system/{SERVICE}.d/connections.conf"),
        drop_in.expect("a drop-in"),
    );
    machine.ok(ROOT, &["systemctl", "daemon-reload"]);
    machine.ok(ROOT, &["systemctl", "restart", SERVICE]);
    let listed = machine.run(
        ALICE,
        &["sfctl", "--socket", socket, "--connection", "two", "connect"],
    );
    assert!(listed.stderr.contains("one"), "the file was read: {listed}");
}

pub(crate) fn users_have_system_services_of_their_own(machine: &Machine) {
    machine.ok(
        ROOT,
        &[
            "systemctl",
            "enable",
            "--quiet",
            "--now",
            "snowflake-session@alice.socket",
        ],
    );
    let socket = "/run/snowflake-session/alice/grpc.sock";
    assert_eq!(machine.ok(ROOT, &["stat", "--format=%a %U", socket]), "600 alice");
    let query = [
        "sfctl",
        "--socket",
        socket,
        "query",
        "select current_user()",
        "--format",
        "csv",
    ];
    let ran = machine.run(ALICE, &query);
    assert_eq!(
        ran.code,
        0,
        "{ran}\n{}",
        machine
            .run(
                ROOT,
                &[
                    "systemctl",
                    "status",
                    "--no-pager",
                    "snowflake-session@alice.service"
                ]
            )
            .out()
    );
    machine.run(BOB, &query).fails(3, &["ermission denied"]);
    let pid = machine.ok(
        ROOT,
        &[
            "systemctl",
            "show",
            "--value",
            "--property=MainPID",
            "snowflake-session@alice.service",
        ],
    );
    assert_eq!(
        machine.ok(ROOT, &["stat", "--format=%U", &format!("/proc/{pid}")]),
        "alice"
    );

    // A system service carries its sessions too; systemd is asked over another way than by a user's service.
    machine.ok(ROOT, &["systemctl", "restart", "snowflake-session@alice.service"]);
    machine.alice(&["sfctl", "--socket", socket, "service", "status"]);
    let log = machine.run(
        ROOT,
        &[
            "journalctl",
            "--quiet",
            "--no-pager",
            "--output=cat",
            "--namespace=snowflake",
            "_SYSTEMD_UNIT=snowflake-session@alice.service",
        ],
    );
    assert!(log.out().contains("the service is being restarted"), "{log}");
    assert!(!log.out().contains("where clients look"), "{log}");
    // Her records are hers to read.
    let logs = machine.run(ALICE, &["sfctl", "--socket", socket, "service", "logs"]);
    assert!(logs.out().contains("serving") && logs.stderr.is_empty(), "{logs}");
}
