//! Writes of which a step fails or is stopped: what is told, and what is certain.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use snowflake_session_proto::v1;
use support::writes::{dry, write};
use support::{Service, eventually, reason, sql};

const ASK: &str = "SELECT 1 FROM (SELECT CURRENT_TRANSACTION() AS ID) WHERE ID IS NOT NULL";

#[tokio::test]
async fn a_failing_statement_changes_nothing_and_its_error_stands_alone() {
    let service = Service::start().await;
    service.seen.refused.lock().unwrap().push("delete".into());
    let status = service
        .write(write("delete from t where a = 1"))
        .await
        .unwrap_err();
    let (reason, facts) = reason(&status);
    assert_eq!(
        (reason.as_str(), status.message()),
        ("SQL_REJECTED", "does not exist")
    );
    assert!(!facts.contains_key("may_have_run"));
    assert_eq!(service.seen.take_sql().last().unwrap(), "ROLLBACK");
    let shown = service.session("").await;
    assert!(!shown.transaction_open && shown.losses.is_empty());
    service.run(sql("select 1")).await.unwrap();
}

#[tokio::test]
async fn each_step_can_lose_its_answer() {
    for (lost, last, message, doubt) in [
        ("begin", "ROLLBACK", "the write was rolled back", None),
        ("delete", "ROLLBACK", "the write was rolled back", None),
        // The transaction of the fake is still open, so nothing was committed.
        ("commit", "ROLLBACK", "the write was rolled back", None),
    ] {
        let service = Service::start().await;
        service.run(sql("select 1")).await.unwrap();
        service.seen.unheard.lock().unwrap().push(lost.into());
        let status = service
            .write(write("delete from t where a = 1"))
            .await
            .unwrap_err();
        assert!(status.message().contains(message), "{lost}: {}", status.message());
        let told = reason(&status).1.get("may_have_run").cloned();
        assert_eq!(told.filter(|told| told == "true"), doubt, "{lost}");
        assert_eq!(service.seen.take_sql().last().unwrap(), last, "{lost}");
        service.seen.unheard.lock().unwrap().clear();
        let shown = service.session("").await;
        assert!(
            !shown.transaction_open && shown.losses.is_empty(),
            "{lost}: {shown:?}"
        );
        let written = service
            .write(write("delete from t where a = 1"))
            .await
            .unwrap()
            .write;
        assert_eq!(written.state(), v1::WriteState::Committed, "{lost}");
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_in_doubt_unless_snowflake_can_be_asked() {
    let service = Service::start().await;
    service
        .seen
        .unheard
        .lock()
        .unwrap()
        .extend(["commit".into(), "select 1 from (select".into()]);
    let status = service
        .write(write("delete from t where a = 1"))
        .await
        .unwrap_err();
    assert!(
        status
            .message()
            .contains("whether the write was committed is not known"),
        "{}",
        status.message()
    );
    assert_eq!(reason(&status).1["may_have_run"], "true");
    assert_eq!(service.seen.take_sql().last().unwrap(), ASK);
    service.seen.unheard.lock().unwrap().clear();
    // The session that might still hold the transaction was given up.
    let shown = service.session("").await;
    assert!(!shown.transaction_open && shown.losses.is_empty(), "{shown:?}");
    service.run(sql("insert into t")).await.unwrap();
}

#[tokio::test]
async fn the_upstream_session_can_end_at_each_step() {
    for (fatal, part, doubt) in [
        ("begin", "nothing was run", false),
        ("select * from t", "was not committed", false),
        ("delete", "was not committed", false),
        ("commit", "not known", true),
    ] {
        let service = Service::start().await;
        service.run(sql("select 1")).await.unwrap();
        service.seen.fatal.lock().unwrap().push(fatal.into());
        let status = service
            .write(write("delete from t where a = 1"))
            .await
            .unwrap_err();
        assert!(status.message().contains(part), "{fatal}: {}", status.message());
        let facts = reason(&status).1;
        assert_eq!(
            facts.get("may_have_run").is_some_and(|told| told == "true"),
            doubt,
            "{fatal}"
        );
        service.seen.fatal.lock().unwrap().clear();
        assert!(service.session("").await.losses.is_empty(), "{fatal}");
        let written = service
            .write(write("delete from t where a = 1"))
            .await
            .unwrap()
            .write;
        assert_eq!(written.state(), v1::WriteState::Committed, "{fatal}");
    }
}

#[tokio::test]
async fn a_rejected_commit_or_rollback_is_told() {
    let service = Service::start().await;
    service.seen.refused.lock().unwrap().push("commit".into());
    let status = service
        .write(write("delete from t where a = 1"))
        .await
        .unwrap_err();
    assert_eq!(status.message(), "does not exist; the write was rolled back");
    service.seen.refused.lock().unwrap().push("rollback".into());
    let status = service.write(dry("delete from t where a = 1")).await.unwrap_err();
    assert!(
        status.message().contains("was not committed"),
        "{}",
        status.message()
    );
    service.seen.refused.lock().unwrap().clear();
    let shown = service.session("").await;
    assert!(!shown.transaction_open && shown.losses.is_empty());
    service.run(sql("insert into t")).await.unwrap();
}

#[tokio::test]
async fn a_sample_that_fails_is_no_failure_of_the_write() {
    let service = Service::start().await;
    service
        .seen
        .refused
        .lock()
        .unwrap()
        .push("select * from t".into());
    let written = service
        .write(dry("delete from t where a = 1"))
        .await
        .unwrap()
        .write;
    assert_eq!(written.state(), v1::WriteState::RolledBack);
    assert!(written.before.is_none());
    assert!(
        written.sample_omitted.contains("does not exist"),
        "{}",
        written.sample_omitted
    );
    assert_eq!(
        service.seen.take_sql(),
        [
            "BEGIN",
            "SELECT * FROM t WHERE a = 1 LIMIT 11",
            ASK,
            "delete from t where a = 1",
            "ROLLBACK"
        ]
    );
}

#[tokio::test]
async fn a_dropped_stream_rolls_back() {
    let service = Service::start().await;
    let stream = service.prepare(write("insert into t hang")).await.unwrap();
    eventually("the statement to run", || {
        service.seen.sql().iter().any(|sql| sql.contains("hang"))
    })
    .await;
    drop(stream);
    eventually("the rollback", || {
        service.seen.sql().last().is_some_and(|sql| sql == "ROLLBACK")
    })
    .await;
    service.run(sql("select 1")).await.unwrap();
    assert!(!service.session("").await.transaction_open);
}

#[tokio::test]
async fn a_cancelled_or_late_write_says_that_it_was_rolled_back() {
    for cancelled in [true, false] {
        let service = Service::start().await;
        let request = v1::PrepareWriteRequest {
            timeout: (!cancelled).then_some(prost_types::Duration {
                seconds: 0,
                nanos: 200_000_000,
            }),
            ..write("insert into t hang")
        };
        let running = service.write(request);
        let cancelling = async {
            if cancelled {
                eventually("the statement to run", || {
                    service.seen.sql().iter().any(|sql| sql.contains("hang"))
                })
                .await;
                service
                    .queries()
                    .cancel_query(v1::CancelQueryRequest::default())
                    .await
                    .unwrap();
            }
        };
        let (status, ()) = tokio::join!(running, cancelling);
        let status = status.unwrap_err();
        let expected = if cancelled { "CANCELLED" } else { "TIMEOUT" };
        assert_eq!(reason(&status).0, expected);
        for part in ["Snowflake confirmed that it stopped", "the write was rolled back"] {
            assert!(status.message().contains(part), "{}", status.message());
        }
        assert!(!reason(&status).1.contains_key("may_have_run"));
        service.run(sql("select 1")).await.unwrap();
    }
}
