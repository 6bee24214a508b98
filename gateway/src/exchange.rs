//! The exchange of one statement with the server: its body, its polling, its result by id.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::answer::QueryAnswer;
use crate::error::{Fate, GatewayError};
use crate::http_client::CallLimits;
use crate::query::{CapturedAnswer, Directive};
use crate::retry::with_jitter;
use crate::upstream::{Cost, Request, Upstream};

/// Sends an announced statement and follows it to its end.
pub(crate) async fn exchange(
    upstream: &Arc<Upstream>,
    request_id: &str,
    directive: &Directive,
    query_id: &OnceLock<String>,
    body: &Bytes,
) -> Result<CapturedAnswer, GatewayError> {
    let body = directed_body(
        body,
        directive,
        upstream.next_sequence(),
        upstream.config.clock.unix_ms(),
    )?;
    let limits = query_limits(upstream, directive.timeout);
    let request = Request {
        method: Method::POST,
        path: "queries/v1/query-request",
        pairs: Vec::new(),
        request_id,
        body,
        limits,
        before: Fate::NotRun,
    };
    follow(upstream, request, directive.async_exec, query_id).await
}

/// Reads the result of a query by its id, waiting while it runs.
pub(crate) async fn result_by_id(
    upstream: &Arc<Upstream>,
    query_id: &str,
    timeout: Duration,
) -> Result<CapturedAnswer, GatewayError> {
    check_query_id(query_id)?;
    let request_id = Uuid::new_v4().to_string();
    let path = format!("queries/{query_id}/result");
    let request = Request {
        method: Method::GET,
        path: &path,
        pairs: Vec::new(),
        request_id: &request_id,
        body: Bytes::new(),
        limits: query_limits(upstream, timeout),
        // Reading runs nothing, but what is read has been sent.
        before: Fate::MayHaveRun,
    };
    follow(upstream, request, false, &OnceLock::new()).await
}

/// Refuses what cannot be a query id before it becomes part of an address.
pub(crate) fn check_query_id(query_id: &str) -> Result<(), GatewayError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !query_id.is_empty() && query_id.len() <= QUERY_ID_BYTES_MAX && query_id.bytes().all(allowed) {
        return Ok(());
    }
    Err(GatewayError::Configuration {
        message: format!("{query_id:?} is not a query id"),
    })
}

/// Real ids have 36 characters.
const QUERY_ID_BYTES_MAX: usize = 128;

fn query_limits(upstream: &Upstream, allowed: Duration) -> CallLimits {
    CallLimits::lasting(allowed, upstream.config.answer_timeout)
}

/// Answers that came sooner than this were no long poll, so the next question waits a little.
const QUICK_ANSWER: Duration = Duration::from_secs(1);
const POLL_PAUSE_FIRST: Duration = Duration::from_millis(20);
const POLL_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Sends `request` and asks again while the server says that the statement is still running. Once it has said so, the
/// statement is never sent again: what fails from then on is the reading of its answer.
async fn follow(
    upstream: &Arc<Upstream>,
    request: Request<'_>,
    return_when_submitted: bool,
    query_id: &OnceLock<String>,
) -> Result<CapturedAnswer, GatewayError> {
    let started = Instant::now();
    let mut cost = Cost::default();
    let mut asked = started;
    let mut received = upstream.send(&request, &mut cost).await?;
    let mut answer = QueryAnswer::parse(&received.body)?;
    if let Some(id) = &answer.query_id {
        query_id.get_or_init(|| id.clone());
    }
    let mut pause = POLL_PAUSE_FIRST;
    while answer.in_progress && !return_when_submitted {
        let path = match (&answer.result_url, &answer.query_id) {
            (Some(path), _) => path.trim_start_matches('/').to_owned(),
            (None, Some(query_id)) => format!("queries/{query_id}/result"),
            (None, None) => {
                return Err(GatewayError::protocol(
                    "a running query has neither an address nor an id",
                ));
            }
        };
        if asked.elapsed() < QUICK_ANSWER {
            tokio::time::sleep(with_jitter(pause)).await;
            pause = (pause * 2).min(POLL_PAUSE_MAX);
        } else {
            pause = POLL_PAUSE_FIRST;
        }
        if Instant::now() >= request.limits.deadline {
            return Err(GatewayError::TimedOut {
                after: request.limits.allowed,
            });
        }
        let poll_id = Uuid::new_v4().to_string();
        let poll = Request {
            method: Method::GET,
            path: &path,
            pairs: Vec::new(),
            request_id: &poll_id,
            body: Bytes::new(),
            limits: request.limits,
            before: Fate::MayHaveRun,
        };
        asked = Instant::now();
        received = upstream.send(&poll, &mut cost).await?;
        answer = QueryAnswer::parse(&received.body)?;
    }
    Ok(CapturedAnswer {
        answer,
        elapsed: started.elapsed(),
        requests: cost.requests,
        retries: cost.retries,
        renewals: cost.renewals,
        body_bytes: received.body.len() as u64,
    })
}

/// Adds the directive to the body that the crate made, at its end and without reading the rest: the SQL text in it may
/// be megabytes.
fn directed_body(
    body: &Bytes,
    directive: &Directive,
    sequence: u64,
    now_ms: u64,
) -> Result<Bytes, GatewayError> {
    let open = body
        .strip_suffix(b"}")
        .filter(|open| open.len() > 1 && open.starts_with(b"{"))
        .ok_or_else(|| GatewayError::protocol("the statement did not arrive as a JSON object"))?;
    let mut extra = format!(
        r#","asyncExec":{},"sequenceId":{sequence},"querySubmissionTime":{now_ms},"isInternal":false"#,
        directive.async_exec
    );
    if directive.describe_only {
        extra.push_str(r#","describeOnly":true"#);
    }
    if !directive.parameters.is_empty() {
        extra.push_str(r#","parameters":"#);
        extra.push_str(&Value::Object(directive.parameters.clone()).to_string());
    }
    extra.push('}');
    Ok(Bytes::from([open, extra.as_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn directive() -> Directive {
        Directive {
            parameters: Map::new(),
            describe_only: false,
            async_exec: false,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_directive_is_added_to_the_body() {
        let mut directive = directive();
        directive
            .parameters
            .insert("MULTI_STATEMENT_COUNT".into(), json!(0));
        directive.describe_only = true;
        let body =
            Bytes::from_static(br#"{"sqlText":"select '}'","bindings":{"1":{"type":"TEXT","value":"x"}}}"#);
        let merged: Value = serde_json::from_slice(&directed_body(&body, &directive, 7, 0).unwrap()).unwrap();
        assert_eq!(merged["sqlText"], "select '}'");
        assert_eq!(merged["bindings"]["1"]["value"], "x");
        assert_eq!(merged["sequenceId"], 7);
        assert_eq!(merged["describeOnly"], true);
        assert_eq!(merged["parameters"]["MULTI_STATEMENT_COUNT"], 0);
    }

    #[test]
    fn query_ids_cannot_lead_elsewhere() {
        assert!(check_query_id("01b2c3d4-0000-1111-0000-000000000001").is_ok());
        for bad in [
            "",
            "../session?delete=true",
            "a/b",
            "a?b",
            "a%2Fb",
            &"x".repeat(129),
        ] {
            assert!(check_query_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        for body in ["", "{}", "[1]", "{\"a\":1"] {
            assert!(
                directed_body(&Bytes::from_static(body.as_bytes()), &directive(), 1, 0).is_err(),
                "{body}"
            );
        }
    }
}
