//! Sessions over gRPC: making, showing, losing, ending them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use snowflake_session::domain::audit::Caller;
use snowflake_session::domain::limits::Limits;
use snowflake_session_proto::v1;
use support::engine::{Engine, name, request};
use support::{Service, eventually, limits, reason, sql};
use tonic::Code;

fn create(name: &str, connection: &str) -> v1::CreateSessionRequest {
    v1::CreateSessionRequest {
        session: name.into(),
        connection: connection.into(),
        login: true,
        allow_existing: false,
        idle_limit: None,
        policy: v1::PolicyLevel::Unspecified.into(),
    }
}

#[tokio::test]
async fn sessions_are_made_shown_listed_and_ended() {
    let service = Service::start().await;
    let mut client = service.session_service();
    let made = client
        .create_session(create("etl", "prod"))
        .await
        .unwrap()
        .into_inner()
        .session
        .unwrap();
    assert_eq!(
        (made.name.as_str(), made.connection.as_str(), made.state()),
        ("etl", "prod", v1::SessionState::Idle)
    );
    assert_eq!(
        (made.user.as_str(), made.account.as_str(), made.host.as_str()),
        ("ME", "ACME", "fake.test")
    );
    assert_eq!(made.server_version, "9.9");
    assert!(made.create_time.is_some());

    let taken = client.create_session(create("etl", "prod")).await.unwrap_err();
    assert_eq!(taken.message(), "session etl exists already");
    let same = v1::CreateSessionRequest {
        allow_existing: true,
        ..create("etl", "prod")
    };
    client.create_session(same).await.unwrap();
    let other = v1::CreateSessionRequest {
        allow_existing: true,
        ..create("etl", "dev")
    };
    assert_eq!(
        client.create_session(other).await.unwrap_err().message(),
        "session etl uses connection prod, not dev"
    );

    for name in ["b", "a"] {
        client
            .create_session(v1::CreateSessionRequest {
                login: false,
                ..create(name, "")
            })
            .await
            .unwrap();
    }
    assert_eq!(service.session("a").await.state(), v1::SessionState::New);
    let mut names = Vec::new();
    let mut request = v1::ListSessionsRequest {
        page_size: 2,
        page_token: String::new(),
    };
    loop {
        let page = client.list_sessions(request.clone()).await.unwrap().into_inner();
        names.push(
            page.sessions
                .into_iter()
                .map(|session| session.name)
                .collect::<Vec<_>>(),
        );
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(names, [vec!["a", "b"], vec!["etl"]]);

    let ended = client
        .delete_session(v1::DeleteSessionRequest {
            session: "etl".into(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (ended.logout_confirmed, ended.transaction_rolled_back),
        (true, false)
    );
    assert_eq!(service.seen.closes.load(Ordering::SeqCst), 1);
    let gone = client
        .get_session(v1::GetSessionRequest {
            session: "etl".into(),
        })
        .await
        .unwrap_err();
    assert_eq!(
        (gone.code(), reason(&gone).0.as_str()),
        (Code::NotFound, "NOT_FOUND")
    );
}

#[tokio::test]
async fn ending_a_session_rolls_back_and_cancels() {
    let service = Service::start().await;
    service.run(sql("begin")).await.unwrap();
    let running = service.execute(sql("hang")).await.unwrap();
    eventually("the statement runs", || service.seen.sql().len() == 2).await;
    let ended = service
        .session_service()
        .delete_session(v1::DeleteSessionRequest::default())
        .await
        .unwrap();
    let ended = ended.into_inner();
    assert_eq!(
        (ended.logout_confirmed, ended.transaction_rolled_back),
        (true, true)
    );
    assert_eq!(service.seen.sql(), ["begin", "hang", "ROLLBACK"]);
    let status = support::collect(running).await.err().unwrap();
    assert_eq!(status.code(), Code::Cancelled);
}

#[tokio::test]
async fn context_changes_in_order_and_stays() {
    let service = Service::start().await;
    let request = v1::UpdateSessionContextRequest {
        schema: Some("s".into()),
        database: Some("sales".into()),
        ..v1::UpdateSessionContextRequest::default()
    };
    let updated = service
        .session_service()
        .update_session_context(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(updated.session.unwrap().context.unwrap().database, "SALES");
    assert_eq!(service.seen.sql(), ["USE DATABASE sales", "USE SCHEMA s"]);
    let summary = service.run(sql("select 1")).await.unwrap().summary;
    assert_eq!(summary.context.unwrap().database, "SALES");

    let half = v1::UpdateSessionContextRequest {
        database: Some("other".into()),
        schema: Some("missing".into()),
        ..v1::UpdateSessionContextRequest::default()
    };
    let status = service
        .session_service()
        .update_session_context(half)
        .await
        .unwrap_err();
    assert_eq!(reason(&status).0, "SQL_REJECTED");
    assert_eq!(
        service.session("").await.context.unwrap().database,
        "OTHER",
        "what was done is shown"
    );

    let evil = v1::UpdateSessionContextRequest {
        role: Some("a; drop table t".into()),
        ..v1::UpdateSessionContextRequest::default()
    };
    let status = service
        .session_service()
        .update_session_context(evil)
        .await
        .unwrap_err();
    assert_eq!(reason(&status).0, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_change_of_context_that_hangs_can_be_stopped() {
    let service = Service::start().await;
    let hanging = || {
        let mut client = service.session_service();
        tokio::spawn(async move {
            let request = v1::UpdateSessionContextRequest {
                role: Some("hang".into()),
                ..v1::UpdateSessionContextRequest::default()
            };
            client.update_session_context(request).await.map(drop)
        })
    };
    let update = hanging();
    eventually("it hangs", || service.seen.sql() == ["USE ROLE hang"]).await;
    let cancelled = service
        .queries()
        .cancel_query(v1::CancelQueryRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cancelled.outcome(), v1::CancelOutcome::Confirmed);
    let status = update.await.unwrap().unwrap_err();
    assert_eq!(reason(&status).0, "CANCELLED");
    service.run(sql("select 1")).await.unwrap();

    let update = hanging();
    eventually("it hangs", || service.seen.sql().len() == 3).await;
    let request = v1::DeleteSessionRequest::default();
    service.session_service().delete_session(request).await.unwrap();
    let status = update.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let engine = Engine::new(limits());
    let second = Duration::from_secs(1);
    let hanging = engine.execute(request("default", "hang")).await.unwrap();
    let default = name("default");
    let caller = Caller::default();
    let begin = engine.sessions.begin(Some(&default), None, false, &caller);
    assert!(tokio::time::timeout(second, begin).await.is_err());
    drop(hanging);
    engine.pass(second).await;
    engine.run("select 1").await.unwrap();
    assert_eq!(engine.seen.sql(), ["hang", "select 1"]);
}

#[tokio::test]
async fn a_connection_has_a_session_of_its_own() {
    let service = Service::start().await;
    let over = |connection: &str, session: &str| v1::ExecuteQueryRequest {
        connection: connection.into(),
        session: session.into(),
        ..sql("select 1")
    };
    for (connection, session, used) in [
        ("prod", "", "prod"),
        ("local", "", "default"),
        ("", "", "default"),
        ("", "prod", "prod"),
        ("dev", "etl", "etl"),
        ("my prod", "", "cmy-prod.e04c0b78"),
    ] {
        let answer = service.run(over(connection, session)).await.unwrap();
        let connection = if connection.is_empty() {
            answer.accepted.connection.clone()
        } else {
            connection.to_owned()
        };
        assert_eq!(answer.accepted.session, used);
        assert_eq!(
            (answer.summary.session, answer.summary.connection),
            (used.to_owned(), connection)
        );
    }
    let other = service.run(over("dev", "prod")).await;
    assert_eq!(
        other.err().unwrap().message(),
        "session prod uses connection prod, not dev"
    );
    // All calls that can name a connection mean the same session.
    let changed = service
        .session_service()
        .update_session_context(v1::UpdateSessionContextRequest {
            connection: "prod".into(),
            database: Some("sales".into()),
            ..v1::UpdateSessionContextRequest::default()
        })
        .await
        .unwrap();
    assert_eq!(changed.into_inner().session.unwrap().name, "prod");
    let begun = service
        .session_service()
        .begin_transaction(v1::BeginTransactionRequest {
            connection: "prod".into(),
            ..v1::BeginTransactionRequest::default()
        })
        .await
        .unwrap();
    assert_eq!(begun.into_inner().session.unwrap().name, "prod");
}

#[tokio::test]
async fn a_failed_first_login_leaves_no_session_behind() {
    let service = Service::start().await;
    for (connection, code, expected) in [
        ("refused", Code::Unauthenticated, "LOGIN_REFUSED"),
        ("unknown", Code::FailedPrecondition, "CONFIGURATION"),
    ] {
        let request = v1::ExecuteQueryRequest {
            connection: connection.into(),
            ..sql("select 1")
        };
        let status = service.run(request).await.err().unwrap();
        assert_eq!((status.code(), reason(&status).0.as_str()), (code, expected));
        eventually("the session went", || service.sessions.counts().0 == 0).await;
        let status = service
            .session_service()
            .create_session(create("new", connection))
            .await
            .unwrap_err();
        assert_eq!(reason(&status).0, expected);
        eventually("the session went", || service.sessions.counts().0 == 0).await;
    }
    service.run(sql("select 1")).await.unwrap();
}

#[tokio::test]
async fn the_number_of_sessions_is_limited() {
    let service = Service::with_limits(Limits {
        sessions_max: 1,
        ..limits()
    })
    .await;
    service.run(sql("select 1")).await.unwrap();
    let status = service
        .run(v1::ExecuteQueryRequest {
            session: "b".into(),
            ..sql("select 1")
        })
        .await
        .err()
        .unwrap();
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "there are 1 sessions already")
    );
}

#[tokio::test]
async fn a_draining_service_refuses_new_work_and_finishes_the_old() {
    let service = Service::start().await;
    let reading = service.execute(sql("rows 40")).await.unwrap();
    service.sessions.start_draining();
    let status = service.run(sql("select 1")).await.err().unwrap();
    assert_eq!(
        (status.code(), reason(&status).0.as_str()),
        (Code::Unavailable, "DRAINING")
    );
    assert_eq!(support::collect(reading).await.unwrap().summary.row_count, 40);
    service.sessions.quiet().await;
    let state = service
        .lifecycle()
        .get_status(v1::GetStatusRequest {})
        .await
        .unwrap()
        .into_inner()
        .state();
    assert_eq!(state, v1::ServiceState::Draining);
    service.sessions.close_all().await;
    assert_eq!(
        (
            service.sessions.counts(),
            service.seen.closes.load(Ordering::SeqCst)
        ),
        ((0, 0), 1)
    );
}

#[tokio::test]
async fn health_and_reflection_are_served() {
    use tonic_health::pb::health_client::HealthClient;
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let service = Service::start().await;
    let health = HealthClient::new(service.channel.clone())
        .check(HealthCheckRequest::default())
        .await
        .unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(service.channel.clone())
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("no list of services")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in ["QueryService", "SessionService", "LifecycleService"] {
        assert!(
            names.contains(&format!("snowflake_session.v1.{name}")),
            "{names:?}"
        );
    }
}
