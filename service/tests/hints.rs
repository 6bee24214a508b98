//! What a rejected statement is told besides Snowflake's own words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use snowflake_session::domain::limits::Limits;
use support::engine::Engine;
use support::writes::table;
use support::{Service, limits, reason, sql};

/// Limits with which names are asked for.
fn asking() -> Limits {
    Limits {
        hint_timeout: Duration::from_millis(300),
        ..limits()
    }
}

#[tokio::test]
async fn a_missing_table_is_told_with_the_names_that_are_near() {
    let service = Service::with_limits(asking()).await;
    service.seen.tables.lock().unwrap().push((
        "SHOW TERSE OBJECTS IN SCHEMA DB.PUBLIC".to_owned(),
        table(&["created_on", "name"], &[&["x", "T2"], &["x", "ORDERS"]]),
    ));
    let status = service.run(sql("fail")).await.err().unwrap();
    let (code, facts) = reason(&status);
    assert_eq!(
        (code.as_str(), status.message()),
        ("SQL_REJECTED", "Object 'T' does not exist")
    );
    assert!(
        facts["hint"].starts_with("perhaps T2 is meant; look at the spelling"),
        "{facts:?}"
    );
    assert!(facts["hint"].contains("DB.PUBLIC"), "{facts:?}");
    assert_eq!((facts["line"].as_str(), facts["position"].as_str()), ("1", "14"));
    assert_eq!(
        service.seen.take_sql(),
        ["fail", "SHOW TERSE OBJECTS IN SCHEMA DB.PUBLIC"]
    );
}

#[tokio::test]
async fn without_time_for_names_the_hint_stands_alone() {
    let service = Service::start().await;
    let status = service.run(sql("fail")).await.err().unwrap();
    assert!(reason(&status).1["hint"].starts_with("look at the spelling"));
    assert_eq!(service.seen.take_sql(), ["fail"]);
}

#[tokio::test(start_paused = true)]
async fn names_never_hold_an_error_back_for_long() {
    let engine = Engine::new(asking());
    engine.seen.deaf_to.lock().unwrap().push("show terse".into());
    let start = tokio::time::Instant::now();
    let error = engine.run("fail").await.unwrap_err();
    assert!(error.facts().hint.as_deref().unwrap().starts_with("look at"));
    assert!(
        start.elapsed() <= Duration::from_millis(700),
        "{:?}",
        start.elapsed()
    );
    engine.run("select 1").await.unwrap();
}
