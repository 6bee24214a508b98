//! What a network does to statements, and what is known about each of them afterwards.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod client;
mod mock;
mod wire;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Client, config, plan};
use serde_json::json;
use snowflake_session_gateway::{Fate, GatewayConfig, GatewayError, LoginFailure};
use url::Url;
use wire::{Deed, Heard, STATEMENT, Wire, response};

/// A server whose n-th answer to a statement is the n-th deed; later statements succeed.
async fn server(deeds: Vec<Deed>) -> Wire {
    Wire::start(move |heard| {
        (heard.path == STATEMENT).then(|| {
            let deed = deeds.get(heard.earlier);
            deed.cloned().unwrap_or_else(|| Deed::done("query-1"))
        })
    })
    .await
}

/// A server that always does the same with a statement.
async fn stubborn(deed: Deed) -> Wire {
    Wire::start(move |heard| (heard.path == STATEMENT).then(|| deed.clone())).await
}

async fn client(wire: &Wire, config: GatewayConfig) -> Client {
    Client::log_in(config, plan(wire.url.clone())).await.unwrap()
}

/// Half of an announced body.
fn half_an_answer() -> Vec<u8> {
    let mut whole = response("200 OK", &[], &[b' '; 2000]);
    whole.truncate(1000);
    whole
}

fn same_request(heard: &[Heard]) -> bool {
    let ids: HashSet<_> = heard.iter().map(Heard::request_id).collect();
    let bodies: HashSet<_> = heard.iter().map(|heard| heard.body.to_string()).collect();
    ids.len() == 1 && bodies.len() == 1 && !heard[0].request_id().is_empty()
}

#[tokio::test]
async fn a_broken_connection_is_repeated_under_the_same_request_id() {
    let garbled = response("200 OK", &[("content-encoding", "gzip")], b"\x1f\x8b\x08 cut");
    for broken in [
        Deed::reset(),
        Deed::SendAndReset(b"HTTP/1.1 200 OK\r\ncont".to_vec()),
        Deed::SendAndReset(half_an_answer()),
        Deed::Send(garbled),
    ] {
        let wire = server(vec![broken.clone()]).await;
        let client = client(&wire, config()).await;
        let captured = client.query("insert into t values (1)").await.unwrap();
        assert_eq!((captured.requests, captured.retries), (2, 1), "{broken:?}");
        let heard = wire.statements();
        assert!(same_request(&heard), "{broken:?}");
        assert_eq!(heard[0].pair("retryCount"), None);
        assert_eq!(
            (heard[1].pair("retryCount"), heard[1].pair("retryReason")),
            (Some("1"), Some("0"))
        );
        assert!(heard[1].pair("clientStartTime").is_some());
        assert_ne!(heard[0].pair("request_guid"), heard[1].pair("request_guid"));
        let metrics = client.gateway.metrics();
        assert_eq!((metrics.retries_transport, metrics.retries_connect), (1, 0));
    }
}

/// Behaves as Snowflake does: runs a statement when it first sees its request id, and answers a repetition without
/// running it. Loses every other answer.
#[tokio::test]
async fn lost_answers_never_double_a_write() {
    let ran: Arc<Mutex<Vec<String>>> = Arc::default();
    let wire = Wire::start({
        let ran = Arc::clone(&ran);
        move |heard| {
            (heard.path == STATEMENT).then(|| {
                let mut ran = ran.lock().unwrap();
                let known = ran.iter().any(|id| id == heard.request_id());
                if known {
                    return Deed::done("known");
                }
                ran.push(heard.request_id().to_owned());
                Deed::SendAndReset(half_an_answer())
            })
        }
    })
    .await;
    let client = Arc::new(client(&wire, config()).await);
    let writes = (0..20).map(|number| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.query(&format!("insert into t values ({number})")).await })
    });
    for write in writes.collect::<Vec<_>>() {
        assert_eq!(
            write.await.unwrap().unwrap().answer.query_id.as_deref(),
            Some("known")
        );
    }
    assert_eq!(ran.lock().unwrap().len(), 20);
}

#[tokio::test]
async fn a_connection_that_always_breaks_leaves_the_statement_in_doubt() {
    let wire = stubborn(Deed::reset()).await;
    let client = client(&wire, config()).await;
    let error = client.query("insert into t values (1)").await.unwrap_err();
    assert!(
        matches!(error, GatewayError::Unreachable { attempts: 7, .. }),
        "{error:?}"
    );
    assert_eq!(error.fate(), Fate::MayHaveRun);
    assert_eq!(wire.statements().len(), 7);
    assert!(same_request(&wire.statements()));
}

/// Logs in at a server that then goes away. With `hear_one` it takes one statement along.
async fn after_the_server_went(hear_one: bool) -> GatewayError {
    let closing = [("connection", "close")];
    let login = json!({ "data": { "token": "session-0" }, "success": true }).to_string();
    let login = response("200 OK", &closing, login.as_bytes());
    let wire = Wire::start(move |heard| match heard.path.as_str() {
        "session/v1/login-request" => Some(Deed::SendAndReset(login.clone())),
        _ => Some(Deed::Silence),
    })
    .await;
    let client = client(&wire, config()).await;
    if !hear_one {
        drop(wire);
        return client.query("insert into t values (1)").await.unwrap_err();
    }
    let statement = client.query("insert into t values (1)");
    let going = async {
        mock::until("the statement was heard", || wire.statements().len() == 1).await;
        drop(wire);
    };
    tokio::join!(statement, going).0.unwrap_err()
}

#[tokio::test]
async fn a_statement_that_found_a_closed_door_did_not_run() {
    let error = after_the_server_went(false).await;
    assert!(
        matches!(error, GatewayError::Unreachable { attempts: 3, .. }),
        "{error:?}"
    );
    assert_eq!(error.fate(), Fate::NotRun);
}

#[tokio::test]
async fn closed_doors_after_a_lost_answer_do_not_clear_the_doubt() {
    let error = after_the_server_went(true).await;
    let GatewayError::Unreachable { reason, fate, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(reason.contains("refused"), "{reason}");
    assert_eq!(*fate, Fate::MayHaveRun);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_means_that_nothing_was_sent() {
    // Labels have at most 63 characters, so the resolver refuses this one without asking anybody.
    let endpoint = Url::parse(&format!("http://{}.invalid/", "x".repeat(64))).unwrap();
    let Err(LoginFailure::Gateway(error)) = Client::log_in(config(), plan(endpoint)).await else {
        panic!("logged in")
    };
    assert!(
        matches!(error, GatewayError::Unreachable { attempts: 3, .. }),
        "{error:?}"
    );
    assert_eq!(error.fate(), Fate::NotRun);
}

fn impatient() -> GatewayConfig {
    let mut config = GatewayConfig {
        answer_timeout: Duration::from_millis(50),
        ..config()
    };
    config.retry.silent_attempts_max = 2;
    config
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_asked_again_and_given_up() {
    let wire = stubborn(Deed::Silence).await;
    let client = client(&wire, impatient()).await;
    let error = client.query("insert into t values (1)").await.unwrap_err();
    let GatewayError::Unreachable {
        attempts,
        reason,
        fate,
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!((*attempts, *fate), (2, Fate::MayHaveRun));
    assert!(reason.contains("no answer within 0.05 s"), "{reason}");
    let heard = wire.statements();
    assert!(same_request(&heard) && heard.len() == 2);
    assert_ne!(heard[0].connection, heard[1].connection, "not on the silent one");
}

#[tokio::test]
async fn a_server_that_answers_the_second_time_is_believed() {
    for silent in [Deed::Silence, Deed::Send(half_an_answer())] {
        let wire = server(vec![silent]).await;
        let client = client(&wire, impatient()).await;
        let captured = client.query("insert into t values (1)").await.unwrap();
        assert_eq!((captured.requests, captured.retries), (2, 1));
        assert!(same_request(&wire.statements()));
        assert_eq!(client.gateway.metrics().retries_silence, 1);
    }
}

#[tokio::test]
async fn the_callers_time_ends_a_wait_and_leaves_the_statement_in_doubt() {
    let wire = stubborn(Deed::Silence).await;
    let client = client(&wire, config()).await;
    let allowed = Duration::from_millis(50);
    let error = client.query_within("select 1", allowed).await.unwrap_err();
    assert!(
        matches!(error, GatewayError::TimedOut { after } if after == allowed),
        "{error:?}"
    );
    assert_eq!(error.fate(), Fate::MayHaveRun);
    assert_eq!(wire.statements().len(), 1);
}

#[tokio::test]
async fn statuses_that_ask_to_come_back_are_obeyed() {
    for status in [307, 308, 408, 429, 500, 502, 503, 504, 522] {
        let wire = server(vec![Deed::status(
            &format!("{status} Later"),
            &[("retry-after", "0")],
        )])
        .await;
        let client = client(&wire, config()).await;
        let captured = client.query("insert into t values (1)").await.unwrap();
        assert_eq!(captured.retries, 1, "{status}");
        assert!(same_request(&wire.statements()));
        assert_eq!(
            wire.statements()[1].pair("retryReason"),
            Some(status.to_string().as_str())
        );
    }
}

#[tokio::test]
async fn statuses_that_refuse_a_request_are_final_and_nothing_ran() {
    for status in [400, 403, 404, 405, 413] {
        let wire = stubborn(Deed::status(&format!("{status} No"), &[])).await;
        let client = client(&wire, config()).await;
        let error = client.query("insert into t values (1)").await.unwrap_err();
        assert!(
            matches!(&error, GatewayError::Refused { status: seen, .. } if *seen == status),
            "{error:?}"
        );
        assert_eq!((error.fate(), wire.statements().len()), (Fate::NotRun, 1));
    }
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_the_doubt() {
    let wire = server(vec![Deed::reset(), Deed::status("403 Forbidden", &[])]).await;
    let client = client(&wire, config()).await;
    let error = client.query("insert into t values (1)").await.unwrap_err();
    assert!(
        matches!(error, GatewayError::Refused { status: 403, .. }),
        "{error:?}"
    );
    assert_eq!(error.fate(), Fate::MayHaveRun);
}

#[tokio::test]
async fn a_pause_longer_than_all_retries_is_not_cut_short() {
    let far = "Fri, 20 Nov 2026 13:00:00 GMT";
    for (status, wanted, fate) in [
        ("503 Busy", "3600", Fate::MayHaveRun),
        ("429 Too Many", "3600", Fate::NotRun),
        ("429 Too Many", far, Fate::NotRun),
    ] {
        let headers = [("retry-after", wanted), ("date", "Fri, 20 Nov 2026 12:00:00 GMT")];
        let wire = stubborn(Deed::status(status, &headers)).await;
        let client = client(&wire, config()).await;
        let error = client.query("insert into t values (1)").await.unwrap_err();
        let GatewayError::Unreachable { attempts, reason, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!((*attempts, error.fate()), (1, fate));
        assert!(reason.contains("after 3600 s"), "{reason}");
    }
}

#[tokio::test]
async fn a_date_in_the_past_is_no_pause() {
    let headers = [
        ("retry-after", "Fri, 20 Nov 2026 12:00:00 GMT"),
        ("date", "Fri, 20 Nov 2026 12:00:00 GMT"),
    ];
    let wire = server(vec![Deed::status("503 Busy", &headers)]).await;
    let client = client(&wire, config()).await;
    assert_eq!(client.query("select 1").await.unwrap().retries, 1);
}

#[tokio::test]
async fn what_was_done_is_counted() {
    let wire = server(vec![Deed::reset(), Deed::status("503 Busy", &[])]).await;
    let client = client(&wire, config()).await;
    client.query("select 1").await.unwrap();
    let metrics = client.gateway.metrics();
    assert_eq!(metrics.requests, 4, "a login and three attempts");
    assert_eq!((metrics.retries_transport, metrics.retries_busy), (1, 1));
    assert_eq!(metrics.connections_opened, 2, "the broken one and its successor");
    assert!(metrics.bytes_sent > 0 && metrics.bytes_received > 0);
    assert_eq!((metrics.renewals, metrics.sleeps), (0, 0));
}

/// State and timer of our sockets to a port of this machine, as Linux shows them.
#[cfg(target_os = "linux")]
fn timers(port: u16) -> Vec<(String, String)> {
    let peer = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let sockets = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    sockets
        .filter(|fields| fields.len() > 5 && fields[2].ends_with(&peer))
        .map(|fields| (fields[3].to_owned(), fields[5][..2].to_owned()))
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn quiet_connections_are_probed() {
    let wire = server(Vec::new()).await;
    let client = client(&wire, config()).await;
    client.query("select 1").await.unwrap();
    let (established, probing) = ("01".to_owned(), "02".to_owned());
    let port = wire.url.port().unwrap();
    mock::until("the kept connection has its keep-alive timer", || {
        timers(port) == [(established.clone(), probing.clone())]
    })
    .await;
}

#[tokio::test]
async fn a_login_whose_answer_is_lost_is_repeated_once() {
    let login = "session/v1/login-request";
    let wire = Wire::start(move |heard| (heard.path == login).then(Deed::reset)).await;
    let Err(LoginFailure::Gateway(error)) = Client::log_in(config(), plan(wire.url.clone())).await else {
        panic!("logged in")
    };
    assert!(
        matches!(error, GatewayError::Unreachable { attempts: 2, .. }),
        "{error:?}"
    );
    assert_eq!(wire.heard(login).len(), 2);
}
