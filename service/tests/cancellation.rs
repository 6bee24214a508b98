//! Queries that end before their time: cancelled, left by their reader, out of time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use snowflake_session_proto::v1;
use snowflake_session_proto::v1::execute_query_response::Event;
use support::{Service, eventually, limits, next, reason, sql};
use tonic::Code;

#[tokio::test]
async fn dropping_the_stream_cancels_at_snowflake() {
    let service = Service::start().await;
    let mut stream = service.execute(sql("hang")).await.unwrap();
    assert!(matches!(
        next(&mut stream).await.unwrap(),
        Some(Event::Accepted(_))
    ));
    eventually("the statement reached Snowflake", || {
        service.seen.sql() == ["hang"]
    })
    .await;
    drop(stream);
    eventually("the cancel reached Snowflake", || {
        service.seen.cancels.load(Ordering::SeqCst) == 1
    })
    .await;
    service.run(sql("select 1")).await.unwrap();
}

#[tokio::test]
async fn cancel_names_a_query_or_takes_the_running_one() {
    let service = Service::start().await;
    for named in [true, false] {
        let before = service.seen.sql().len();
        let mut stream = service.execute(sql("hang")).await.unwrap();
        let Some(Event::Accepted(accepted)) = next(&mut stream).await.unwrap() else {
            panic!("not accepted")
        };
        eventually("the statement reached Snowflake", || {
            service.seen.sql().len() > before
        })
        .await;
        let request_id = if named {
            accepted.request_id.clone()
        } else {
            String::new()
        };
        let request = v1::CancelQueryRequest {
            query: request_id,
            ..v1::CancelQueryRequest::default()
        };
        let cancelled = service
            .queries()
            .cancel_query(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(cancelled.outcome(), v1::CancelOutcome::Confirmed);
        assert_eq!(cancelled.request_id, accepted.request_id);
        let status = next(&mut stream).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).0.as_str()),
            (Code::Cancelled, "CANCELLED")
        );
    }
    let idle = service
        .queries()
        .cancel_query(v1::CancelQueryRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(idle.outcome(), v1::CancelOutcome::NotRunning);
}

#[tokio::test]
async fn a_waiting_query_can_be_cancelled_before_it_is_sent() {
    let service = Service::start().await;
    let running = service.execute(sql("hang")).await.unwrap();
    eventually("the first runs", || service.seen.sql() == ["hang"]).await;
    let id = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
    let mut waiting = service
        .execute(v1::ExecuteQueryRequest {
            request_id: id.into(),
            ..sql("select 2")
        })
        .await
        .unwrap();
    assert!(matches!(
        next(&mut waiting).await.unwrap(),
        Some(Event::Accepted(_))
    ));
    let request = v1::CancelQueryRequest {
        session: String::new(),
        connection: String::new(),
        query: id.into(),
    };
    let cancelled = service
        .queries()
        .cancel_query(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cancelled.outcome(), v1::CancelOutcome::Confirmed);
    assert_eq!(
        next(&mut waiting).await.unwrap_err().message(),
        "the query was cancelled before it was sent"
    );
    drop(running);
    eventually("the first is cancelled", || {
        service.seen.cancels.load(Ordering::SeqCst) == 1
    })
    .await;
    assert_eq!(service.seen.sql(), ["hang"]);
}

#[tokio::test]
async fn time_limits_cancel_and_say_timeout() {
    let limits = snowflake_session::domain::limits::Limits {
        cancel_wait: Duration::from_millis(20),
        ..limits()
    };
    let service = Service::with_limits(limits).await;
    let brief = Some(prost_types::Duration {
        seconds: 0,
        nanos: 30_000_000,
    });
    for (text, ending) in [
        ("hang", "Snowflake confirmed that it stopped"),
        ("deaf", "Snowflake did not confirm that it stopped"),
    ] {
        let status = service
            .run(v1::ExecuteQueryRequest {
                timeout: brief,
                ..sql(text)
            })
            .await
            .err()
            .unwrap();
        assert_eq!(
            (status.code(), reason(&status).0.as_str()),
            (Code::DeadlineExceeded, "TIMEOUT")
        );
        assert!(status.message().ends_with(ending), "{}", status.message());
    }
    assert_eq!(service.seen.cancels.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_waiting_query_hears_of_its_time_limit_and_is_never_sent() {
    let service = Service::start().await;
    let running = service.execute(sql("hang")).await.unwrap();
    eventually("the first runs", || service.seen.sql() == ["hang"]).await;
    let timeout = Some(prost_types::Duration {
        seconds: 0,
        nanos: 20_000_000,
    });
    let status = service
        .run(v1::ExecuteQueryRequest {
            timeout,
            ..sql("insert into t")
        })
        .await
        .err()
        .unwrap();
    assert_eq!(reason(&status).0, "TIMEOUT");
    assert_eq!(
        status.message(),
        "the query's time limit passed while it waited; nothing was run"
    );
    drop(running);
    eventually("nothing is left", || service.sessions.counts().1 == 0).await;
    assert_eq!(service.seen.sql(), ["hang"]);
}

#[tokio::test]
async fn the_deadline_of_the_call_counts_too() {
    let service = Service::start().await;
    let mut request = tonic::Request::new(sql("hang"));
    request.set_timeout(Duration::from_millis(50));
    // Whether client or service notices first does not matter: the statement is stopped at Snowflake.
    if let Ok(response) = service.queries().execute_query(request).await {
        let mut stream = response.into_inner();
        while let Ok(Some(_)) = next(&mut stream).await {}
    }
    eventually("the cancel reached Snowflake", || {
        service.seen.cancels.load(Ordering::SeqCst) == 1
    })
    .await;
}
