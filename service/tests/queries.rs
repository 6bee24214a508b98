//! Queries over gRPC: order, limits, flow control, errors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::Ordering;

use snowflake_session_proto::v1;
use support::{Service, collect, eventually, limits, next, reason, sql};
use tonic::Code;

#[tokio::test]
async fn a_result_streams_in_order() {
    let service = Service::start().await;
    let answer = service.run(sql("rows 3")).await.unwrap();
    assert_eq!(
        (
            answer.accepted.session.as_str(),
            answer.accepted.connection.as_str()
        ),
        ("default", "local")
    );
    assert_eq!(answer.schema.arrow_schema, "schema");
    assert_eq!(answer.schema.statement_kind(), v1::StatementKind::Query);
    let offsets: Vec<_> = answer
        .batches
        .iter()
        .map(|batch| (batch.row_offset, batch.row_count))
        .collect();
    assert_eq!(offsets, [(0, 1), (1, 1), (2, 1)]);
    let summary = answer.summary;
    assert_eq!(
        (summary.row_count, summary.row_count_total, summary.truncated),
        (3, 3, false)
    );
    assert_eq!(summary.query_id, "q-1");
    assert_eq!(summary.context.unwrap().database, "DB");
}

#[tokio::test]
async fn an_empty_result_has_schema_and_summary() {
    let service = Service::start().await;
    let answer = service.run(sql("rows 0")).await.unwrap();
    assert_eq!((answer.batches.len(), answer.summary.row_count), (0, 0));
}

#[tokio::test]
async fn a_row_limit_cuts_the_result_and_says_so() {
    let service = Service::start().await;
    let answer = service
        .run(v1::ExecuteQueryRequest {
            row_limit: 2,
            ..sql("rows 5")
        })
        .await
        .unwrap();
    assert_eq!((answer.batches.len(), answer.summary.row_count), (2, 2));
    assert_eq!(
        (answer.summary.row_count_total, answer.summary.truncated),
        (5, true)
    );
    assert_eq!(service.seen.sql(), ["rows 5"], "the SQL is not edited");
}

#[tokio::test]
async fn transactions_and_changes_are_reported() {
    let service = Service::start().await;
    for (text, open, inserted) in [
        ("begin", true, None),
        ("insert into t", true, Some(2)),
        ("commit", false, None),
        ("create table t", false, None),
    ] {
        let summary = service.run(sql(text)).await.unwrap().summary;
        let rows = summary.dml.map(|dml| dml.rows_inserted);
        assert_eq!((summary.transaction_open, rows), (open, inserted), "{text}");
        assert_eq!(service.session("").await.transaction_open, open, "{text}");
    }
}

#[tokio::test]
async fn wrong_requests_never_reach_snowflake() {
    let service = Service::start().await;
    let two_megabytes = format!("select '{}'", "x".repeat(2 * 1024 * 1024));
    let good = v1::ExecuteQueryRequest::default;
    for (request, message) in [
        (sql(""), "empty statement: there is nothing to run"),
        (sql("  -- nothing\n;"), "empty statement: there is nothing to run"),
        (
            sql("select 1; select 2; select 3"),
            "3 statements in one text; send one at a time",
        ),
        (
            sql(&two_megabytes),
            "SQL text of 2097161 bytes is longer than the limit of 1048576 bytes",
        ),
        (
            v1::ExecuteQueryRequest {
                session: "a b".into(),
                sql: "x".into(),
                ..good()
            },
            "bad session name \"a b\"",
        ),
        (
            v1::ExecuteQueryRequest {
                connection: "\n".into(),
                sql: "x".into(),
                ..good()
            },
            "bad connection name \"\\n\"",
        ),
        (
            v1::ExecuteQueryRequest {
                request_id: "7".into(),
                sql: "x".into(),
                ..good()
            },
            "bad request id \"7\": not a UUID",
        ),
        (
            v1::ExecuteQueryRequest {
                row_limit: -1,
                sql: "x".into(),
                ..good()
            },
            "row limit -1 is negative",
        ),
    ] {
        let status = service.run(request).await.err().expect(message);
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, message)
        );
        assert_eq!(reason(&status).0, "INVALID_REQUEST", "{message}");
    }
    assert_eq!(service.seen.sql(), Vec::<String>::new());
    assert_eq!(service.seen.logins.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_rejected_statement_keeps_its_facts_and_the_session() {
    let service = Service::start().await;
    let status = service.run(sql("fail")).await.err().unwrap();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "Object 'T' does not exist")
    );
    let (reason, metadata) = reason(&status);
    assert_eq!(reason, "SQL_REJECTED");
    for (key, value) in [
        ("snowflake_code", "002003"),
        ("sql_state", "42S02"),
        ("query_id", "q-1"),
        ("line", "1"),
        ("position", "14"),
        ("session", "default"),
        ("connection", "local"),
    ] {
        assert_eq!(metadata.get(key).map(String::as_str), Some(value), "{key}");
    }
    service.run(sql("select 1")).await.unwrap();
    assert_eq!(service.seen.logins.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_slow_reader_holds_back_only_its_own_result() {
    let service = Service::start().await;
    let mut slow = service
        .execute(v1::ExecuteQueryRequest {
            session: "slow".into(),
            ..sql("endless")
        })
        .await
        .unwrap();
    for _ in 0..3 {
        assert!(next(&mut slow).await.unwrap().is_some());
    }
    // The endless result comes to rest when every buffer on the way is full.
    let produced = || service.seen.batches.load(Ordering::SeqCst);
    let mut last = produced();
    loop {
        for _ in 0..50 {
            service
                .run(v1::ExecuteQueryRequest {
                    session: "quick".into(),
                    ..sql("rows 0")
                })
                .await
                .unwrap();
        }
        if produced() == last {
            break;
        }
        last = produced();
        assert!(
            last < 1000,
            "{last} batches of 64 KiB were fetched for a reader that does not read"
        );
    }
    // The same session answers as well: the statement itself is done.
    service
        .run(v1::ExecuteQueryRequest {
            session: "slow".into(),
            ..sql("rows 0")
        })
        .await
        .unwrap();
    drop(slow);
    eventually("the reader's leaving was noticed", || {
        service.sessions.counts().1 == 0
    })
    .await;
}

#[tokio::test]
async fn a_busy_session_is_shown_at_once_and_queues_the_next() {
    let service = Service::start().await;
    let first = service.execute(sql("hang")).await.unwrap();
    eventually("the first runs", || service.seen.sql() == ["hang"]).await;
    assert_eq!(service.session("").await.state(), v1::SessionState::Busy);
    let second = service.execute(sql("select 2")).await.unwrap();
    assert_eq!(service.seen.sql(), ["hang"], "one at a time");
    drop(first);
    assert_eq!(collect(second).await.unwrap().summary.row_count, 1);
    assert_eq!(service.session("").await.state(), v1::SessionState::Idle);
}

#[tokio::test]
async fn sessions_run_in_parallel() {
    let service = Service::start().await;
    let busy = service
        .execute(v1::ExecuteQueryRequest {
            session: "a".into(),
            ..sql("hang")
        })
        .await
        .unwrap();
    eventually("the first runs", || service.seen.sql() == ["hang"]).await;
    service
        .run(v1::ExecuteQueryRequest {
            session: "b".into(),
            ..sql("select 1")
        })
        .await
        .unwrap();
    drop(busy);
}

#[tokio::test]
async fn a_full_queue_refuses_with_the_limit() {
    let service = Service::start().await;
    let mut streams = vec![service.execute(sql("hang")).await.unwrap()];
    eventually("the first runs", || service.seen.sql() == ["hang"]).await;
    for _ in 0..limits().queue_max {
        streams.push(service.execute(sql("select 1")).await.unwrap());
    }
    let status = service.execute(sql("select 1")).await.err().unwrap();
    assert_eq!(
        (status.code(), reason(&status).0.as_str()),
        (Code::ResourceExhausted, "LIMIT_REACHED")
    );
    assert_eq!(status.message(), "session default: 4 statements wait already");
    // Who leaves makes room.
    streams.truncate(3);
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while service.execute(sql("select 1")).await.is_err() {}
    })
    .await
    .expect("room for another statement");
}

#[tokio::test]
async fn too_many_bindings_are_refused() {
    let service = Service::start().await;
    let bindings = vec![
        v1::Binding {
            value: Some("1".into()),
            ..v1::Binding::default()
        };
        101
    ];
    let status = service
        .run(v1::ExecuteQueryRequest {
            bindings,
            ..sql("select ?")
        })
        .await
        .err()
        .unwrap();
    assert_eq!(status.message(), "101 bindings are more than the limit of 100");
    let mixed = vec![
        v1::Binding::default(),
        v1::Binding {
            name: "x".into(),
            ..v1::Binding::default()
        },
    ];
    let status = service
        .run(v1::ExecuteQueryRequest {
            bindings: mixed,
            ..sql("select ?, :x")
        })
        .await
        .err()
        .unwrap();
    assert_eq!(reason(&status).0, "INVALID_REQUEST");
    let odd = vec![v1::Binding {
        r#type: "NUMBERS".into(),
        ..v1::Binding::default()
    }];
    let status = service
        .run(v1::ExecuteQueryRequest {
            bindings: odd,
            ..sql("select ?")
        })
        .await
        .err()
        .unwrap();
    assert_eq!(status.message(), "a binding has an unknown type");
}
