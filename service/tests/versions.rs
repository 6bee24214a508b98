//! Clients of other versions, and what they may always do: hello, status, shutdown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use snowflake_session_proto::v1::query_service_client::QueryServiceClient;
use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY, PROTOCOL_KEY, v1};
use support::{Service, reason, sql};
use tonic::{Code, Request};

#[tokio::test]
async fn other_builds_get_status_and_shutdown_only() {
    let mut service = Service::start().await;
    for build in [None, Some("0.0.0-other")] {
        let mut request = Request::new(sql("select 1"));
        if let Some(build) = build {
            request
                .metadata_mut()
                .insert(BUILD_ID_KEY, build.parse().unwrap());
        }
        let status = QueryServiceClient::new(service.channel.clone())
            .execute_query(request)
            .await
            .unwrap_err();
        let (reason, metadata) = reason(&status);
        assert_eq!(
            (status.code(), reason.as_str()),
            (Code::FailedPrecondition, "VERSION_SKEW")
        );
        let told = if build.is_some() {
            "sfctl service restart"
        } else {
            PROTOCOL_KEY
        };
        assert!(metadata["hint"].contains(told), "{metadata:?}");
    }
    // Who says which protocols it speaks is judged by them, of whatever build it is.
    for (range, told) in [
        ("0-0", "update the client"),
        ("7-9", "sfctl service restart"),
        ("x", PROTOCOL_KEY),
    ] {
        let mut request = Request::new(sql("select 1"));
        request
            .metadata_mut()
            .insert(PROTOCOL_KEY, range.parse().unwrap());
        let status = QueryServiceClient::new(service.channel.clone())
            .execute_query(request)
            .await
            .unwrap_err();
        let (reason, metadata) = reason(&status);
        assert_eq!(reason, "VERSION_SKEW");
        assert!(metadata["hint"].contains(told), "{metadata:?}");
    }
    let mut request = Request::new(sql("select 1"));
    request
        .metadata_mut()
        .insert(PROTOCOL_KEY, "0-9".parse().unwrap());
    request
        .metadata_mut()
        .insert(BUILD_ID_KEY, "0.0.0-other".parse().unwrap());
    QueryServiceClient::new(service.channel.clone())
        .execute_query(request)
        .await
        .unwrap();
    let asked = |protocol_min, protocol_max| v1::HelloRequest {
        client_version: "9.0.0".to_owned(),
        protocol_min,
        protocol_max,
    };
    let hello = service.lifecycle().hello(asked(0, 9)).await.unwrap().into_inner();
    assert_eq!((hello.protocol, hello.protocol_max), (1, 1));
    assert_eq!(
        (hello.open_sessions, hello.open_session_count),
        (vec!["default".to_owned()], 1)
    );
    let hello = service.lifecycle().hello(asked(2, 9)).await.unwrap().into_inner();
    assert_eq!(hello.protocol, 0);
    let status = service
        .lifecycle()
        .get_status(v1::GetStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (status.build_id.as_str(), status.state()),
        (BUILD_ID, v1::ServiceState::Serving)
    );
    assert_eq!(status.socket, service.socket().display().to_string());
    let grace = Some(prost_types::Duration { seconds: 3, nanos: 0 });
    let answer = service
        .lifecycle()
        .shutdown(v1::ShutdownRequest { grace_period: grace })
        .await
        .unwrap();
    assert_eq!(answer.into_inner().pid, i64::from(std::process::id()));
    assert_eq!(
        service.shutdown_requests.recv().await,
        Some(Some(Duration::from_secs(3)))
    );
}
