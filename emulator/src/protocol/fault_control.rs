//! `/faults`: shows the rules in force, replaces them, removes them. There only when faults are configured.

use std::net::SocketAddr;
use std::time::Instant;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::faults::{Faults, Rule};

use super::message::{Exchange, Reply, success};
use super::refusal::Refusal;

/// Where it is.
pub(super) const PATH: &str = "/faults";

/// Most rules at a time: each is looked at for every request.
const RULES_MAX: usize = 1000;

/// Answers `GET`, `PUT` and `DELETE`.
///
/// There is no `POST`: a web page can make a browser send one anywhere, but not these without being asked.
pub(super) fn answer(
    faults: &Faults,
    exchange: &Exchange,
    peer: SocketAddr,
    now: Instant,
) -> Result<Reply, Refusal> {
    if !peer.ip().to_canonical().is_loopback() {
        return Err(Refusal::http(
            StatusCode::FORBIDDEN,
            "Faults are controlled from the same machine only.",
        ));
    }
    match *exchange.method() {
        Method::GET => {}
        Method::PUT => faults.set(rules(exchange.body())?, now),
        Method::DELETE => faults.set(Vec::new(), now),
        _ => {
            return Err(Refusal::http(
                StatusCode::METHOD_NOT_ALLOWED,
                "Faults take GET, PUT and DELETE.",
            ));
        }
    }
    Ok(success(listed(faults, now).to_string().as_bytes()))
}

fn listed(faults: &Faults, now: Instant) -> Value {
    let rules: Vec<Value> = faults
        .report(now)
        .into_iter()
        .map(|report| {
            json!({
                "rule": report.rule,
                "matched": report.matched,
                "fired": report.fired,
                "spent": report.spent,
            })
        })
        .collect();
    json!({ "seed": faults.seed(), "faults": rules })
}

/// Reads all rules, or none: as a JSON array of texts, or a line each, where `#` begins a remark.
fn rules(body: &[u8]) -> Result<Vec<Rule>, Refusal> {
    let bad = |message: String| Refusal::http(StatusCode::BAD_REQUEST, message);
    let text = std::str::from_utf8(body).map_err(|_| bad("The rules are not UTF-8.".to_owned()))?;
    let texts: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|error| bad(format!("Not a JSON array of texts: {error}")))?
    } else {
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    if texts.len() > RULES_MAX {
        return Err(bad(format!("There may be {RULES_MAX} rules at a time.")));
    }
    texts
        .iter()
        .map(|text| Rule::parse(text).map_err(|error| bad(error.to_string())))
        .collect()
}
