//! Results that are read by the id of their query, and requests that come again: nothing runs twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use snowflake_session::domain::history::{QueryRef, QueryState};
use snowflake_session::journal::open_jobs;
use snowflake_session::sessions::{Oversight, QueryTarget, Sessions};
use snowflake_session_proto::v1;
use snowflake_session_proto::v1::read_query_results_response::Part;
use support::engine::request;
use support::{FakeConnector, Memory, Service, collect, eventually, limits, next, reason, sql};
use tonic::{Code, Status, Streaming};

const ID: &str = "6f9619ff-8b86-d011-b42d-00c04fc964ff";

async fn submit(service: &Service, text: &str) -> String {
    let request = v1::SubmitQueryRequest {
        sql: text.into(),
        policy: v1::PolicyLevel::Open.into(),
        ..v1::SubmitQueryRequest::default()
    };
    let response = service.queries().submit_query(request).await.unwrap();
    response.into_inner().query.unwrap().query_id
}

fn reading(query: &str) -> v1::ReadQueryResultsRequest {
    v1::ReadQueryResultsRequest {
        query: query.into(),
        ..v1::ReadQueryResultsRequest::default()
    }
}

async fn open(
    service: &Service,
    request: v1::ReadQueryResultsRequest,
) -> Result<Streaming<v1::ReadQueryResultsResponse>, Status> {
    Ok(service.queries().read_query_results(request).await?.into_inner())
}

/// Row offsets of the batches, and the summary.
async fn read(
    service: &Service,
    request: v1::ReadQueryResultsRequest,
) -> Result<(Vec<i64>, v1::QuerySummary), Status> {
    let mut parts = open(service, request).await?;
    let Some(Part::Schema(schema)) = parts.message().await?.unwrap().part else {
        panic!("no schema first")
    };
    assert_eq!(schema.arrow_schema, "schema");
    let mut offsets = Vec::new();
    loop {
        match parts.message().await?.unwrap().part.unwrap() {
            Part::Batch(batch) => offsets.push(batch.row_offset),
            Part::Summary(summary) => {
                assert!(parts.message().await?.is_none());
                assert_eq!(summary.query_id, schema.query_id);
                return Ok((offsets, summary));
            }
            Part::Schema(_) => panic!("a second schema"),
        }
    }
}

fn repeated(text: &str) -> v1::ExecuteQueryRequest {
    v1::ExecuteQueryRequest {
        request_id: ID.into(),
        ..sql(text)
    }
}

#[tokio::test]
async fn a_result_is_read_any_number_of_times_from_any_row() {
    let service = Service::start().await;
    submit(&service, "quick rows 5").await;
    service.run(repeated("rows 5")).await.unwrap();
    for query in ["job-1", "q-2", ID, "last"] {
        for (row_offset, row_limit, expected, truncated) in [
            (0, 0, vec![0, 1, 2, 3, 4], false),
            (2, 2, vec![2, 3], true),
            (3, 0, vec![3, 4], false),
            (9, 1, vec![], false),
        ] {
            let request = v1::ReadQueryResultsRequest {
                row_offset,
                row_limit,
                ..reading(query)
            };
            let (offsets, summary) = read(&service, request).await.unwrap();
            let case = format!("{query} from {row_offset}, at most {row_limit}");
            assert_eq!(offsets, expected, "{case}");
            assert_eq!(
                (summary.row_count_total, summary.truncated),
                (5, truncated),
                "{case}"
            );
            assert_eq!(summary.row_count, expected.len() as i64, "{case}");
        }
    }
    assert_eq!(
        service.seen.sql(),
        ["quick rows 5", "rows 5"],
        "nothing ran again"
    );
}

#[tokio::test]
async fn reading_waits_for_the_end_and_sees_it_first() {
    let service = Service::start().await;
    submit(&service, "rows 2").await;
    let mut parts = open(&service, reading("job-1")).await.unwrap();
    eventually("Snowflake is asked for the result", || {
        service.seen.queries.reads.load(Ordering::SeqCst) == 1
    })
    .await;
    service.seen.queries.finish("job-1");
    assert!(matches!(
        parts.message().await.unwrap().unwrap().part,
        Some(Part::Schema(_))
    ));
    // An executed statement is waited for too.
    let mut running = service.execute(repeated("hang")).await.unwrap();
    assert!(next(&mut running).await.unwrap().is_some());
    let mut parts = open(&service, reading(ID)).await.unwrap();
    let request = v1::CancelQueryRequest {
        query: ID.into(),
        ..v1::CancelQueryRequest::default()
    };
    eventually("the statement reached Snowflake", || {
        service.seen.sql().len() == 2
    })
    .await;
    service.queries().cancel_query(request).await.unwrap();
    let status = parts.message().await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).0.as_str()),
        (Code::Cancelled, "CANCELLED")
    );
}

#[tokio::test]
async fn what_has_no_result_says_why() {
    let service = Service::start().await;
    submit(&service, "quick fail").await;
    submit(&service, "quick rows 1").await;
    service.seen.queries.expire("job-2");
    let foreign = service.seen.queries.submit("rows 1", 99);
    service.seen.queries.set_state(&foreign, QueryState::Cancelled);
    service.run(repeated("fail")).await.err().unwrap();
    for (query, expected, message) in [
        ("job-1", "SQL_REJECTED", "Object 'T' does not exist"),
        ("job-2", "NOT_FOUND", "Snowflake has no result of query job-2"),
        (foreign.as_str(), "CANCELLED", "SQL execution canceled"),
        (ID, "SQL_REJECTED", "Object 'T' does not exist"),
        (
            "no-such-query",
            "NOT_FOUND",
            "Snowflake has no result of query no-such-query",
        ),
    ] {
        let status = match open(&service, reading(query)).await {
            Ok(mut parts) => parts.message().await.unwrap_err(),
            Err(status) => status,
        };
        let (reason, facts) = reason(&status);
        assert_eq!(
            (reason.as_str(), status.message()),
            (expected, message),
            "{query}"
        );
        assert!(expected != "NOT_FOUND" || facts.contains_key("hint"), "{query}");
    }
}

#[tokio::test]
async fn giving_up_a_reading_changes_nothing() {
    let service = Service::start().await;
    submit(&service, "rows 1").await;
    let brief = v1::ReadQueryResultsRequest {
        timeout: Some(prost_types::Duration {
            seconds: 0,
            nanos: 30_000_000,
        }),
        ..reading("job-1")
    };
    let status = open(&service, brief).await.unwrap().message().await.unwrap_err();
    assert_eq!(reason(&status).0, "TIMEOUT");
    assert!(status.message().ends_with("it goes on"), "{status}");
    drop(open(&service, reading("job-1")).await.unwrap());
    eventually("the readings are over", || service.sessions.counts().1 == 0).await;
    assert_eq!(service.seen.queries.state("job-1"), QueryState::Running);
    assert_eq!(service.seen.cancels.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_slow_reader_of_a_result_holds_back_only_itself() {
    let service = Service::start().await;
    submit(&service, "quick endless").await;
    let mut slow = open(&service, reading("job-1")).await.unwrap();
    for _ in 0..3 {
        assert!(slow.message().await.unwrap().is_some());
    }
    let produced = || service.seen.batches.load(Ordering::SeqCst);
    let mut last = produced();
    loop {
        for _ in 0..50 {
            let other = v1::ReadQueryResultsRequest {
                row_limit: 1,
                row_offset: 3,
                ..reading("job-1")
            };
            assert_eq!(read(&service, other).await.unwrap().0, [3]);
        }
        // The others fetch one batch each.
        if produced() == last + 50 {
            break;
        }
        last = produced();
        assert!(
            last < 3000,
            "{last} batches of 64 KiB were fetched for a reader that does not read"
        );
    }
    let request = v1::CancelQueryRequest {
        query: "job-1".into(),
        ..v1::CancelQueryRequest::default()
    };
    let cancelled = service
        .queries()
        .cancel_query(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        cancelled.outcome(),
        v1::CancelOutcome::NotRunning,
        "only the result was left"
    );
    let status = loop {
        match slow.message().await {
            Ok(part) => assert!(part.is_some()),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&status).0, "CANCELLED");
}

#[tokio::test]
async fn a_repeated_request_finds_the_query_that_ran() {
    let service = Service::start().await;
    let first = service.run(repeated("insert into t")).await.unwrap().summary;
    let again = service.run(repeated("insert into t")).await.unwrap().summary;
    assert_eq!(again.query_id, first.query_id);
    assert_eq!(again.dml.unwrap().rows_inserted, 2);
    let status = service.run(repeated("insert into u")).await.err().unwrap();
    assert_eq!(reason(&status).0, "INVALID_REQUEST");
    assert_eq!(service.seen.sql(), ["insert into t"]);
    // What failed fails again with the same words.
    let failing = || v1::ExecuteQueryRequest {
        request_id: "7f9619ff-8b86-d011-b42d-00c04fc964ff".into(),
        ..sql("fail")
    };
    for _ in 0..2 {
        let status = service.run(failing()).await.err().unwrap();
        assert_eq!(status.message(), "Object 'T' does not exist");
    }
    assert_eq!(service.seen.sql(), ["insert into t", "fail"]);
}

#[tokio::test]
async fn a_repeated_request_waits_for_the_first_one_and_does_not_stop_it() {
    let service = Service::start().await;
    let blocking = service.execute(sql("hang")).await.unwrap();
    eventually("it runs", || service.seen.sql() == ["hang"]).await;
    let first = service.execute(repeated("rows 2")).await.unwrap();
    drop(service.execute(repeated("rows 2")).await.unwrap());
    let again = service.execute(repeated("rows 2")).await.unwrap();
    drop(blocking);
    let (first, again) = tokio::join!(collect(first), collect(again));
    assert_eq!(first.unwrap().summary.query_id, again.unwrap().summary.query_id);
    assert_eq!(service.seen.sql(), ["hang", "rows 2"]);
}

#[tokio::test]
async fn submitted_statements_are_found_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.json");
    let connector = FakeConnector::default();
    let seen = Arc::clone(&connector.seen);
    let run = || {
        let connector = FakeConnector {
            seen: Arc::clone(&seen),
        };
        let clock = Arc::new(SystemTime::now);
        let sessions = Sessions::new(
            Arc::new(connector),
            limits(),
            clock,
            Memory::default().kept(),
            Oversight::none(),
        );
        sessions.keep_jobs(open_jobs(&path));
        sessions
    };
    let before = run();
    before.submit(request("etl", "quick rows 1")).await.unwrap();
    let running = before
        .submit(request("etl", "insert into t values ('secret')"))
        .await
        .unwrap();
    // Without waiting for an orderly end: the service may be killed.
    eventually("both are on disk", || open_jobs(&path).jobs.len() == 2).await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("secret"), "{text}");
    before.close_all().await;
    assert_eq!(seen.closes.load(Ordering::SeqCst), 0, "what runs goes on");

    let after = run();
    let listed = after.list_queries(None, true, None, 9).records;
    let states: Vec<_> = listed.iter().map(|record| record.state).collect();
    assert_eq!(states, [QueryState::Unknown, QueryState::Succeeded]);
    let target = |query: &str| QueryTarget {
        session: None,
        connection: None,
        query: QueryRef::parse(query).unwrap(),
    };
    let found = after
        .get_query(&target(&running.request_id.unwrap().to_string()))
        .await
        .unwrap();
    assert_eq!(
        (found.state, found.session.as_str()),
        (QueryState::Running, "etl")
    );
    seen.queries.finish("job-2");
    let watched = tokio::time::timeout(Duration::from_mins(1), async {
        let mut watch = after.watch_query(&target("job-2")).await.unwrap();
        let mut last = None;
        while let Some(told) = watch.next().await {
            last = Some(told.unwrap().state);
        }
        last
    });
    assert_eq!(watched.await.unwrap(), Some(QueryState::Succeeded));
}
