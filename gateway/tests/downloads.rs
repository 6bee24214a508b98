//! Result parts over bad lines: cut, silent, crawling, garbled; always whole in the end, or an error.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod client;
mod mock;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use client::{Client, config, plan};
use http::HeaderMap;
use snowflake_session_gateway::{Fate, GatewayConfig, GatewayError};
use wire::{Deed, Heard, Wire, response};

const PART: &str = "part";

/// 100,000 bytes of which each says where it is.
fn part() -> Vec<u8> {
    (0..100_000_u32).map(|place| (place % 251) as u8).collect()
}

/// The first byte that a request asks for.
fn wanted_from(heard: &Heard) -> usize {
    let range = heard.headers.get("range").map(String::as_str);
    range.map_or(0, |range| {
        range
            .strip_prefix("bytes=")
            .and_then(|range| range.strip_suffix('-'))
            .unwrap()
            .parse()
            .unwrap()
    })
}

/// The answer of a storage that knows ranges.
fn rest_of_part(heard: &Heard) -> Vec<u8> {
    let (whole, from) = (part(), wanted_from(heard));
    if from == 0 {
        return response("200 OK", &[("etag", "\"v1\"")], &whole);
    }
    let range = format!("bytes {from}-{}/{}", whole.len() - 1, whole.len());
    response(
        "206 Partial Content",
        &[("content-range", &range)],
        &whole[from..],
    )
}

/// A storage that does `deed` with the request for the part, which knows how many came before it.
async fn storage(deed: impl Fn(&Heard) -> Deed + Send + Sync + 'static) -> Wire {
    Wire::start(move |heard| (heard.path == PART).then(|| deed(heard))).await
}

async fn download(wire: &Wire, config: GatewayConfig) -> Result<Bytes, GatewayError> {
    let client = Client::log_in(config, plan(wire.url.clone())).await.unwrap();
    let address = wire.url.join(PART).unwrap();
    client.session.download(address.as_str(), &HeaderMap::new()).await
}

fn cut(mut bytes: Vec<u8>, len: usize) -> Deed {
    bytes.truncate(len);
    Deed::SendAndReset(bytes)
}

/// Sends `len` bytes and falls silent. Unlike a reset, silence lets the other end read all of them.
fn stop(mut bytes: Vec<u8>, len: usize) -> Deed {
    bytes.truncate(len);
    Deed::Send(bytes)
}

fn impatient() -> GatewayConfig {
    GatewayConfig {
        chunk_timeout: Duration::from_millis(50),
        ..config()
    }
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let wire = storage(|heard| match heard.earlier {
        0 => stop(rest_of_part(heard), 50_000),
        1 => cut(rest_of_part(heard), 20),
        2 => Deed::status("503 Busy", &[]),
        _ => Deed::Send(rest_of_part(heard)),
    })
    .await;
    assert_eq!(download(&wire, impatient()).await.unwrap(), part());
    let heard = wire.heard(PART);
    assert_eq!(heard.len(), 4);
    assert!(heard[1..].iter().all(|heard| wanted_from(heard) > 40_000));
    assert_eq!(heard[3].headers["if-range"], "\"v1\"");
}

#[tokio::test]
async fn a_storage_without_ranges_sends_the_whole_again() {
    let wire = storage(|heard| {
        let whole = response("200 OK", &[], &part());
        if heard.earlier == 0 {
            stop(whole, 50_000)
        } else {
            Deed::Send(whole)
        }
    })
    .await;
    assert_eq!(download(&wire, impatient()).await.unwrap(), part());
    assert!(
        !wire.heard(PART)[1].headers.contains_key("if-range"),
        "no name to ask for"
    );
}

#[tokio::test]
async fn a_download_that_crawls_is_continued_elsewhere() {
    let wire = storage(|heard| {
        if heard.earlier == 0 {
            let mut bytes = rest_of_part(heard);
            bytes.truncate(bytes.len() - 100_000);
            // The right bytes would come in the end, but a part of this size would take days.
            return Deed::Trickle(bytes, Duration::from_millis(5));
        }
        Deed::Send(response("200 OK", &[], &part()))
    })
    .await;
    assert_eq!(download(&wire, impatient()).await.unwrap(), part());
    assert_eq!(wire.heard(PART).len(), 2);
}

#[tokio::test]
async fn progress_renews_patience_and_its_absence_ends_it() {
    let config = || {
        let mut config = impatient();
        config.retry.attempts_max = 2;
        config.retry.silent_attempts_max = 2;
        config.chunk_progress_bytes_min = 1000;
        config
    };
    // Ten thousand bytes at a time: ten connections, of which none but the last is whole.
    let wire = storage(|heard| stop(rest_of_part(heard), 10_000)).await;
    assert_eq!(download(&wire, config()).await.unwrap(), part());
    assert!(wire.heard(PART).len() > 9);

    let wire = storage(|heard| stop(response("200 OK", &[], &part()), 10_000 + heard.earlier)).await;
    let error = download(&wire, config()).await.unwrap_err();
    assert!(matches!(error, GatewayError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.fate(), Fate::MayHaveRun, "the statement has run");
    assert!(wire.heard(PART).len() < 5, "the same bytes again are no progress");
}

#[tokio::test]
async fn a_continuation_at_another_place_is_not_believed() {
    for range in [
        "bytes 7-99999/100000",
        "bytes 49000-99999/*",
        "bytes 49000-60000/100000",
    ] {
        let wire = storage(move |heard| match heard.earlier {
            0 => stop(rest_of_part(heard), 50_000),
            1 => Deed::Send(response(
                "206 Partial Content",
                &[("content-range", range)],
                b"xyz",
            )),
            _ => Deed::Send(rest_of_part(heard)),
        })
        .await;
        assert_eq!(download(&wire, impatient()).await.unwrap(), part());
        assert_eq!(wanted_from(&wire.heard(PART)[2]), 0, "from the start");
    }
}

#[tokio::test]
async fn a_continuation_of_another_version_is_not_believed() {
    let other = || part().iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
    let wire = storage(move |heard| match heard.earlier {
        0 => stop(rest_of_part(heard), 50_000),
        1 => {
            let from = wanted_from(heard);
            let range = format!("bytes {from}-99999/100000");
            let headers = [("content-range", range.as_str()), ("etag", "\"v2\"")];
            Deed::Send(response("206 Partial Content", &headers, &other()[from..]))
        }
        _ => Deed::Send(rest_of_part(heard)),
    })
    .await;
    assert_eq!(download(&wire, impatient()).await.unwrap(), part());
    assert_eq!(wanted_from(&wire.heard(PART)[2]), 0, "from the start");
}

#[tokio::test]
async fn a_range_that_is_no_longer_there_starts_again() {
    let wire = storage(|heard| match heard.earlier {
        0 => stop(rest_of_part(heard), 50_000),
        1 => Deed::status("416 Range Not Satisfiable", &[]),
        _ => Deed::Send(rest_of_part(heard)),
    })
    .await;
    assert_eq!(download(&wire, impatient()).await.unwrap(), part());
}

#[tokio::test]
async fn a_part_larger_than_the_limit_is_refused_before_it_comes() {
    let wire = storage(|heard| Deed::Send(rest_of_part(heard))).await;
    let config = GatewayConfig {
        chunk_body_bytes_max: 99_999,
        ..config()
    };
    let error = download(&wire, config).await.unwrap_err();
    assert!(
        matches!(&error, GatewayError::Protocol { message } if message.contains("limit")),
        "{error:?}"
    );
    assert_eq!(wire.heard(PART).len(), 1);
}
