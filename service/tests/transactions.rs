//! Transactions over several calls: begun, ended, leased, and ended by others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use snowflake_session_proto::v1;
use support::{Service, reason, sql};
use tonic::Status;

async fn begin(service: &Service) -> Result<v1::Session, Status> {
    let mut client = service.session_service();
    let answer = client
        .begin_transaction(v1::BeginTransactionRequest::default())
        .await?;
    Ok(answer.into_inner().session.unwrap())
}

async fn commit(service: &Service) -> Result<v1::Session, Status> {
    let mut client = service.session_service();
    let answer = client
        .commit_transaction(v1::CommitTransactionRequest::default())
        .await?;
    Ok(answer.into_inner().session.unwrap())
}

async fn rollback(service: &Service) -> Result<v1::Session, Status> {
    let mut client = service.session_service();
    let answer = client
        .rollback_transaction(v1::RollbackTransactionRequest::default())
        .await?;
    Ok(answer.into_inner().session.unwrap())
}

#[tokio::test]
async fn a_transaction_lasts_over_several_calls() {
    let service = Service::start().await;
    let status = commit(&service).await.unwrap_err();
    assert_eq!(reason(&status).0, "NOT_FOUND", "only begin makes a session");
    let shown = begin(&service).await.unwrap();
    assert!(shown.transaction_open);
    assert!(shown.transaction_begin_time.is_some());
    let again = begin(&service).await.unwrap_err();
    assert_eq!(again.message(), "session default has an open transaction already");
    assert_eq!(reason(&again).0, "INVALID_REQUEST");
    assert!(
        service
            .run(sql("insert into t"))
            .await
            .unwrap()
            .summary
            .transaction_open
    );
    let shown = service.session("").await;
    let (begun, expires) = (
        shown.transaction_begin_time.unwrap(),
        shown.transaction_expire_time.unwrap(),
    );
    assert!(expires.seconds >= begun.seconds + 3600, "{begun:?} {expires:?}");
    assert!(!commit(&service).await.unwrap().transaction_open);
    let none = rollback(&service).await.unwrap_err();
    assert_eq!(none.message(), "session default has no open transaction");
    begin(&service).await.unwrap();
    let shown = rollback(&service).await.unwrap();
    assert_eq!(
        (shown.transaction_open, shown.transaction_expire_time),
        (false, None)
    );
    assert_eq!(
        service.seen.sql(),
        ["BEGIN", "insert into t", "COMMIT", "BEGIN", "ROLLBACK"]
    );
}

#[tokio::test]
async fn typed_statements_are_the_same_transaction() {
    let service = Service::start().await;
    service.run(sql("begin")).await.unwrap();
    assert!(begin(&service).await.is_err());
    assert!(!commit(&service).await.unwrap().transaction_open);
    begin(&service).await.unwrap();
    for (text, open, notice) in [
        (
            "begin",
            true,
            "a transaction was open already; this BEGIN changed nothing",
        ),
        (
            "create table t (a int)",
            false,
            "the open transaction was committed by this DDL statement",
        ),
        (
            "commit",
            false,
            "no transaction was open; this COMMIT changed nothing",
        ),
    ] {
        let summary = service.run(sql(text)).await.unwrap().summary;
        assert_eq!(
            (summary.transaction_open, summary.notices),
            (open, vec![notice.to_owned()]),
            "{text}"
        );
    }
}

const ASK: &str = "SELECT 1 FROM (SELECT CURRENT_TRANSACTION() AS ID) WHERE ID IS NOT NULL";

#[tokio::test]
async fn snowflake_is_asked_once_where_nobody_can_know() {
    let service = Service::start().await;
    for (text, open, notices, asked) in [
        ("call begin", true, 0, true),
        ("select 1", true, 0, false),
        ("call commit", false, 1, true),
        ("select 1", false, 0, false),
        ("begin", true, 0, false),
        ("call begin", true, 0, true),
    ] {
        service.seen.take_sql();
        let summary = service.run(sql(text)).await.unwrap().summary;
        assert_eq!(
            (summary.transaction_open, summary.notices.len()),
            (open, notices),
            "{text}"
        );
        let seen = service.seen.take_sql();
        assert_eq!(seen.len(), 1 + usize::from(asked), "{text}: {seen:?}");
        assert_eq!(seen.iter().any(|sql| sql == ASK), asked, "{text}");
    }
}

#[tokio::test]
async fn an_error_does_not_end_a_transaction_unless_snowflake_says_so() {
    let service = Service::start().await;
    service.run(sql("begin")).await.unwrap();
    assert!(service.run(sql("fail")).await.is_err());
    assert!(service.session("").await.transaction_open);
    service.run(sql("insert into t")).await.unwrap();
    assert!(service.run(sql("abort")).await.is_err());
    let status = service.run(sql("insert into t")).await.err().unwrap();
    assert_eq!(
        status.message(),
        "session default has lost the open transaction (Snowflake ended it when a statement failed); nothing was run"
    );
}

#[tokio::test]
async fn an_answer_that_was_lost_leaves_a_question() {
    let service = Service::start().await;
    service.run(sql("begin")).await.unwrap();
    service.seen.take_sql();
    assert!(service.run(sql("vanish")).await.is_err());
    assert_eq!(service.seen.take_sql(), ["vanish", ASK]);
    assert!(
        service
            .run(sql("insert into t"))
            .await
            .unwrap()
            .summary
            .transaction_open
    );
}
