//! `/faults`: shows the rules in force, replaces them, removes them. There only when faults are configured.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::faults::{Faults, Rule};

use super::message::{Exchange, Reply, success};
use super::refusal::Refusal;

/// Where it is.
pub(super) const PATH: &str = "/faults";

/// Most rules at a time: each is looked at for every request.
const RULES_MAX: usize = 1000;

/// Answers `GET`, `PUT` (replace), `PATCH` (add) and `DELETE`.
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
    // A name that a web page has pointed at this machine would let the page read what it is answered.
    if !names_this_machine(exchange.headers()) {
        return Err(Refusal::http(
            StatusCode::FORBIDDEN,
            "Faults are controlled under an address or as localhost only.",
        ));
    }
    match *exchange.method() {
        Method::GET => {}
        Method::PUT => faults.set(rules(exchange.body())?, now),
        Method::PATCH => {
            if !faults.add(rules(exchange.body())?, RULES_MAX, now) {
                return Err(too_many());
            }
        }
        Method::DELETE => faults.set(Vec::new(), now),
        _ => {
            return Err(Refusal::http(
                StatusCode::METHOD_NOT_ALLOWED,
                "Faults take GET, PUT, PATCH and DELETE.",
            ));
        }
    }
    Ok(success(listed(faults, now).to_string().as_bytes()))
}

/// True when the request's `Host` is an address or `localhost`, or absent.
pub(super) fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true;
    };
    let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
    })
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
        return Err(too_many());
    }
    texts
        .iter()
        .map(|text| Rule::parse(text).map_err(|error| bad(error.to_string())))
        .collect()
}

fn too_many() -> Refusal {
    Refusal::http(
        StatusCode::BAD_REQUEST,
        format!("There may be {RULES_MAX} rules at a time."),
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn faults_are_not_for_names_that_anybody_can_point_here() {
        for (host, expected) in [
            ("127.0.0.1:8432", true),
            ("[::1]:8432", true),
            ("LOCALHOST:1", true),
            ("localhost", true),
            ("evil.example:8432", false),
            ("localhost.evil.example", false),
            ("user@127.0.0.1", true),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(names_this_machine(&headers), expected, "{host:?}");
        }
        assert!(names_this_machine(&HeaderMap::new()));
    }
}
