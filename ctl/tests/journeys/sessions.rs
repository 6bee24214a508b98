//! Verbs about sessions, context and versions.

use snowflake_session_proto::v1::{ErrorReason, Loss, LossKind, PoolStatus, SessionContext, SessionState};

use crate::fake::{Script, error, now};
use crate::harness::{House, ran, sfctl};

fn house() -> House {
    House::new(Script::Events(Vec::new()))
}

#[test]
fn context_shows_the_default_session_also_before_its_first_use() {
    let house = house();
    assert_eq!(
        house.run(&["context"]).ok(),
        "session      default\n\
         connection   local\n\
         user         -\n\
         account      -\n\
         role         -\n\
         warehouse    -\n\
         database     -\n\
         schema       -\n\
         transaction  none\n\
         policy       guarded\n\
         state        new\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(house.run(&["context", "--format", "json"]).ok()).unwrap();
    assert_eq!(json["session"], "default");
    assert_eq!(json["user"], serde_json::Value::Null);
}

#[test]
fn context_does_not_make_a_session_by_name() {
    let house = house();
    let ran = house.run(&["context", "--session", "typo"]);
    let stderr = ran.failed(2);
    assert!(stderr.contains("there is no session `typo`"), "{stderr}");
    assert!(
        stderr.contains("hint: `sfctl session new NAME` makes a session"),
        "{stderr}"
    );
    assert!(house.fake.state.sessions.lock().unwrap().is_empty());
}

#[test]
fn use_changes_one_part() {
    let house = house();
    for (part, field) in [("database", 0), ("schema", 1), ("warehouse", 2), ("role", 3)] {
        house.run(&["use", part, "a_name", "-c", "dev"]).ok();
        let update = house.fake.state.updates.lock().unwrap().last().unwrap().clone();
        let parts = [update.database, update.schema, update.warehouse, update.role];
        for (index, value) in parts.iter().enumerate() {
            assert_eq!(value.as_deref(), (index == field).then_some("a_name"), "{part}");
        }
        assert_eq!(update.connection, "dev");
    }
    let ran = house.run(&["use", "schema", "other"]);
    assert!(ran.ok().contains("\nschema       OTHER\n"), "{ran:?}");
}

#[test]
fn connect_reports_who_and_where() {
    let house = house();
    let ran = house.run(&["connect", "--session", "mine", "-c", "dev"]);
    for line in [
        "session           mine",
        "connection        dev",
        "user              ALICE",
        "account           LOCAL",
        "host              127.0.0.1",
        "upstream session  42",
    ] {
        assert!(ran.ok().lines().any(|shown| shown == line), "{line}: {ran:?}");
    }
    *house.fake.state.error.lock().unwrap() = Some(error(
        ErrorReason::LoginRefused,
        "Incorrect username or password",
        &[],
    ));
    let refused = house.run(&["connect"]);
    assert!(
        refused.failed(3).contains("Incorrect username or password"),
        "{refused:?}"
    );
}

#[test]
fn sessions_come_and_go() {
    let house = house();
    let none = house.run(&["session", "list"]);
    assert_eq!((none.ok(), none.stderr.as_str()), ("", "no sessions\n"));
    assert_eq!(house.run(&["session", "list", "--format", "json"]).ok(), "[]\n");
    house.run(&["session", "new", "one"]).ok();
    house
        .run(&["session", "new", "--session", "two", "-c", "dev", "--no-login"])
        .ok();
    let taken = house.run(&["session", "new", "one"]);
    assert!(
        taken.failed(2).contains("session `one` exists already"),
        "{taken:?}"
    );
    let list = house.run(&["session", "list", "--format", "csv", "--session", "two"]);
    let lines: Vec<&str> = list.ok().lines().collect();
    assert!(
        lines[0].starts_with("session,current,connection,user,"),
        "{list:?}"
    );
    assert!(lines[1].starts_with("one,false,local,ALICE,"), "{list:?}");
    assert!(lines[2].starts_with("two,true,dev,,"), "{list:?}");
    assert!(
        house
            .run(&["session", "show", "two"])
            .ok()
            .starts_with("session           two\n")
    );
    house.fake.state.sessions.lock().unwrap()[0].transaction_open = true;
    let closed = house.run(&["session", "close", "one"]);
    assert_eq!(
        (closed.ok(), closed.stderr.as_str()),
        (
            "",
            "warning: the open transaction of session one was rolled back\nsession one is closed\n"
        )
    );
    let again = house.run(&["session", "close", "one"]);
    assert!(again.failed(2).contains("there is no session `one`"), "{again:?}");
    assert_eq!(house.fake.state.sessions.lock().unwrap().len(), 1);
}

#[test]
fn a_new_session_logs_in_unless_told_otherwise() {
    let house = house();
    let made = house.run(&["session", "new", "one", "--idle-limit", "2h"]);
    assert!(made.ok().contains("user         ALICE\n"), "{made:?}");
    assert!(
        made.stderr.starts_with("session one is logged in ("),
        "the time is shown: {made:?}"
    );
    let created = house.fake.state.created.lock().unwrap().last().unwrap().clone();
    assert!(created.login && !created.allow_existing);
    assert_eq!(created.idle_limit.map(|limit| limit.seconds), Some(7_200));
    let made = house.run(&["session", "new", "two", "--no-login"]);
    made.ok();
    assert_eq!(
        made.stderr,
        "session two is made and logs in when it is first used\n"
    );
    *house.fake.state.error.lock().unwrap() = Some(error(
        ErrorReason::LoginRefused,
        "Incorrect username or password",
        &[],
    ));
    let refused = house.run(&["session", "new", "three"]);
    assert!(
        refused.failed(3).contains("Incorrect username or password"),
        "{refused:?}"
    );
}

#[test]
fn the_list_for_people_marks_the_session_in_use() {
    let house = house();
    house.fake.with_session("default", |session| {
        session.transaction_open = true;
        session.job_count = 12;
        session.last_use_time = Some(now(-180));
        session.context = Some(SessionContext {
            database: "DB".to_owned(),
            schema: "PUBLIC".to_owned(),
            ..SessionContext::default()
        });
    });
    house.fake.with_session("other", |session| {
        session.state = SessionState::Busy.into();
        session.last_use_time = Some(now(0));
    });
    let list = house.run(&["session", "list"]);
    let lines: Vec<&str> = list.ok().lines().collect();
    assert_eq!(
        lines[0],
        "current | session | state | connection | user | schema    | policy  | transaction | jobs | last used"
    );
    assert_eq!(
        lines[2],
        "*       | default | new   | local      | -    | DB.PUBLIC | guarded | open        |   12 | 3m"
    );
    assert!(
        lines[3].starts_with(
            "        | other   | busy  | local      | -    | -         | guarded | none        |    0 |"
        ),
        "{list:?}"
    );
}

#[test]
fn a_connection_stands_for_the_session_of_its_name() {
    let house = house();
    for verb in [&["session", "show"][..], &["session", "reset"], &["commit"]] {
        let mut all = vec!["-c", "dev"];
        all.extend(verb);
        let none = house.run(&all);
        assert!(
            none.failed(2).contains("there is no session on connection dev\n"),
            "{none:?}"
        );
    }
    assert!(house.fake.state.sessions.lock().unwrap().is_empty());
    house.run(&["-c", "dev", "begin"]).ok();
    let shown = house.run(&["-c", "dev", "session", "show"]);
    assert!(shown.ok().starts_with("session            dev\n"), "{shown:?}");
    let list = house.run(&["-c", "dev", "session", "list"]);
    assert!(list.ok().contains("\n*       | dev "), "{list:?}");
    let done = house.run(&["-c", "dev", "commit"]);
    done.ok();
    assert_eq!(done.stderr, "the transaction of session dev is committed\n");
    let closed = house.run(&["-c", "dev", "session", "close"]);
    closed.ok();
    assert_eq!(closed.stderr, "session dev is closed\n");
    let made = house.run(&["-c", "dev", "session", "new", "--no-login"]);
    assert!(made.ok().starts_with("session      dev\n"), "{made:?}");
}

#[test]
fn all_sessions_are_closed_together() {
    let house = house();
    for name in ["a", "b", "default"] {
        house.fake.with_session(name, |_| {});
    }
    let closed = house.run(&["session", "close", "--all"]);
    assert_eq!(
        (closed.ok(), closed.stderr.as_str()),
        (
            "",
            "session a is closed\nsession b is closed\nsession default is closed\n"
        )
    );
    let none = house.run(&["session", "close", "--all"]);
    assert_eq!((none.ok(), none.stderr.as_str()), ("", "no sessions\n"));
}

#[test]
fn closing_tells_of_jobs_that_go_on() {
    let house = house();
    for (count, said) in [(1, "1 job goes on"), (3, "3 jobs go on")] {
        house
            .fake
            .with_session("default", |session| session.job_count = count);
        let closed = house.run(&["session", "close"]);
        assert_eq!(
            (closed.ok(), closed.stderr.as_str()),
            (
                "",
                &*format!(
                    "{said} at Snowflake without the session; `sfctl job cancel ID` stops one\n\
                     session default is closed\n"
                )
            )
        );
    }
}

#[test]
fn show_says_everything_there_is() {
    let house = house();
    house.fake.with_session("default", |session| {
        session.state = SessionState::Busy.into();
        session.transaction_open = true;
        session.transaction_begin_time = Some(now(-200));
        session.transaction_expire_time = Some(now(890));
        session.running_request_id = "r-1".to_owned();
        session.running_start_time = Some(now(-70));
        session.waiting_count = 3;
        session.job_count = 2;
        session.login_time = Some(now(-7_300));
        session.temporary_objects = vec!["TABLE A".to_owned(), "STAGE B".to_owned()];
        session.parameters = [("TIMEZONE".to_owned(), "'UTC'".to_owned())].into();
        session.variables = vec!["V".to_owned()];
        session.idle_limit = Some(prost_types::Duration {
            seconds: 14_400,
            nanos: 0,
        });
    });
    let shown = house.run(&["session", "show"]);
    let line = |name: &str| {
        let found = shown.ok().lines().find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("{name}: {shown:?}"))
            .trim()
            .to_owned()
    };
    assert_eq!(line("transaction  "), "open");
    assert!(line("transaction since").ends_with("(3m ago)"), "{shown:?}");
    assert!(line("transaction ends").ends_with("(in 14m)"), "{shown:?}");
    assert_eq!(line("running query"), "r-1");
    assert!(line("running since").ends_with("(1m ago)"), "{shown:?}");
    assert!(line("logged in").ends_with("(2h ago)"), "{shown:?}");
    assert_eq!(line("waiting"), "3");
    assert_eq!(line("jobs"), "2");
    assert_eq!(line("parameters"), "TIMEZONE = 'UTC'");
    assert_eq!(line("variables"), "V");
    assert_eq!(line("idle limit"), "4h");
    assert!(
        shown
            .ok()
            .contains("\ntemporary objects  TABLE A\n                   STAGE B\n"),
        "{shown:?}"
    );
    let json: serde_json::Value =
        serde_json::from_str(house.run(&["session", "show", "--format", "json"]).ok()).unwrap();
    assert_eq!(
        json["temporary_objects"],
        serde_json::json!(["TABLE A", "STAGE B"])
    );
    assert_eq!(json["parameters"]["TIMEZONE"], "'UTC'");
    assert_eq!(json["idle_limit_ms"], 14_400_000);
    assert_eq!(json["lost"], serde_json::json!([]));
    assert!(json["running_since"].as_str().unwrap().ends_with('Z'), "{json}");
}

#[test]
fn reset_begins_anew() {
    let house = house();
    let missing = house.run(&["session", "reset"]);
    assert!(
        missing.failed(2).contains("there is no session `default`"),
        "{missing:?}"
    );
    house.fake.with_session("default", |session| {
        session.transaction_open = true;
        session.losses = vec![Loss {
            kind: LossKind::TemporaryObject.into(),
            name: "TABLE A".to_owned(),
            cause: "the service was stopped".to_owned(),
        }];
    });
    let reset = house.run(&["session", "reset"]);
    assert_eq!(
        (reset.ok(), reset.stderr.as_str()),
        (
            "",
            "warning: the open transaction of session default was rolled back\nsession default begins anew\n"
        )
    );
    assert_eq!(house.run(&["session", "show"]).stderr, "");
}

#[test]
fn version_names_both_sides() {
    let house = house();
    let ran = house.run(&["version", "--format", "json"]);
    let version: serde_json::Value = serde_json::from_str(ran.ok()).unwrap();
    assert_eq!(version["sfctl"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["service"], "9.9.9");
    assert_eq!(version["build"], version["service_build"]);
}

#[test]
fn version_needs_no_service() {
    let directory = tempfile::tempdir().unwrap();
    let version = ran(sfctl(directory.path(), &["version", "--socket", "nobody.sock"]));
    assert!(version.ok().contains("service        -"), "{version:?}");
}

#[test]
fn completions_know_the_verbs() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = ran(sfctl(directory.path(), &["completions", shell]));
        for word in [
            "connect",
            "rollback",
            "accept-loss",
            "idle-limit",
            "all-queries",
            "dry-run",
            "abandon",
            "read-only",
            "budget",
            "session-only",
            "parquet",
        ] {
            assert!(script.ok().contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn service_status_says_all_there_is() {
    let house = house();
    let status = house.run(&["service", "status"]);
    let (head, rest) = status.ok().split_once("started          ").unwrap();
    let (started, rest) = rest.split_once('\n').unwrap();
    assert_eq!(
        head,
        format!(
            "state            serving\n\
             version          9.9.9\n\
             build            {}\n\
             binary changed   no\n\
             pid              4711\n\
             manager          none\n",
            snowflake_session_proto::BUILD_ID
        )
    );
    assert!(
        started.starts_with("2023-11-14T22:13:20Z (") && started.ends_with("d ago)"),
        "{started}"
    );
    assert_eq!(
        rest,
        "sessions         2\n\
         queries          1\n\
         socket           /run/there.sock\n\
         emulator         127.0.0.1:4000\n\
         state directory  /var/there\n"
    );
}

#[test]
fn service_status_shows_spare_logins() {
    let house = house();
    *house.fake.state.pools.lock().unwrap() = vec![
        PoolStatus {
            connection: "local".to_owned(),
            spare_count: 2,
            logging_in: true,
            ..PoolStatus::default()
        },
        PoolStatus {
            connection: "prod".to_owned(),
            blocked_by: "390100: Incorrect username or password".to_owned(),
            retry_time: Some(now(200)),
            ..PoolStatus::default()
        },
    ];
    let status = house.run(&["service", "status"]);
    assert!(
        status.ok().contains(
            "\nspare logins     local: 2, logging in\n                 \
             prod: 0, logins are held back: 390100: Incorrect username or password; tried again in 3m\n"
        ),
        "{status:?}"
    );
    let json: serde_json::Value =
        serde_json::from_str(house.run(&["service", "status", "--format", "json"]).ok()).unwrap();
    assert_eq!(json["spare_logins"][0]["spare_count"], 2);
    assert_eq!(json["spare_logins"][1]["connection"], "prod");
}

#[test]
fn moments_are_shown_in_the_users_zone() {
    let house = house();
    let mut command = house.command(&["service", "status"]);
    command.env("TZ", "XST-5:30");
    let status = ran(command);
    assert!(
        status
            .ok()
            .contains("started          2023-11-15T03:43:20+05:30 ("),
        "{status:?}"
    );
}
