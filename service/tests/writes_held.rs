//! How long a write waits for its confirmation, and what becomes of it when nobody comes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use snowflake_session::domain::audit::Caller;
use snowflake_session::domain::error::{Error, Reason};
use snowflake_session::domain::limits::Limits;
use snowflake_session::domain::names::RequestId;
use snowflake_session::domain::query::QueryEvent;
use snowflake_session::domain::write::{Mode, Report, State};
use snowflake_session::sessions::{QueryStream, WriteRequest};
use support::engine::{Engine, name, request};
use support::limits;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn held(text: &str) -> WriteRequest {
    WriteRequest {
        session: None,
        connection: None,
        request_id: RequestId::new(uuid::Uuid::new_v4()),
        sql: text.into(),
        bindings: Vec::new(),
        timeout: None,
        accept_loss: false,
        policy: None,
        caller: Caller::default(),
        mode: Mode::Hold,
        rows_max: None,
        confirmed: false,
        sample_rows: None,
    }
}

async fn report(mut stream: QueryStream) -> Result<Report, Error> {
    loop {
        match stream.events.recv().await.expect("an end") {
            Ok(QueryEvent::Write(report)) => return Ok(*report),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Runs a write that is held; returns its token.
async fn hold(engine: &Engine) -> String {
    let stream = engine
        .sessions
        .write(held("insert into t values (1)"))
        .await
        .unwrap();
    let report = report(stream).await.unwrap();
    assert_eq!(report.state, State::Held);
    report.token.unwrap().expose().to_owned()
}

fn last(engine: &Engine) -> String {
    engine.seen.sql().last().cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_write_that_nobody_confirms_is_rolled_back_in_time() {
    let engine = Engine::new(limits());
    let token = hold(&engine).await;
    engine.pass(Duration::from_secs(599)).await;
    // Reading does not let it live longer.
    engine.run("select 1").await.unwrap();
    assert!(engine.shown("default").held.is_some());
    engine.pass(2 * SECOND).await;
    assert_eq!(last(&engine), "ROLLBACK");
    let shown = engine.shown("default");
    assert!(shown.held.is_none() && shown.journal.transaction.is_none());
    assert!(shown.journal.losses.is_empty(), "it was told when it would end");
    let error = engine.sessions.confirm_write(&token, None).await.unwrap_err();
    assert_eq!(error.reason(), Reason::NotFound);
    assert!(error.to_string().contains("in time"), "{error}");
    let heard = engine.run("select 1").await.unwrap().notices;
    assert!(heard[0].contains("was not confirmed in time"), "{heard:?}");
    assert!(
        engine.run("select 1").await.unwrap().notices.is_empty(),
        "it is said once"
    );
    engine.run("insert into t").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn neither_lease_nor_idle_limit_cut_it_short() {
    for limits in [
        Limits {
            transaction_lease: MINUTE,
            ..limits()
        },
        Limits {
            session_idle: MINUTE,
            ..limits()
        },
    ] {
        let engine = Engine::new(limits);
        let token = hold(&engine).await;
        engine.pass(9 * MINUTE).await;
        assert!(!engine.seen.sql().iter().any(|sql| sql == "ROLLBACK"));
        let report = engine.sessions.confirm_write(&token, None).await.unwrap();
        assert_eq!(report.state, State::Committed);
        assert_eq!(last(&engine), "COMMIT");
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_transaction_that_was_open_before_an_expiry_is_a_loss() {
    let engine = Engine::new(limits());
    engine.run("begin").await.unwrap();
    hold(&engine).await;
    engine.pass(11 * MINUTE).await;
    assert_eq!(last(&engine), "ROLLBACK");
    let error = engine.run("insert into t").await.unwrap_err();
    assert_eq!(error.reason(), Reason::SessionLost);
    assert!(error.to_string().contains("not confirmed in time"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_waits_for_its_turn_is_in_time() {
    let engine = Engine::new(limits());
    let token = hold(&engine).await;
    engine.pass(9 * MINUTE).await;
    let reading = engine.execute(request("default", "select slow")).await.unwrap();
    let sessions = engine.sessions.clone();
    let confirming = tokio::spawn(async move { sessions.confirm_write(&token, None).await });
    engine.pass(2 * MINUTE).await;
    drop(reading);
    assert_eq!(confirming.await.unwrap().unwrap().state, State::Committed);
    assert!(!engine.seen.sql().iter().any(|sql| sql == "ROLLBACK"));
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_whose_caller_left_leaves_the_write_waiting() {
    let engine = Engine::new(limits());
    let token = hold(&engine).await;
    let reading = engine.execute(request("default", "select slow")).await.unwrap();
    let (sessions, given) = (engine.sessions.clone(), token.clone());
    let confirming = tokio::spawn(async move { sessions.confirm_write(&given, None).await });
    engine.pass(SECOND).await;
    confirming.abort();
    engine.pass(SECOND).await;
    drop(reading);
    engine.pass(MINUTE).await;
    assert!(engine.shown("default").held.is_some());
    let report = engine.sessions.confirm_write(&token, None).await.unwrap();
    assert_eq!(report.state, State::Committed);
}

#[tokio::test(start_paused = true)]
async fn what_waits_without_having_run_expires_too() {
    let engine = Engine::new(limits());
    let stream = engine.sessions.write(held("drop table t")).await.unwrap();
    let waiting = report(stream).await.unwrap();
    assert_eq!(waiting.state, State::Waiting);
    engine.pass(11 * MINUTE).await;
    assert!(engine.shown("default").held.is_none());
    assert!(engine.seen.sql().is_empty(), "{:?}", engine.seen.sql());
    let token = waiting.token.unwrap();
    let error = engine
        .sessions
        .confirm_write(token.expose(), None)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("in time"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_killed_service_commits_nothing_and_its_successor_says_what_was_lost() {
    let engine = Engine::new(limits());
    let token = hold(&engine).await;
    let memory = engine.memory.clone();
    let next = Engine::with_memory(limits(), memory);
    let error = next.run("insert into t").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "session default has lost the write that was held (the service ended unexpectedly); nothing was run"
    );
    let error = next.sessions.confirm_write(&token, None).await.unwrap_err();
    assert_eq!(error.to_string(), "no write waits under this token");
    assert!(!engine.seen.sql().iter().any(|sql| sql == "COMMIT"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stops_rolls_back_and_says_so_afterwards() {
    let engine = Engine::new(limits());
    hold(&engine).await;
    engine.sessions.start_draining();
    engine.sessions.quiet().await;
    engine.sessions.close_all().await;
    assert_eq!(last(&engine), "ROLLBACK");
    assert_eq!(engine.seen.closes.load(Ordering::SeqCst), 1);
    let next = Engine::with_memory(limits(), engine.memory.clone());
    let error = next.run("insert into t").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the write that was held (the service was stopped)"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_upstream_session_that_ends_takes_a_held_write_with_it() {
    let engine = Engine::new(limits());
    let token = hold(&engine).await;
    engine.seen.kill();
    let error = engine.sessions.confirm_write(&token, None).await.unwrap_err();
    assert_eq!(
        (error.reason(), error.may_have_run()),
        (Reason::NotFound, false),
        "{error}"
    );
    assert!(error.to_string().contains("does not count"), "{error}");
    assert_eq!(engine.sessions.get(&name("default")).unwrap().held, None);
    assert!(!engine.seen.sql().iter().any(|sql| sql == "COMMIT"));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_left_before_it_heard_the_token_leaves_nothing_behind() {
    let engine = Engine::new(limits());
    let stream = engine
        .sessions
        .write(held("insert into t values (1)"))
        .await
        .unwrap();
    // It is gone before anything is answered, but after the statement was sent.
    engine.pass(Duration::from_millis(1)).await;
    drop(stream);
    engine.pass(SECOND).await;
    assert!(engine.shown("default").held.is_some() || last(&engine) == "ROLLBACK");
    engine.pass(11 * MINUTE).await;
    assert_eq!(last(&engine), "ROLLBACK");
}
