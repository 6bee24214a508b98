//! What is lost with an upstream session, how one hears of it, and what is brought back without a word.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::Ordering;

use snowflake_session_proto::v1;
use support::{Service, reason, sql};
use tonic::{Code, Status};

fn accepting(text: &str) -> v1::ExecuteQueryRequest {
    v1::ExecuteQueryRequest {
        accept_loss: true,
        ..sql(text)
    }
}

async fn refused(service: &Service) -> Status {
    let status = service.run(sql("select 1")).await.err().expect("a refusal");
    assert_eq!(
        (status.code(), reason(&status).0.as_str()),
        (Code::Aborted, "SESSION_LOST")
    );
    status
}

fn losses(session: &v1::Session) -> Vec<(v1::LossKind, &str, &str)> {
    session
        .losses
        .iter()
        .map(|loss| (loss.kind(), loss.name.as_str(), loss.cause.as_str()))
        .collect()
}

#[tokio::test]
async fn a_session_that_lost_something_refuses_until_that_is_accepted() {
    let service = Service::start().await;
    for text in [
        "use database sales",
        "create temp table t (a int)",
        "set x = 1 + 1",
        "begin",
    ] {
        service.run(sql(text)).await.unwrap();
    }
    let status = service.run(sql("die")).await.err().unwrap();
    assert_eq!(
        (status.code(), reason(&status).0.as_str()),
        (Code::Unavailable, "UNREACHABLE")
    );
    assert_eq!(
        status.message(),
        "fake.test went away; it may have run: look before running it again"
    );
    let shown = service.session("").await;
    assert_eq!(shown.state(), v1::SessionState::Disconnected);
    let cause = "fake.test went away";
    assert_eq!(
        losses(&shown),
        [
            (v1::LossKind::Transaction, "", cause),
            (v1::LossKind::TemporaryObject, "TABLE T", cause),
            (v1::LossKind::Variable, "X", cause),
        ]
    );
    service.seen.take_sql();
    for _ in 0..2 {
        let status = refused(&service).await;
        assert_eq!(
            status.message(),
            "session default has lost the open transaction, temporary TABLE T, variable X (fake.test went away); nothing was run"
        );
        let (_, metadata) = reason(&status);
        assert_eq!(
            metadata["lost"],
            "the open transaction: fake.test went away\n\
             temporary TABLE T: fake.test went away\n\
             variable X: fake.test went away"
        );
        assert!(metadata["hint"].contains("--accept-loss"), "{metadata:?}");
        assert!(metadata["hint"].contains("sfctl session reset"), "{metadata:?}");
    }
    let update = v1::UpdateSessionContextRequest {
        schema: Some("s".into()),
        ..v1::UpdateSessionContextRequest::default()
    };
    let mut client = service.session_service();
    assert!(client.update_session_context(update.clone()).await.is_err());
    assert!(
        client
            .begin_transaction(v1::BeginTransactionRequest::default())
            .await
            .is_err()
    );
    let rollback = v1::RollbackTransactionRequest::default();
    assert!(client.rollback_transaction(rollback).await.is_err());
    assert_eq!(service.seen.sql(), Vec::<String>::new());
    assert_eq!(service.seen.logins.load(Ordering::SeqCst), 1, "nothing was run");

    let summary = service.run(accepting("select 1")).await.unwrap().summary;
    assert_eq!(
        (
            summary.transaction_open,
            summary.context.unwrap().database.as_str()
        ),
        (false, "SALES")
    );
    assert_eq!(service.seen.sql(), ["USE SCHEMA SALES.PUBLIC", "select 1"]);
    assert_eq!(losses(&service.session("").await), []);
    client.update_session_context(update).await.unwrap();
}

#[tokio::test]
async fn every_call_that_can_accept_a_loss_does() {
    let service = Service::start().await;
    let mut client = service.session_service();
    for number in 0..2 {
        service.run(sql("begin")).await.unwrap();
        service.seen.expire();
        refused_by_expiry(&service).await;
        if number == 0 {
            let update = v1::UpdateSessionContextRequest {
                schema: Some("s".into()),
                accept_loss: true,
                ..v1::UpdateSessionContextRequest::default()
            };
            client.update_session_context(update).await.unwrap();
        } else {
            let begin = v1::BeginTransactionRequest {
                accept_loss: true,
                ..v1::BeginTransactionRequest::default()
            };
            client.begin_transaction(begin).await.unwrap();
        }
    }
}

/// The first statement after an expiry: it did not run, but a transaction was open.
async fn refused_by_expiry(service: &Service) {
    let status = refused(service).await;
    assert_eq!(
        status.message(),
        "session default has lost the open transaction (the Snowflake session had expired); nothing was run"
    );
}

#[tokio::test]
async fn an_expired_session_that_lost_nothing_comes_back_without_a_word() {
    let service = Service::start().await;
    for text in [
        "use role analyst",
        "use warehouse wh",
        "use schema sales.east",
        "set y = 'it''s'",
        "set z = 2",
        "alter session set timezone = 'UTC', week_start = 1",
        "create temp table t (a int)",
        "drop table t",
    ] {
        service.run(sql(text)).await.unwrap();
    }
    service.seen.expire();
    service.seen.take_sql();
    let summary = service.run(sql("insert into t")).await.unwrap().summary;
    let context = summary.context.unwrap();
    assert_eq!(
        [context.role, context.warehouse, context.database, context.schema],
        ["ANALYST", "WH", "SALES", "EAST"]
    );
    assert_eq!(
        service.seen.take_sql(),
        [
            "USE ROLE ANALYST",
            "USE WAREHOUSE WH",
            "USE SCHEMA SALES.EAST",
            "ALTER SESSION SET TIMEZONE = 'UTC', WEEK_START = 1",
            "SET (Y, Z) = ('it''s', 2)",
            "insert into t",
        ]
    );
    assert_eq!(service.seen.logins.load(Ordering::SeqCst), 2);
    // The same for what is not typed as a statement.
    service.seen.expire();
    let mut client = service.session_service();
    client
        .begin_transaction(v1::BeginTransactionRequest::default())
        .await
        .unwrap();
    assert_eq!(service.seen.take_sql().last().unwrap(), "BEGIN");
}

#[tokio::test]
async fn an_end_that_is_known_costs_no_statement() {
    let service = Service::start().await;
    service.run(sql("set x = 1")).await.unwrap();
    service.seen.kill();
    service.seen.take_sql();
    service.run(sql("select 1")).await.unwrap();
    assert_eq!(service.seen.take_sql(), ["SET X = 1", "select 1"]);
    service.run(sql("begin")).await.unwrap();
    service.seen.kill();
    let status = refused(&service).await;
    assert_eq!(
        status.message(),
        "session default has lost the open transaction (its Snowflake session ended while it was not used); nothing was run"
    );
}

#[tokio::test]
async fn a_statement_that_may_have_run_is_never_run_again() {
    let service = Service::start().await;
    for text in ["vanish", "die"] {
        let status = service.run(sql(text)).await.err().unwrap();
        assert_eq!(reason(&status).0, "UNREACHABLE");
        assert!(
            status
                .message()
                .ends_with("; it may have run: look before running it again"),
            "{}",
            status.message()
        );
    }
    assert_eq!(service.seen.sql(), ["vanish", "die"]);
    service.run(sql("select 1")).await.unwrap();
}

#[tokio::test]
async fn what_snowflake_refuses_to_bring_back_is_lost() {
    let service = Service::start().await;
    for text in [
        "use schema sales.east",
        "set (x, y) = ('secret', 2)",
        "alter session set a = 1 b = 2",
    ] {
        service.run(sql(text)).await.unwrap();
    }
    service.seen.expire();
    service.seen.take_sql();
    *service.seen.refused.lock().unwrap() = [
        "use schema sales.east",
        "alter session set a = 1",
        "set (x",
        "set x",
    ]
    .map(str::to_owned)
    .into();
    let status = refused(&service).await;
    assert_eq!(
        status.message(),
        "session default has lost schema SALES.EAST, parameter A (Snowflake refused it: does not exist); \
         variable X (Snowflake refused to set it again with code 002043); nothing was run"
    );
    assert_eq!(
        service.seen.sql(),
        [
            "USE SCHEMA SALES.EAST",
            "USE DATABASE SALES",
            "ALTER SESSION SET A = 1, B = 2",
            "ALTER SESSION SET A = 1",
            "ALTER SESSION SET B = 2",
            "SET (X, Y) = ('secret', 2)",
            "SET X = 'secret'",
            "SET Y = 2",
        ]
    );
    let shown = service.session("").await;
    assert_eq!(shown.variables, ["Y"]);
    assert_eq!(
        shown.parameters.into_iter().collect::<Vec<_>>(),
        [("B".to_owned(), "2".to_owned())]
    );
    assert_eq!(shown.context.unwrap().database, "SALES");
    service.run(accepting("select 1")).await.unwrap();
    assert_eq!(
        service.seen.logins.load(Ordering::SeqCst),
        2,
        "one login was enough"
    );
}

#[tokio::test]
async fn an_acceptance_covers_what_the_restoring_loses() {
    let service = Service::start().await;
    service.run(sql("set x = 1")).await.unwrap();
    service.run(sql("begin")).await.unwrap();
    service.seen.expire();
    refused_by_expiry(&service).await;
    *service.seen.refused.lock().unwrap() = vec!["set x".to_owned()];
    service.run(accepting("select 1")).await.unwrap();
    assert_eq!(losses(&service.session("").await), []);
}

#[tokio::test]
async fn values_of_variables_are_not_shown() {
    let service = Service::start().await;
    service.run(sql("set x = 'secret'")).await.unwrap();
    let shown = service.session("").await;
    assert_eq!(shown.variables, ["X"]);
    assert!(!format!("{shown:?}").contains("secret"));
}

#[tokio::test]
async fn a_reset_begins_anew() {
    let service = Service::start().await;
    let reset = || async {
        let mut client = service.session_service();
        let answer = client
            .reset_session(v1::ResetSessionRequest::default())
            .await
            .unwrap();
        answer.into_inner()
    };
    service.run(sql("use database sales")).await.unwrap();
    service.run(sql("set x = 1")).await.unwrap();
    service.run(sql("begin")).await.unwrap();
    let hanging = service.execute(sql("hang")).await.unwrap();
    support::eventually("it hangs", || service.seen.sql().last().unwrap() == "hang").await;
    let waiting = service.execute(sql("select 2")).await.unwrap();
    let answer = reset().await;
    assert!(answer.transaction_rolled_back);
    let shown = answer.session.unwrap();
    assert_eq!(
        (shown.state(), shown.variables.len(), shown.transaction_open),
        (v1::SessionState::New, 0, false)
    );
    assert_eq!(shown.context, Some(v1::SessionContext::default()));
    let status = support::collect(hanging).await.err().unwrap();
    assert_eq!(status.code(), Code::Cancelled);
    let status = support::collect(waiting).await.err().unwrap();
    assert_eq!(status.message(), "the session was reset; it was not sent");
    assert_eq!(service.seen.closes.load(Ordering::SeqCst), 1);
    service.seen.take_sql();
    let summary = service.run(sql("select 1")).await.unwrap().summary;
    assert_eq!(summary.context.unwrap().database, "DB");
    assert_eq!(service.seen.sql(), ["select 1"]);

    service.run(sql("begin")).await.unwrap();
    service.seen.expire();
    refused_by_expiry(&service).await;
    assert!(!reset().await.transaction_rolled_back);
    service.run(sql("select 1")).await.unwrap();
}
