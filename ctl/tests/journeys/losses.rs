//! A session that has lost something: nothing runs until the loss is accepted.

use snowflake_session_proto::v1::{Loss, LossKind};

use crate::arrow::{events, two_rows};
use crate::fake::Script;
use crate::harness::House;

const CAUSE: &str = "the service was stopped";

/// A house whose default session has lost a transaction and a table.
fn house() -> House {
    let house = House::new(Script::Events(events(&[two_rows()])));
    house.fake.with_session("default", |session| {
        session.losses = vec![
            Loss {
                kind: LossKind::Transaction.into(),
                name: "transaction".to_owned(),
                cause: CAUSE.to_owned(),
            },
            Loss {
                kind: LossKind::TemporaryObject.into(),
                name: "TABLE T".to_owned(),
                cause: CAUSE.to_owned(),
            },
        ];
    });
    house
}

#[test]
fn what_was_lost_is_listed_and_the_exit_code_is_that_of_sql() {
    let house = house();
    for arguments in [
        &["query", "select 1"][..],
        &["query", "--async", "select 1"],
        &["write", "delete from t"],
        &["begin"],
        &["use", "schema", "s"],
    ] {
        let ran = house.run(arguments);
        assert_eq!(
            ran.failed(1),
            "error: session default has lost transaction, TABLE T; nothing was run\n\
             lost: transaction\n\
             lost: TABLE T\n\
             hint: accept it\n",
            "{arguments:?}"
        );
    }
}

#[test]
fn accepting_the_loss_goes_on() {
    for arguments in [
        &["query", "select 1", "--accept-loss"][..],
        &["query", "--async", "select 1", "--accept-loss"],
        &["begin", "--accept-loss"],
        &["use", "schema", "s", "--accept-loss"],
    ] {
        let house = house();
        house.run(arguments).ok();
        house.run(&["query", "select 1"]).ok();
    }
}

#[test]
fn context_and_show_name_the_losses_and_what_to_do() {
    let house = house();
    for arguments in [&["context"][..], &["session", "show"], &["connect"]] {
        let shown = house.run(arguments);
        let lost: Vec<&str> = shown
            .ok()
            .lines()
            .skip_while(|line| !line.starts_with("lost "))
            .take(2)
            .map(|line| line.trim_start_matches("lost").trim())
            .collect();
        assert_eq!(
            lost,
            [
                "the open transaction, its changes were rolled back (the service was stopped)",
                "temporary TABLE T (the service was stopped)",
            ],
            "{arguments:?} {shown:?}"
        );
        assert!(shown.stderr.contains("--accept-loss"), "{arguments:?} {shown:?}");
    }
    let json: serde_json::Value =
        serde_json::from_str(house.run(&["context", "--format", "json"]).ok()).unwrap();
    assert_eq!(
        json["lost"][1],
        serde_json::json!({"kind": "temporary_object", "name": "TABLE T", "cause": CAUSE})
    );
}
