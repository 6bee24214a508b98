//! Going on with a session that another process logged in to.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../gateway/tests/mock/mod.rs"]
mod mock;
mod support;

use std::sync::{Arc, Mutex};

use mock::Mock;
use snowflake_session_driver::{
    CloseOutcome, Driver, DriverError, Owner, QueryRequest, Secret, SessionTicket, UpstreamSession,
};
use support::{config, connect};

/// The tickets that a session gives out, the newest last.
fn tickets(session: &UpstreamSession) -> Arc<Mutex<Vec<SessionTicket>>> {
    let tickets = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&tickets);
    session.keep_ticket(move |ticket| kept.lock().unwrap().push(ticket));
    tickets
}

fn owner() -> Owner {
    Owner {
        connection: "test".into(),
        account: "acct".into(),
        user: "me".into(),
    }
}

/// Adopts in a driver of its own, as another process would.
async fn adopt(ticket: &SessionTicket) -> Result<UpstreamSession, DriverError> {
    Driver::start(config()).await?.adopt(ticket, owner()).await
}

#[tokio::test]
async fn a_session_goes_on_elsewhere_without_a_login() {
    let mock = Mock::start().await;
    let first = connect(&mock).await;
    first.execute(QueryRequest::new("select 1")).await.unwrap();
    let ticket = tickets(&first).lock().unwrap()[0].clone();
    drop(first);

    let second = adopt(&ticket).await.unwrap();
    let info = second.info();
    assert_eq!(
        (
            info.connection.as_str(),
            info.account.as_str(),
            info.user.as_str(),
            info.session_id
        ),
        ("test", "acct", "ME", Some(77))
    );
    second.execute(QueryRequest::new("select 2")).await.unwrap();
    assert_eq!(
        mock.seen("session/v1/login-request").len(),
        1,
        "nobody logged in again"
    );
    let sequences: Vec<u64> = mock
        .queries()
        .iter()
        .map(|seen| seen.body["sequenceId"].as_u64().unwrap())
        .collect();
    assert!(
        sequences[1] > sequences[0],
        "no number is used twice: {sequences:?}"
    );
    assert_eq!(second.close().await, CloseOutcome::Confirmed);
}

#[tokio::test]
async fn each_renewal_makes_a_new_ticket_and_an_adopted_session_renews_too() {
    let mock = Mock::start().await;
    let first = connect(&mock).await;
    let tickets = tickets(&first);
    assert_eq!(tickets.lock().unwrap().len(), 1);
    mock.expire_token(200);
    first.execute(QueryRequest::new("select 1")).await.unwrap();
    let newest = tickets.lock().unwrap().last().unwrap().clone();
    assert_eq!(tickets.lock().unwrap().len(), 2);
    drop(first);

    let second = adopt(&newest).await.unwrap();
    mock.expire_token(200);
    second.execute(QueryRequest::new("select 2")).await.unwrap();
    assert_eq!(mock.seen("session/token-request").len(), 2);
    assert_eq!(mock.seen("session/v1/login-request").len(), 1);
}

#[tokio::test]
async fn what_is_no_ticket_is_refused_and_nobody_is_asked() {
    let mock = Mock::start().await;
    let forged = SessionTicket::from_text(Secret::new("{}"));
    let error = adopt(&forged).await.err().unwrap();
    assert!(matches!(error, DriverError::Configuration { .. }), "{error:?}");
    assert!(mock.queries().is_empty() && mock.seen("session/v1/login-request").is_empty());
}
