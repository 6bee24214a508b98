//! Submitted statements over gRPC: they go on without their client, are looked after, and are found again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use snowflake_session::domain::history::QueryState;
use snowflake_session_proto::v1;
use support::{Service, eventually, limits, reason, sql};
use tonic::{Code, Status};

async fn submit(service: &Service, text: &str) -> Result<v1::Query, Status> {
    let request = v1::SubmitQueryRequest {
        sql: text.into(),
        policy: v1::PolicyLevel::Open.into(),
        ..v1::SubmitQueryRequest::default()
    };
    submit_request(service, request).await
}

async fn submit_request(service: &Service, request: v1::SubmitQueryRequest) -> Result<v1::Query, Status> {
    let response = service.queries().submit_query(request).await?;
    Ok(response.into_inner().query.unwrap())
}

async fn get(service: &Service, query: &str) -> Result<v1::Query, Status> {
    let request = v1::GetQueryRequest {
        query: query.into(),
        ..v1::GetQueryRequest::default()
    };
    Ok(service
        .queries()
        .get_query(request)
        .await?
        .into_inner()
        .query
        .unwrap())
}

async fn list(service: &Service) -> Vec<v1::Query> {
    let request = v1::ListQueriesRequest::default();
    service
        .queries()
        .list_queries(request)
        .await
        .unwrap()
        .into_inner()
        .queries
}

async fn cancel(service: &Service, query: &str) -> v1::CancelQueryResponse {
    let request = v1::CancelQueryRequest {
        query: query.into(),
        ..v1::CancelQueryRequest::default()
    };
    service
        .queries()
        .cancel_query(request)
        .await
        .unwrap()
        .into_inner()
}

/// Waits until a query has this state, without asking for it to be looked at.
async fn until_state(service: &Service, query_id: &str, state: v1::QueryState) -> v1::Query {
    let waited = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            let queries = list(service).await;
            let query = queries.into_iter().find(|query| query.query_id == query_id);
            match query {
                Some(query) if query.state() == state => return query,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    waited.await.expect("the state comes")
}

#[tokio::test]
async fn a_submitted_statement_goes_on_and_its_end_is_seen() {
    let service = Service::start().await;
    let query = submit(&service, "rows 3").await.unwrap();
    assert_eq!(
        (query.query_id.as_str(), query.state()),
        ("job-1", v1::QueryState::Running)
    );
    assert_eq!(
        (query.session.as_str(), query.connection.as_str()),
        ("default", "local")
    );
    assert!(query.submitted && !query.request_id.is_empty() && query.end_time.is_none());
    // The session is free meanwhile.
    service.run(sql("select 1")).await.unwrap();
    assert_eq!(
        get(&service, "job-1").await.unwrap().state(),
        v1::QueryState::Running
    );
    service.seen.queries.finish("job-1");
    let ended = until_state(&service, "job-1", v1::QueryState::Succeeded).await;
    assert_eq!(
        (ended.row_count_total, ended.statement_kind()),
        (Some(3), v1::StatementKind::Query)
    );
}

#[tokio::test]
async fn submitted_statements_do_not_wait_for_the_one_that_runs() {
    let service = Service::start().await;
    let running = service.execute(sql("hang")).await.unwrap();
    eventually("the first runs", || service.seen.sql() == ["hang"]).await;
    for number in 1..=2 {
        assert_eq!(
            submit(&service, "rows 1").await.unwrap().query_id,
            format!("job-{number}")
        );
    }
    assert_eq!(service.seen.logins.load(Ordering::SeqCst), 1);
    drop(running);
}

#[tokio::test]
async fn failures_are_kept_as_they_were() {
    let service = Service::start().await;
    let status = submit(&service, "reject").await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).0.as_str()),
        (Code::InvalidArgument, "SQL_REJECTED")
    );
    submit(&service, "fail").await.unwrap();
    service.seen.queries.finish("job-1");
    let failed = until_state(&service, "job-1", v1::QueryState::Failed).await;
    let error = failed.error.unwrap();
    assert_eq!(
        (error.reason(), error.snowflake_code.as_str()),
        (v1::ErrorReason::SqlRejected, "002003")
    );
    let states: Vec<_> = list(&service).await.iter().map(v1::Query::state).collect();
    assert_eq!(states, [v1::QueryState::Failed; 2]);
}

#[tokio::test]
async fn what_belongs_to_the_session_is_not_submitted() {
    let service = Service::start().await;
    for text in [
        "use database d",
        "begin",
        "set x = 1",
        "alter session set timezone = 'UTC'",
    ] {
        let status = submit(&service, text).await.unwrap_err();
        assert_eq!(reason(&status).0, "INVALID_REQUEST", "{text}");
    }
    service.run(sql("begin")).await.unwrap();
    let status = submit(&service, "insert into t").await.unwrap_err();
    assert!(
        status
            .message()
            .starts_with("a transaction is open in the session"),
        "{status}"
    );
    assert_eq!(reason(&status).0, "INVALID_REQUEST");
    assert_eq!(service.seen.sql(), ["begin"]);
    service.run(sql("commit")).await.unwrap();
    submit(&service, "insert into t").await.unwrap();
}

#[tokio::test]
async fn a_session_has_only_so_many() {
    let service = Service::start().await;
    for _ in 0..limits().jobs_max {
        submit(&service, "rows 1").await.unwrap();
    }
    let status = submit(&service, "rows 1").await.unwrap_err();
    assert_eq!(
        status.message(),
        "session default: 3 submitted statements have not ended"
    );
    assert_eq!(reason(&status).0, "LIMIT_REACHED");
    assert_eq!(
        list(&service).await.len(),
        limits().jobs_max,
        "what was refused is not remembered"
    );
    assert_eq!(
        cancel(&service, "job-2").await.outcome(),
        v1::CancelOutcome::Confirmed
    );
    submit(&service, "rows 1").await.unwrap();
}

#[tokio::test]
async fn a_cancellation_stops_one_of_them() {
    let service = Service::start().await;
    let first = submit(&service, "rows 1").await.unwrap();
    submit(&service, "rows 1").await.unwrap();
    submit(&service, "rows 1").await.unwrap();
    for (named, stopped, left) in [
        (first.request_id.as_str(), "job-1", QueryState::Running),
        ("last", "job-3", QueryState::Running),
        ("job-2", "job-2", QueryState::Cancelled),
    ] {
        let cancelled = cancel(&service, named).await;
        assert_eq!(cancelled.outcome(), v1::CancelOutcome::Confirmed, "{named}");
        assert_eq!(cancelled.query_id, stopped);
        assert_eq!(service.seen.queries.state("job-2"), left, "{named}");
        assert_eq!(
            get(&service, stopped).await.unwrap().state(),
            v1::QueryState::Cancelled,
            "at once"
        );
    }
    assert_eq!(
        cancel(&service, "last").await.outcome(),
        v1::CancelOutcome::NotRunning
    );
    assert_eq!(service.seen.cancels.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn queries_of_others_are_asked_of_snowflake() {
    let service = Service::start().await;
    let foreign = service.seen.queries.submit("rows 5", 99);
    let query = get(&service, &foreign).await.unwrap();
    assert_eq!(
        (query.state(), query.sql.as_str()),
        (v1::QueryState::Running, "rows 5")
    );
    assert_eq!(
        (query.session.as_str(), query.request_id.as_str()),
        ("default", "")
    );
    assert_eq!(
        service.seen.logins.load(Ordering::SeqCst),
        1,
        "it logged in for that"
    );
    assert!(list(&service).await.is_empty(), "they are not remembered");
    let status = get(&service, "no-such-query").await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).0.as_str()),
        (Code::NotFound, "NOT_FOUND")
    );
    assert_eq!(
        cancel(&service, &foreign).await.outcome(),
        v1::CancelOutcome::Confirmed
    );
    assert_eq!(
        cancel(&service, "no-such-query").await.outcome(),
        v1::CancelOutcome::NotRunning
    );
}

#[tokio::test]
async fn a_repeated_submission_answers_with_the_same_query() {
    let service = Service::start().await;
    let request = |text: &str, id: &str| v1::SubmitQueryRequest {
        sql: text.into(),
        request_id: id.into(),
        policy: v1::PolicyLevel::Open.into(),
        ..v1::SubmitQueryRequest::default()
    };
    let id = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
    let first = submit_request(&service, request("rows 1", id)).await.unwrap();
    let again = submit_request(&service, request("rows 1", id)).await.unwrap();
    assert_eq!(
        (again.query_id, again.request_id),
        (first.query_id, first.request_id)
    );
    let status = submit_request(&service, request("rows 2", id)).await.unwrap_err();
    assert_eq!(reason(&status).0, "INVALID_REQUEST");
    let mut other_values = request("rows 1", id);
    other_values.bindings.push(v1::Binding::default());
    let status = submit_request(&service, other_values).await.unwrap_err();
    assert_eq!(reason(&status).0, "INVALID_REQUEST");
    assert_eq!(service.seen.sql(), ["rows 1"]);
    let rejected = "7f9619ff-8b86-d011-b42d-00c04fc964ff";
    for _ in 0..2 {
        let status = submit_request(&service, request("reject", rejected))
            .await
            .unwrap_err();
        assert_eq!(status.message(), "syntax error");
    }
    assert_eq!(service.seen.sql(), ["rows 1", "reject"]);
}

#[tokio::test]
async fn closing_a_session_leaves_its_submitted_statements_running() {
    let service = Service::start().await;
    submit(&service, "rows 1").await.unwrap();
    let request = v1::DeleteSessionRequest::default();
    let closed = service
        .session_service()
        .delete_session(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((closed.jobs_left, closed.logout_confirmed), (1, false));
    assert_eq!(
        service.seen.closes.load(Ordering::SeqCst),
        0,
        "a logout would stop them"
    );
    let listed = &list(&service).await[0];
    assert_eq!(
        listed.state(),
        v1::QueryState::Unknown,
        "nobody looks at it any more"
    );
    // Asked for, it is looked at through a new session, and from then on again.
    let query = get(&service, "job-1").await.unwrap();
    assert_eq!((query.state(), query.error), (v1::QueryState::Running, None));
    assert_eq!(service.seen.logins.load(Ordering::SeqCst), 2);
    service.seen.queries.finish("job-1");
    until_state(&service, "job-1", v1::QueryState::Succeeded).await;
    let request = v1::DeleteSessionRequest::default();
    let closed = service
        .session_service()
        .delete_session(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((closed.jobs_left, closed.logout_confirmed), (0, true));
}

#[tokio::test]
async fn a_session_that_ends_looks_a_last_time() {
    let service = Service::start().await;
    submit(&service, "rows 1").await.unwrap();
    service.seen.queries.finish("job-1");
    let request = v1::DeleteSessionRequest::default();
    let closed = service
        .session_service()
        .delete_session(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((closed.jobs_left, closed.logout_confirmed), (0, true));
    assert_eq!(list(&service).await[0].state(), v1::QueryState::Succeeded);
}

#[tokio::test]
async fn an_expired_session_logs_in_again_to_look() {
    let service = Service::start().await;
    let foreign = service.seen.queries.submit("rows 1", 99);
    service.run(sql("select 1")).await.unwrap();
    service.seen.expired.store(1, Ordering::SeqCst);
    assert_eq!(
        get(&service, &foreign).await.unwrap().state(),
        v1::QueryState::Running
    );
    assert_eq!(service.seen.logins.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn pages_of_queries_are_the_latest_first() {
    let service = Service::start().await;
    for _ in 0..3 {
        service.run(sql("select 1")).await.unwrap();
    }
    submit(&service, "quick rows 1").await.unwrap();
    let mut request = v1::ListQueriesRequest {
        session: "default".into(),
        page_size: 3,
        ..v1::ListQueriesRequest::default()
    };
    let first = service
        .queries()
        .list_queries(request.clone())
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<_> = first
        .queries
        .iter()
        .map(|query| query.query_id.as_str())
        .collect();
    assert_eq!(ids, ["job-1", "q-3", "q-2"]);
    request.page_token = first.next_page_token;
    let second = service
        .queries()
        .list_queries(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((second.queries.len(), second.next_page_token.as_str()), (1, ""));
    request.page_token = "elsewhere".into();
    let status = service.queries().list_queries(request).await.unwrap_err();
    assert_eq!(reason(&status).0, "INVALID_REQUEST");
    let submitted = v1::ListQueriesRequest {
        submitted_only: true,
        ..v1::ListQueriesRequest::default()
    };
    let submitted = service
        .queries()
        .list_queries(submitted)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(submitted.queries.len(), 1);
}

#[tokio::test]
async fn watching_tells_each_change_and_ends_after_the_end() {
    let service = Service::start().await;
    submit(&service, "rows 1").await.unwrap();
    let request = v1::WatchQueryRequest {
        query: "last".into(),
        ..v1::WatchQueryRequest::default()
    };
    let mut states = service.queries().watch_query(request).await.unwrap().into_inner();
    let mut seen = Vec::new();
    for (change, expected) in [
        (None, v1::QueryState::Running),
        (Some(QueryState::Queued), v1::QueryState::Queued),
        (Some(QueryState::Running), v1::QueryState::Running),
        (Some(QueryState::Succeeded), v1::QueryState::Succeeded),
    ] {
        if let Some(state) = change {
            service.seen.queries.set_state("job-1", state);
        }
        let query = states.message().await.unwrap().unwrap().query.unwrap();
        seen.push(query.state());
        assert_eq!(query.state(), expected);
    }
    assert!(states.message().await.unwrap().is_none(), "{seen:?}");
}

#[tokio::test]
async fn watching_goes_on_while_nothing_changes_and_for_queries_of_others() {
    let limits = snowflake_session::domain::limits::Limits {
        watch_interval: Duration::from_millis(30),
        job_check: (Duration::from_millis(10), Duration::from_millis(10)),
        ..limits()
    };
    let service = Service::with_limits(limits).await;
    submit(&service, "rows 1").await.unwrap();
    let foreign = service.seen.queries.submit("rows 1", 99);
    for query in ["job-1".to_owned(), foreign] {
        let request = v1::WatchQueryRequest {
            query: query.clone(),
            ..v1::WatchQueryRequest::default()
        };
        let mut states = service.queries().watch_query(request).await.unwrap().into_inner();
        for _ in 0..3 {
            let told = states.message().await.unwrap().unwrap().query.unwrap();
            assert_eq!((told.state(), &told.query_id), (v1::QueryState::Running, &query));
        }
        service.seen.queries.finish(&query);
        let mut last = None;
        while let Some(told) = states.message().await.unwrap() {
            last = told.query;
        }
        assert_eq!(last.unwrap().state(), v1::QueryState::Succeeded);
    }
}
