//! `begin`, `commit`, `rollback`, and what is said about an open transaction.

use crate::fake::{Script, now};
use crate::harness::House;

fn house() -> House {
    House::new(Script::Events(Vec::new()))
}

#[test]
fn a_transaction_begins_and_ends() {
    let house = house();
    let begun = house.run(&["begin"]);
    assert_eq!(begun.ok(), "");
    assert_eq!(
        begun.stderr,
        "a transaction is open in session default; it is rolled back if the session is not used for 15m\n"
    );
    let context = house.run(&["context"]);
    assert!(
        context.ok().contains("\ntransaction        open\n"),
        "{context:?}"
    );
    let ended = house.run(&["commit"]);
    assert_eq!(
        (ended.ok(), ended.stderr.as_str()),
        ("", "the transaction of session default is committed\n")
    );
    house.run(&["begin", "-q"]).ok();
    let ended = house.run(&["rollback"]);
    assert_eq!(
        (ended.ok(), ended.stderr.as_str()),
        ("", "the transaction of session default is rolled back\n")
    );
}

#[test]
fn programs_get_the_context() {
    let house = house();
    for (verb, transaction) in [("begin", "open"), ("commit", "none")] {
        let ran = house.run(&[verb, "--format", "json", "-q"]);
        let json: serde_json::Value = serde_json::from_str(ran.ok()).unwrap();
        assert_eq!(json["transaction"], transaction);
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn only_one_transaction_is_open_and_only_an_open_one_ends() {
    let house = house();
    house.run(&["begin", "--session", "mine"]).ok();
    let twice = house.run(&["begin", "--session", "mine"]);
    assert!(
        twice
            .failed(2)
            .contains("a transaction is open already in session `mine`"),
        "{twice:?}"
    );
    house.fake.with_session("other", |_| {});
    for verb in ["commit", "rollback"] {
        let none = house.run(&[verb, "--session", "other"]);
        assert!(
            none.failed(2)
                .contains("no transaction is open in session `other`"),
            "{none:?}"
        );
        let missing = house.run(&[verb, "--session", "typo"]);
        assert!(
            missing.failed(2).contains("there is no session `typo`"),
            "{missing:?}"
        );
    }
}

#[test]
fn context_says_since_when_and_until_when() {
    let house = house();
    house.fake.with_session("default", |session| {
        session.transaction_open = true;
        session.transaction_begin_time = Some(now(-130));
        session.transaction_expire_time = Some(now(290));
    });
    let context = house.run(&["context"]);
    let found = |name: &str, end: &str| {
        let line = context.ok().lines().find(|line| line.starts_with(name));
        assert!(
            line.is_some_and(|line| line.ends_with(end)),
            "{name}: {context:?}"
        );
    };
    found("transaction since", "(2m ago)");
    found("transaction ends", "(in 4m)");
    let json: serde_json::Value =
        serde_json::from_str(house.run(&["context", "--format", "json"]).ok()).unwrap();
    assert_eq!(json["transaction"], "open");
    for key in ["transaction_since", "transaction_ends"] {
        assert!(json[key].as_str().unwrap().ends_with('Z'), "{json}");
    }
}
