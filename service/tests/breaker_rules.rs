//! How failures open the breaker, and what closes it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use snowflake_session::domain::breaker::{Breaker, BreakerRules};
use snowflake_session::domain::error::{Error, Facts, Reason};
use snowflake_session::domain::pool::BreakerStatus;

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> BreakerRules {
    BreakerRules {
        failures_max: 5,
        refusals_max: 3,
        retry_min: SECOND / 2,
        retry_max: 60 * SECOND,
        refused_wait: 900 * SECOND,
    }
}

fn unreached() -> Error {
    Error::new(Reason::Unreachable, "acme.test does not answer").with_hint("look at the network")
}

fn refused() -> Error {
    let facts = Facts {
        snowflake_code: Some("390100".into()),
        ..Facts::default()
    };
    Error::new(Reason::LoginRefused, "wrong password").with_facts(facts)
}

fn other() -> Error {
    Error::internal("odd")
}

#[test]
fn the_failure_that_opens_it_is_news() {
    let mut breaker = Breaker::new(rules());
    let news: Vec<bool> = (0..4)
        .map(|_| breaker.failed(&refused(), Instant::now(), 1.0))
        .collect();
    assert_eq!(news, [false, false, true, false]);
}

/// A breaker after these failures at one moment, without jitter.
fn after(failures: &[Error]) -> (Breaker, Instant) {
    let now = Instant::now();
    let mut breaker = Breaker::new(rules());
    for error in failures {
        breaker.failed(error, now, 1.0);
    }
    (breaker, now)
}

fn is_open(failures: &[Error]) -> bool {
    let (mut breaker, now) = after(failures);
    breaker.admit(now).is_err()
}

#[test]
fn failures_of_one_kind_open_it() {
    let (u, r, o) = (unreached, refused, other);
    assert!(!is_open(&[u(), u(), u(), u()]));
    assert!(is_open(&[u(), u(), u(), u(), u()]));
    assert!(!is_open(&[r(), r()]));
    assert!(is_open(&[r(), r(), r()]));
    // A server that refuses was reached, but an outage makes no password right.
    assert!(!is_open(&[u(), u(), u(), u(), r(), u()]));
    assert!(is_open(&[r(), r(), u(), r()]));
    assert!(!is_open(&[o(), o(), o(), o(), o(), o(), o()]));
}

#[test]
fn an_open_one_tells_the_last_failure_and_the_wait() {
    let (mut breaker, now) = after(&[refused(), refused(), refused()]);
    let error = breaker.admit(now + SECOND).unwrap_err();
    assert_eq!(error.reason(), Reason::LoginRefused);
    assert_eq!(
        error.to_string(),
        "no login is tried for another 15 min after 3 failures in a row: wrong password"
    );
    assert_eq!(error.facts().snowflake_code.as_deref(), Some("390100"));
    assert!(
        error
            .facts()
            .hint
            .as_deref()
            .unwrap()
            .contains("get the user locked")
    );

    let (mut breaker, now) = after(&[unreached(), unreached(), unreached(), unreached(), unreached()]);
    let error = breaker.admit(now + SECOND / 4).unwrap_err();
    assert_eq!(error.reason(), Reason::Unreachable);
    assert!(error.to_string().contains("for another 8 s"), "{error}");
    assert!(
        error
            .facts()
            .hint
            .as_deref()
            .unwrap()
            .starts_with("look at the network; ")
    );
}

#[test]
fn after_the_wait_one_login_decides() {
    let (mut breaker, opened) = after(&[unreached(), unreached(), unreached(), unreached(), unreached()]);
    let now = opened + 8 * SECOND;
    breaker.admit(now).unwrap();
    assert_eq!(breaker.status(), BreakerStatus::HalfOpen);
    assert!(!breaker.failed(&unreached(), now, 1.0), "that is no news");
    assert!(
        breaker.admit(now + 15 * SECOND).is_err(),
        "one failure opens it again, for twice as long"
    );
    breaker.admit(now + 16 * SECOND).unwrap();
    breaker.close();
    assert_eq!(breaker.status(), BreakerStatus::Closed);
    assert!(breaker.is_pristine());
    assert!(!breaker.failed(&unreached(), now, 1.0), "counting begins anew");
}

#[test]
fn what_says_nothing_about_the_cause_leaves_it_open() {
    let (mut breaker, opened) = after(&[refused(), refused(), refused()]);
    let now = opened + 900 * SECOND;
    breaker.admit(now).unwrap();
    breaker.failed(&other(), now, 1.0);
    assert!(breaker.admit(now).is_err());
}

#[test]
fn nothing_is_tried_unattended_after_a_refusal() {
    let (breaker, now) = after(&[]);
    assert_eq!(breaker.unattended_from(now), Some(now));
    let (breaker, now) = after(&[unreached(), unreached()]);
    assert_eq!(breaker.unattended_from(now), Some(now + SECOND));
    let (mut breaker, now) = after(&[refused()]);
    assert_eq!(breaker.unattended_from(now + 9000 * SECOND), None);
    breaker.failed(&unreached(), now, 1.0);
    assert_eq!(
        breaker.unattended_from(now + 9000 * SECOND),
        None,
        "an outage makes no password right"
    );
    breaker.close();
    assert_eq!(breaker.unattended_from(now), Some(now));
}

#[test]
fn pauses_double_up_to_their_limit_and_are_spread() {
    let pause = |count, chance| {
        let now = Instant::now();
        let mut breaker = Breaker::new(rules());
        for _ in 0..count {
            breaker.failed(&unreached(), now, chance);
        }
        (breaker.unattended_from(now).unwrap() - now).as_millis()
    };
    assert_eq!(
        [1, 2, 3, 7, 8, 1000].map(|count| pause(count, 1.0)),
        [500, 1000, 2000, 32_000, 60_000, 60_000]
    );
    assert_eq!([0.0, 0.5, 1.0].map(|chance| pause(3, chance)), [1000, 1500, 2000]);
}

#[test]
fn waits_are_rounded_up() {
    let (mut breaker, opened) = after(&[refused(), refused(), refused()]);
    for (left, words) in [(1, "1 s"), (8000, "8 s"), (119_001, "2 min"), (121_000, "3 min")] {
        let now = opened + Duration::from_millis(900_000 - left);
        let told = breaker.admit(now).unwrap_err().to_string();
        assert!(told.contains(&format!("for another {words} after")), "{told}");
    }
}

#[test]
fn a_refusal_that_locks_nobody_out_costs_a_short_pause() {
    for code in ["390422", "390144", "394304"] {
        let facts = Facts {
            snowflake_code: Some(code.into()),
            ..Facts::default()
        };
        let error = || Error::new(Reason::LoginRefused, "not from here").with_facts(facts.clone());
        assert!(!is_open(&[error(), error(), error(), error()]), "{code}");
        let (mut breaker, now) = after(&[error(), error(), error(), error(), error()]);
        let told = breaker.admit(now).unwrap_err();
        assert_eq!(told.reason(), Reason::LoginRefused);
        breaker.admit(now + 8 * SECOND).unwrap();
    }
}
