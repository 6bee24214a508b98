//! Upstream sessions that outlive the service: over a restart, over a crash, and what of them is told when they cannot.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use snowflake_session_proto::v1;
use support::writes::write;
use support::{FakeConnector, Luggage, Memory, Service, eventually, limits, reason, sql};

/// A statement in a session whose connection is not the emulator that ends with the service.
fn prod(text: &str) -> v1::ExecuteQueryRequest {
    v1::ExecuteQueryRequest {
        session: "etl".into(),
        connection: "prod".into(),
        ..sql(text)
    }
}

async fn begin(luggage: &Luggage) -> Service {
    Service::with_snowflake(
        limits(),
        Memory::default(),
        FakeConnector::default(),
        Some(luggage),
    )
    .await
}

/// A service that begins where another one left `memory` and `luggage`, at the same Snowflake.
async fn next(before: &Service, memory: Memory, luggage: &Luggage) -> Service {
    let connector = FakeConnector {
        seen: Arc::clone(&before.seen),
    };
    Service::with_snowflake(limits(), memory, connector, Some(luggage)).await
}

/// What the session holds that a new login could not bring back.
async fn hold_something(service: &Service) {
    for text in ["create temp table t (a int)", "begin", "insert into t"] {
        service.run(prod(text)).await.unwrap();
    }
}

fn logins(service: &Service) -> usize {
    service.seen.logins.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_restart_keeps_transaction_and_temporary_objects() {
    let luggage = Luggage::default();
    let first = begin(&luggage).await;
    hold_something(&first).await;
    first.seen.take_sql();
    first.sessions.hand_over();
    first.sessions.start_draining();
    first.sessions.close_all().await;
    assert_eq!(first.seen.sql(), Vec::<String>::new(), "nothing was rolled back");
    assert_eq!(
        first.seen.closes.load(Ordering::SeqCst),
        0,
        "nobody was logged out"
    );

    let second = next(&first, first.memory.clone(), &luggage).await;
    let shown = second.session("etl").await;
    assert_eq!(shown.state(), v1::SessionState::Idle);
    assert!(shown.transaction_begin_time.is_some() && shown.losses.is_empty());
    let summary = second.run(prod("insert into t")).await.unwrap().summary;
    assert!(summary.transaction_open);
    second.run(prod("commit")).await.unwrap();
    assert_eq!(
        second.seen.sql(),
        ["insert into t", "commit"],
        "and nothing had to be asked"
    );
    assert_eq!(logins(&second), 1);
}

#[tokio::test]
async fn a_crash_keeps_them_too() {
    let luggage = Luggage::default();
    let first = begin(&luggage).await;
    hold_something(&first).await;
    let (memory, luggage) = (first.memory.copy(), luggage.copy());
    first.seen.take_sql();
    let second = next(&first, memory, &luggage).await;
    second.run(prod("insert into t")).await.unwrap();
    second.run(prod("commit")).await.unwrap();
    let asked = second.seen.sql();
    assert!(
        asked[0].contains("CURRENT_TRANSACTION"),
        "after a crash nothing is taken for granted: {asked:?}"
    );
    assert_eq!(asked[1..], ["insert into t", "commit"], "but asked once");
    assert_eq!(logins(&second), 1);
    // What is carried on now is what the second service has done.
    let third = next(&second, second.memory.copy(), &luggage.copy()).await;
    assert!(third.session("etl").await.transaction_begin_time.is_none());
}

#[tokio::test]
async fn a_statement_that_a_crash_cut_off_is_stopped_and_its_outcome_asked_for() {
    let luggage = Luggage::default();
    let first = begin(&luggage).await;
    first.run(prod("begin")).await.unwrap();
    // Whoever waits for it goes on waiting, or the first service would stop it by itself.
    let _waiting = first.queries().execute_query(prod("hang")).await.unwrap();
    eventually("the statement runs", || {
        first.seen.sql().contains(&"hang".to_owned())
    })
    .await;
    let (memory, luggage) = (first.memory.copy(), luggage.copy());
    first.seen.take_sql();

    let second = next(&first, memory, &luggage).await;
    assert_eq!(second.seen.cancels.load(Ordering::SeqCst), 0);
    let summary = second.run(prod("select 1")).await.unwrap().summary;
    assert!(summary.transaction_open, "Snowflake said so");
    assert_eq!(
        second.seen.cancels.load(Ordering::SeqCst),
        1,
        "what still ran was stopped"
    );
    let asked: Vec<String> = second.seen.sql();
    assert!(
        asked.iter().any(|sql| sql.contains("CURRENT_TRANSACTION")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_transaction_that_ended_unheard_is_told_as_lost() {
    let luggage = Luggage::default();
    let first = begin(&luggage).await;
    first.run(prod("begin")).await.unwrap();
    // Whoever waits for it goes on waiting, or the first service would stop it by itself.
    let _waiting = first.queries().execute_query(prod("hang")).await.unwrap();
    eventually("the statement runs", || {
        first.seen.sql().contains(&"hang".to_owned())
    })
    .await;
    let (memory, luggage) = (first.memory.copy(), luggage.copy());
    // What was in flight rolled the transaction back.
    first.seen.end_transactions();
    let second = next(&first, memory, &luggage).await;
    let status = second.run(prod("insert into t")).await.err().unwrap();
    assert_eq!(reason(&status).0, "SESSION_LOST");
    assert_eq!(
        status.message(),
        "session etl has lost the open transaction (a statement ended it whose answer nobody heard); nothing was run"
    );
}

#[tokio::test]
async fn a_stop_logs_out_and_leaves_nothing() {
    let luggage = Luggage::default();
    let service = begin(&luggage).await;
    hold_something(&service).await;
    assert_eq!(luggage.count(), 1);
    service.sessions.start_draining();
    service.sessions.close_all().await;
    assert_eq!(luggage.count(), 0);
    assert!(service.seen.sql().contains(&"ROLLBACK".to_owned()));
    assert_eq!(service.seen.closes.load(Ordering::SeqCst), 1);
    let second = next(&service, service.memory.clone(), &luggage).await;
    assert_eq!(
        second.session("etl").await.losses.len(),
        2,
        "transaction and table"
    );
}

#[tokio::test]
async fn closed_sessions_and_those_of_our_own_emulator_are_not_carried() {
    let luggage = Luggage::default();
    let service = begin(&luggage).await;
    service.run(sql("begin")).await.unwrap();
    assert_eq!(luggage.count(), 0, "the emulator ends with the service");
    service.run(prod("begin")).await.unwrap();
    assert_eq!(luggage.count(), 1);
    let close = v1::DeleteSessionRequest {
        session: "etl".into(),
    };
    service.session_service().delete_session(close).await.unwrap();
    assert_eq!(luggage.count(), 0);

    service.sessions.hand_over();
    service.sessions.start_draining();
    service.sessions.close_all().await;
    let second = next(&service, service.memory.clone(), &luggage).await;
    let status = second.run(sql("select 1")).await.err().unwrap();
    assert_eq!(
        status.message(),
        "session default has lost the open transaction (the service was stopped); nothing was run"
    );
}

#[tokio::test]
async fn what_cannot_be_gone_on_with_is_told_as_lost() {
    let luggage = Luggage::default();
    let first = begin(&luggage).await;
    hold_something(&first).await;
    let spoilt = luggage.copy();
    spoilt.spoil("ticket-1", "ticket-7");
    let second = next(&first, first.memory.copy(), &spoilt).await;
    assert_eq!(spoilt.count(), 0);
    let status = second.run(prod("insert into t")).await.err().unwrap();
    assert!(
        status.message().contains("lost the open transaction, temporary TABLE T (it could not be gone on with after a restart: the ticket cannot be read)"),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn an_upstream_session_without_a_record_is_logged_out() {
    let luggage = Luggage::default();
    let first = begin(&luggage).await;
    hold_something(&first).await;
    let left = luggage.copy();
    let second = next(&first, Memory::default(), &left).await;
    eventually("the forgotten session is logged out", || {
        second.seen.closes.load(Ordering::SeqCst) == 1
    })
    .await;
    assert_eq!(left.count(), 0);
    second.run(prod("select 1")).await.unwrap();
    assert_eq!(logins(&second), 2, "the name is free for a new session");
}

#[tokio::test]
async fn a_write_that_nobody_confirmed_is_rolled_back_and_told_as_lost() {
    let luggage = Luggage::default();
    let first = begin(&luggage).await;
    let held = first
        .write(v1::PrepareWriteRequest {
            session: "etl".into(),
            connection: "prod".into(),
            mode: v1::WriteMode::Hold.into(),
            ..write("insert into t")
        })
        .await
        .unwrap();
    assert_eq!(held.write.state(), v1::WriteState::Held);
    let (memory, left) = (first.memory.copy(), luggage.copy());
    first.seen.take_sql();

    let second = next(&first, memory, &left).await;
    eventually("the session is logged out, which rolls back", || {
        second.seen.closes.load(Ordering::SeqCst) == 1
    })
    .await;
    assert_eq!(left.count(), 0, "nobody goes on with it");
    let status = second.run(prod("commit")).await.err().unwrap();
    assert!(
        status
            .message()
            .contains("the service ended before a write in it was confirmed"),
        "{}",
        status.message()
    );
    assert!(!second.seen.sql().contains(&"commit".to_owned()));
}
