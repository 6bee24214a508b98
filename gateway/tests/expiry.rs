//! Sessions that end, tokens that age, and a machine that sleeps.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod client;
mod mock;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use client::{Client, config, plan};
use mock::{Mock, Reply, failure, one, success, until};
use serde_json::{Value, json};
use snowflake_session_gateway::{Clock, Fate, GatewayConfig, GatewayError, LoginPlan, Reading};
use wire::{Deed, STATEMENT, Wire};

const SESSION_OVER: [&str; 8] = [
    "390110", "390111", "390113", "390114", "390115", "390195", "390303", "390318",
];

async fn client_of(wire: &Wire) -> Client {
    Client::log_in(config(), plan(wire.url.clone())).await.unwrap()
}

fn expired_with(error: &GatewayError, expected: &str) -> bool {
    matches!(error, GatewayError::SessionExpired { code, .. } if code.as_deref() == Some(expected))
}

#[tokio::test]
async fn a_statement_refused_for_its_session_did_not_run() {
    for code in SESSION_OVER {
        let wire =
            Wire::start(move |heard| (heard.path == STATEMENT).then(|| Deed::failure(code, "over"))).await;
        let client = client_of(&wire).await;
        for _ in 0..2 {
            let error = client.query("insert into t values (1)").await.unwrap_err();
            assert!(expired_with(&error, code), "{error:?}");
            assert_eq!(error.fate(), Fate::NotRun);
        }
        assert_eq!(
            wire.statements().len(),
            1,
            "a session that is over is not asked again"
        );
        assert!(wire.heard("session/token-request").is_empty());
    }
}

#[tokio::test]
async fn a_session_found_gone_after_a_lost_answer_leaves_the_doubt() {
    let wire = Wire::start(|heard| {
        let deeds = [Deed::reset(), Deed::failure("390111", "gone")];
        (heard.path == STATEMENT).then(|| deeds[heard.earlier].clone())
    })
    .await;
    let client = client_of(&wire).await;
    let error = client.query("insert into t values (1)").await.unwrap_err();
    assert!(expired_with(&error, "390111"), "{error:?}");
    assert_eq!(error.fate(), Fate::MayHaveRun);
    let next = client.query("insert into t values (2)").await.unwrap_err();
    assert_eq!(next.fate(), Fate::NotRun, "the next one was not sent");
}

#[tokio::test]
async fn a_renewal_that_fails_keeps_what_is_known_about_the_statement() {
    for (first, fate) in [(None, Fate::NotRun), (Some(Deed::reset()), Fate::MayHaveRun)] {
        let wire = Wire::start(move |heard| match (heard.path.as_str(), heard.earlier) {
            (STATEMENT, 0) if first.is_some() => first.clone(),
            (STATEMENT, _) => Some(Deed::failure("390112", "expired")),
            ("session/token-request", _) => Some(Deed::reset()),
            _ => None,
        })
        .await;
        let client = client_of(&wire).await;
        let error = client.query("insert into t values (1)").await.unwrap_err();
        assert!(matches!(error, GatewayError::Unreachable { .. }), "{error:?}");
        assert_eq!(error.fate(), fate);
        assert!(!client.session.is_over());
        assert_eq!(client.gateway.metrics().renewals_failed, 1);
    }
}

#[tokio::test]
async fn a_renewal_without_an_answer_takes_no_longer_than_the_statement_may() {
    let wire = Wire::start(|heard| match heard.path.as_str() {
        STATEMENT => Some(Deed::failure("390112", "expired")),
        "session/token-request" => Some(Deed::Silence),
        _ => None,
    })
    .await;
    let client = client_of(&wire).await;
    let allowed = Duration::from_millis(100);
    let error = client
        .query_within("insert into t values (1)", allowed)
        .await
        .unwrap_err();
    assert!(matches!(error, GatewayError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.fate(), Fate::NotRun);
}

/// A server on which a statement runs until its third poll.
fn long_statement(heard: &wire::Heard, second_poll: &Deed) -> Option<Deed> {
    let running = || {
        Deed::json(&json!({
            "data": { "queryId": "q-long", "getResultUrl": "/queries/q-long/result" },
            "code": "333333", "message": null, "success": true,
        }))
    };
    match (heard.path.as_str(), heard.earlier) {
        (STATEMENT, _) | ("queries/q-long/result", 0) => Some(running()),
        ("queries/q-long/result", 1) => Some(second_poll.clone()),
        ("queries/q-long/result", _) => Some(Deed::done("q-long")),
        _ => None,
    }
}

#[tokio::test]
async fn a_renewal_in_the_middle_of_a_poll_continues_the_poll() {
    let expired = Deed::failure("390112", "expired");
    let wire = Wire::start(move |heard| long_statement(heard, &expired)).await;
    let client = client_of(&wire).await;
    let captured = client.query("insert into t select forever()").await.unwrap();
    assert_eq!(captured.answer.query_id.as_deref(), Some("q-long"));
    assert_eq!(captured.renewals, 1);
    assert_eq!(wire.statements().len(), 1, "never sent again");
    let polls = wire.heard("queries/q-long/result");
    let tokens: Vec<_> = polls
        .iter()
        .map(|poll| poll.headers["authorization"].as_str())
        .collect();
    assert_eq!(
        tokens,
        [
            "Snowflake Token=\"session-0\"",
            "Snowflake Token=\"session-0\"",
            "Snowflake Token=\"session-1\""
        ]
    );
}

#[tokio::test]
async fn a_poll_survives_a_cut() {
    let wire = Wire::start(|heard| long_statement(heard, &Deed::reset())).await;
    let client = client_of(&wire).await;
    let captured = client.query("insert into t select forever()").await.unwrap();
    assert_eq!(captured.retries, 1);
    assert_eq!(wire.statements().len(), 1, "never sent again");
}

#[tokio::test]
async fn a_session_lost_while_its_statement_runs_leaves_the_doubt() {
    for lost in [
        Deed::failure("390111", "gone"),
        Deed::status("403 Forbidden", &[]),
    ] {
        let wire = Wire::start(move |heard| long_statement(heard, &lost)).await;
        let client = client_of(&wire).await;
        let error = client.query("insert into t select forever()").await.unwrap_err();
        assert_eq!(error.fate(), Fate::MayHaveRun, "{error:?}");
    }
}

/// A wall clock that a test moves; the steady clock stands still, as it does while a machine sleeps.
#[derive(Clone)]
struct Time {
    seconds: Arc<AtomicU64>,
    steady: Instant,
}

impl Time {
    fn start() -> Self {
        Self {
            seconds: Arc::new(AtomicU64::new(1_800_000_000)),
            steady: Instant::now(),
        }
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::new(move || Reading {
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(time.seconds.load(Ordering::SeqCst)),
            steady: time.steady,
        })
    }
}

fn kept_alive(mock: &Mock) -> LoginPlan {
    LoginPlan {
        keep_alive: true,
        ..plan(mock.url())
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_statements_have_to() {
    let (mock, time) = (Mock::start().await, Time::start());
    let config = GatewayConfig {
        clock: time.clock(),
        sleep_min: Duration::from_hours(24),
        heartbeat_interval: Duration::from_millis(5),
        ..config()
    };
    let client = Client::start(&mock, config, kept_alive(&mock)).await.unwrap();
    time.pass(3299);
    until("a heartbeat came", || !mock.seen("session/heartbeat").is_empty()).await;
    assert!(mock.seen("session/token-request").is_empty(), "not yet");
    time.pass(1);
    until("the token was renewed ahead of its end", || {
        client.gateway.metrics().renewals == 1
    })
    .await;
    let captured = client.query("select 1").await.unwrap();
    assert_eq!((captured.renewals, captured.requests), (0, 1));
    assert_eq!(mock.queries()[0].token().as_deref(), Some("session-1"));
    assert_eq!(mock.seen("session/token-request").len(), 1);
}

#[tokio::test]
async fn a_token_known_to_be_old_is_renewed_before_it_is_refused() {
    let (mock, time) = (Mock::start().await, Time::start());
    let config = GatewayConfig {
        clock: time.clock(),
        sleep_min: Duration::from_hours(24),
        ..config()
    };
    let client = Client::start(&mock, config, plan(mock.url())).await.unwrap();
    time.pass(3601);
    let captured = client.query("select 1").await.unwrap();
    assert_eq!((captured.renewals, captured.requests), (1, 1));
    assert_eq!(mock.queries().len(), 1);
    assert_eq!(mock.queries()[0].token().as_deref(), Some("session-1"));
}

#[tokio::test]
async fn heartbeats_that_fail_do_not_end_a_session_but_the_server_may() {
    let mock = Mock::start().await;
    let mut config = config();
    config.heartbeat_interval = Duration::from_millis(5);
    config.retry.attempts_max = 1;
    mock.on("session/heartbeat", |_| async { Reply::status(503) });
    let client = Client::start(&mock, config, kept_alive(&mock)).await.unwrap();
    until("heartbeats failed", || {
        client.gateway.metrics().heartbeats_failed >= 2
    })
    .await;
    assert!(!client.session.is_over());
    mock.on("session/heartbeat", |_| async { success(Value::Null) });
    until("a heartbeat came through", || {
        client.gateway.metrics().heartbeats > 0
    })
    .await;
    mock.on("session/heartbeat", |_| async {
        failure("390111", "gone", Value::Null)
    });
    until("the session ended", || client.session.is_over()).await;
    let error = client.query("insert into t values (1)").await.unwrap_err();
    assert_eq!((error.fate(), mock.queries().len()), (Fate::NotRun, 0));
}

#[tokio::test]
async fn after_a_sleep_sessions_are_checked_over_new_connections() {
    let (mock, time) = (Mock::start().await, Time::start());
    let config = GatewayConfig {
        clock: time.clock(),
        sleep_check_interval: Duration::from_millis(5),
        ..config()
    };
    let client = Client::start(&mock, config, kept_alive(&mock)).await.unwrap();
    client.query("select 1").await.unwrap();
    assert_eq!(client.gateway.metrics().connections_opened, 1);
    time.pass(600);
    until("a heartbeat came", || client.gateway.metrics().heartbeats == 1).await;
    client.query("select 1").await.unwrap();
    let metrics = client.gateway.metrics();
    assert_eq!((metrics.sleeps, metrics.connections_opened), (1, 2));

    // A night: the token has expired too.
    time.pass(8 * 3600);
    until("the token was renewed", || client.gateway.metrics().renewals == 1).await;
    let captured = client.query("select 1").await.unwrap();
    assert_eq!((captured.renewals, captured.requests), (0, 1));
}

#[tokio::test]
async fn the_first_statement_after_a_sleep_does_not_wait_for_the_tick() {
    let (mock, time) = (Mock::start().await, Time::start());
    let config = GatewayConfig {
        clock: time.clock(),
        sleep_check_interval: Duration::from_hours(1),
        ..config()
    };
    let client = Client::start(&mock, config, plan(mock.url())).await.unwrap();
    client.query("select 1").await.unwrap();
    time.pass(8 * 3600);
    let captured = client.query("select 1").await.unwrap();
    assert_eq!(
        (captured.renewals, captured.requests),
        (1, 1),
        "renewed, then sent once"
    );
    assert_eq!(client.gateway.metrics().connections_opened, 2);
}

#[tokio::test]
async fn a_statement_that_slept_with_the_machine_asks_again_on_a_new_connection() {
    let time = Time::start();
    let asleep = Arc::new(AtomicBool::new(true));
    let wire = Wire::start({
        let asleep = Arc::clone(&asleep);
        move |heard| {
            let silent = asleep.load(Ordering::SeqCst);
            (heard.path == STATEMENT).then(|| {
                if silent {
                    Deed::Silence
                } else {
                    Deed::done("query-1")
                }
            })
        }
    })
    .await;
    let config = GatewayConfig {
        clock: time.clock(),
        sleep_check_interval: Duration::from_millis(5),
        ..config()
    };
    let client = Client::log_in(config, plan(wire.url.clone())).await.unwrap();
    let statement = client.query("insert into t values (1)");
    let sleep = async {
        until("the statement was heard", || wire.statements().len() == 1).await;
        asleep.store(false, Ordering::SeqCst);
        time.pass(600);
    };
    let (captured, ()) = tokio::join!(statement, sleep);
    assert_eq!(captured.unwrap().retries, 1);
    let heard = wire.statements();
    assert_eq!(heard[0].request_id(), heard[1].request_id());
    assert_ne!(heard[0].connection, heard[1].connection);
}

#[tokio::test]
async fn the_gateway_goes_on_when_the_clock_is_set_back() {
    let (mock, time) = (Mock::start().await, Time::start());
    let config = GatewayConfig {
        clock: time.clock(),
        ..config()
    };
    let client = Client::start(&mock, config, plan(mock.url())).await.unwrap();
    time.seconds.fetch_sub(86_400, Ordering::SeqCst);
    mock.on_query(|_| async { one("query-2") });
    let captured = client.query("select 1").await.unwrap();
    assert_eq!((captured.renewals, captured.requests), (0, 1));
    assert_eq!(client.gateway.metrics().sleeps, 0);
}
