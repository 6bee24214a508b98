//! What a caller may do with a statement that failed: send it again, or never.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../gateway/tests/mock/mod.rs"]
mod mock;
mod support;
#[path = "../../gateway/tests/wire/mod.rs"]
mod wire;

use std::time::Duration;

use serde_json::json;
use snowflake_session_driver::{
    ConnectOptions, ConnectionSettings, Credential, Driver, DriverError, QueryRequest, Secret,
};
use support::config;
use wire::{Deed, STATEMENT, Wire};

/// Sends one write to a server that does `deeds` with its attempts, the last one for ever.
async fn write(deeds: Vec<Deed>) -> (DriverError, usize) {
    let wire = Wire::start(move |heard| {
        let deed = deeds.get(heard.earlier).or_else(|| deeds.last());
        (heard.path == STATEMENT).then(|| deed.unwrap().clone())
    })
    .await;
    let credential = Credential::Password {
        password: Secret::new("hunter2"),
        passcode: None,
        passcode_in_password: false,
    };
    let settings = ConnectionSettings::new("test", "acct", "me", credential, wire.url.clone());
    let driver = Driver::start(config()).await.unwrap();
    let session = driver
        .connect(&settings, &ConnectOptions::default())
        .await
        .unwrap();
    let request = QueryRequest::new("insert into t values (1)").with_timeout(Duration::from_millis(500));
    let error = session.execute(request).await.unwrap_err();
    assert_eq!(error.is_session_lost(), session.is_expired());
    (error, wire.statements().len())
}

fn sql_failure() -> Deed {
    Deed::json(&json!({
        "data": { "queryId": "q", "sqlState": "22000" }, "code": "100038", "message": "no number", "success": false,
    }))
}

#[tokio::test]
async fn what_the_server_refused_may_be_sent_again() {
    for refusal in [
        Deed::failure("390111", "gone"),
        Deed::failure("390114", "expired"),
        Deed::failure("390195", "not accepted"),
        Deed::status("400 Bad Request", &[]),
        Deed::status("403 Forbidden", &[]),
        Deed::status("429 Too Many Requests", &[]),
        sql_failure(),
    ] {
        let (error, _) = write(vec![refusal.clone()]).await;
        assert!(!error.may_have_run(), "{refusal:?}: {error:?}");
    }
}

#[tokio::test]
async fn what_nobody_can_tell_may_not_be_sent_again() {
    for doubtful in [
        vec![Deed::reset()],
        vec![Deed::status("503 Busy", &[])],
        vec![Deed::Silence],
        vec![Deed::json(&json!("this is no answer"))],
        vec![Deed::reset(), Deed::failure("390111", "gone")],
        vec![Deed::reset(), Deed::status("403 Forbidden", &[])],
    ] {
        let (error, _) = write(doubtful.clone()).await;
        assert!(error.may_have_run(), "{doubtful:?}: {error:?}");
    }
}

#[tokio::test]
async fn the_crate_does_not_repeat_what_the_gateway_gave_up() {
    let (error, attempts) = write(vec![Deed::reset()]).await;
    assert!(
        matches!(&error, DriverError::Unreachable { attempts: told, .. } if *told as usize == attempts),
        "{attempts}: {error:?}"
    );
}

#[tokio::test]
async fn a_repetition_whose_outcome_is_not_kept_ran() {
    let not_kept = || Deed::failure("000612", "result not found");
    let (error, _) = write(vec![Deed::reset(), not_kept()]).await;
    assert!(matches!(error, DriverError::OutcomeLost { .. }), "{error:?}");
    assert!(error.may_have_run());
    let (error, _) = write(vec![not_kept()]).await;
    assert!(matches!(error, DriverError::Sql(_)), "of its own: {error:?}");
}
