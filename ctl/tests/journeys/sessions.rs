//! Verbs about sessions, context and versions.

use snowflake_session_proto::v1::ErrorReason;

use crate::fake::{Script, error};
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
        stderr.contains("hint: `sfctl connect --session NAME`"),
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
        .run(&["session", "new", "--session", "two", "-c", "dev"])
        .ok();
    house.run(&["session", "new", "one"]).failed(2);
    assert_eq!(
        house.run(&["session", "list", "--format", "csv"]).ok(),
        "session,connection,user,role,warehouse,database,schema,state,last_used\n\
         one,local,,,,,,new,2023-11-14T22:13:20Z\n\
         two,dev,,,,,,new,2023-11-14T22:13:20Z\n"
    );
    assert!(
        house
            .run(&["session", "show", "two"])
            .ok()
            .starts_with("session           two\n")
    );
    house.fake.state.sessions.lock().unwrap()[0].transaction_open = true;
    let closed = house.run(&["session", "close", "one"]);
    assert_eq!(closed.ok(), "");
    assert!(
        closed
            .stderr
            .contains("warning: the open transaction was rolled back"),
        "{closed:?}"
    );
    house.run(&["session", "close", "one"]).failed(2);
    assert_eq!(house.fake.state.sessions.lock().unwrap().len(), 1);
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
        assert!(script.ok().contains("connect"), "{shell}");
    }
}

#[test]
fn service_status_says_all_there_is() {
    let house = house();
    assert_eq!(
        house.run(&["service", "status"]).ok(),
        format!(
            "state            serving\n\
             version          9.9.9\n\
             build            {}\n\
             pid              4711\n\
             manager          none\n\
             started          2023-11-14T22:13:20Z\n\
             sessions         2\n\
             queries          1\n\
             socket           /run/there.sock\n\
             emulator         127.0.0.1:4000\n\
             state directory  /var/there\n",
            snowflake_session_proto::BUILD_ID
        )
    );
}
