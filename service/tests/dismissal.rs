//! Clients that may no longer be here: what their calls hear, and what becomes of what they asked for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::Ordering;

use snowflake_session_proto::v1;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use support::{Service, eventually, next, queries, reason, sql};
use tonic::Code;

const WHY: &str = "the service does not let this client in any more: its certificate was revoked";

#[tokio::test]
async fn a_result_is_cut_with_what_it_takes_to_read_on() {
    let service = Service::start().await;
    let mut endless = queries(&service.guest().await)
        .execute_query(sql("endless"))
        .await
        .unwrap()
        .into_inner();
    let mut received = 0;
    while received == 0 {
        if let Some(Event::Batch(batch)) = next(&mut endless).await.unwrap() {
            received += batch.row_count;
        }
    }
    service.dismiss.cancel();
    let ended = loop {
        match next(&mut endless).await {
            Ok(Some(Event::Batch(batch))) => received += batch.row_count,
            Ok(other) => panic!("the endless result goes on: {other:?}"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable);
    assert_eq!(
        ended.message(),
        format!("{WHY}; the result was not read to its end, {received} of its rows were")
    );
    let (reason, facts) = reason(&ended);
    assert_eq!(
        (&*reason, &facts["row_offset"]),
        ("DRAINING", &received.to_string())
    );
    assert!(!facts["query_id"].is_empty(), "{facts:?}");
    // Its session is free for whoever comes next.
    service.run(sql("select 1")).await.unwrap();
}

#[tokio::test]
async fn a_statement_is_cancelled_and_its_client_hears_that_it_may_have_run() {
    let service = Service::start().await;
    let mut hanging = queries(&service.guest().await)
        .execute_query(sql("hang"))
        .await
        .unwrap()
        .into_inner();
    assert!(matches!(
        next(&mut hanging).await.unwrap(),
        Some(Event::Accepted(_))
    ));
    eventually("the statement reached Snowflake", || {
        service.seen.sql() == ["hang"]
    })
    .await;
    service.dismiss.cancel();
    let ended = next(&mut hanging).await.unwrap_err();
    assert_eq!(ended.message(), WHY);
    let (reason, facts) = reason(&ended);
    assert_eq!((&*reason, &*facts["may_have_run"]), ("DRAINING", "true"));
    eventually("the cancel reached Snowflake", || {
        service.seen.cancels.load(Ordering::SeqCst) == 1
    })
    .await;
}

#[tokio::test]
async fn calls_that_come_too_late_hear_it_and_others_go_on() {
    let service = Service::start().await;
    let guest = service.guest().await;
    let mut lifecycle = LifecycleServiceClient::new(guest);
    lifecycle.get_status(v1::GetStatusRequest {}).await.unwrap();
    let request = v1::ExecuteQueryRequest {
        session: "b".into(),
        ..sql("endless")
    };
    let mut endless = service.execute(request).await.unwrap();
    service.dismiss.cancel();
    // Those who dial again are dismissed as soon as they come.
    let status = lifecycle.get_status(v1::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    service
        .lifecycle()
        .get_status(v1::GetStatusRequest {})
        .await
        .unwrap();
    for _ in 0..10 {
        next(&mut endless).await.unwrap().expect("it goes on");
    }
}
