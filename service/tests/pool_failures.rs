//! What a pool does when logins fail: who hears it, when it is tried again, and when not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "support/upstreams.rs"]
mod upstreams;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use snowflake_session::domain::error::Reason;
use snowflake_session::domain::pool::BreakerStatus;
use snowflake_session::domain::upstream::Connector as _;
use tokio::time::Instant;
use upstreams::{Answer, LOGIN_TIME, MINUTE, SECOND, log_in, pass, pool, spares, status};

const UNREACHABLE: Answer = Answer::Fails(Reason::Unreachable);
const REFUSED: Answer = Answer::Fails(Reason::LoginRefused);

#[tokio::test(start_paused = true)]
async fn a_failed_login_is_told_as_it_is() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[REFUSED]);
    let error = log_in(&pool).await.unwrap_err();
    assert_eq!(error.reason(), Reason::LoginRefused);
    assert_eq!(error.to_string(), "no luck");
    assert_eq!(log_in(&pool).await.unwrap(), 1);
    assert_eq!(status(&pool).unwrap().breaker, BreakerStatus::Closed);
}

#[tokio::test(start_paused = true)]
async fn after_five_failures_logins_fail_at_once_until_one_succeeds() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[UNREACHABLE; 6]);
    for _ in 0..5 {
        assert_eq!(log_in(&pool).await.unwrap_err().to_string(), "no luck");
    }
    let before = Instant::now();
    let error = log_in(&pool).await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(upstreams.world().tries, 5, "Snowflake is left alone");
    assert_eq!(error.reason(), Reason::Unreachable, "the reason is the cause's");
    assert!(
        error.to_string().contains("after 5 failures in a row: no luck"),
        "{error}"
    );
    assert!(error.facts().hint.is_some());
    let BreakerStatus::Open { cause, .. } = status(&pool).unwrap().breaker else {
        panic!("not open");
    };
    assert_eq!(cause, "no luck");
    pass(10 * SECOND).await;
    // One is let through, fails, and the next are told at once again.
    assert_eq!(log_in(&pool).await.unwrap_err().to_string(), "no luck");
    assert_ne!(log_in(&pool).await.unwrap_err().to_string(), "no luck");
    assert_eq!(upstreams.world().tries, 6);
    pass(20 * SECOND).await;
    log_in(&pool).await.unwrap();
    assert_eq!(status(&pool).unwrap().breaker, BreakerStatus::Closed);
}

#[tokio::test(start_paused = true)]
async fn while_one_login_decides_the_others_wait_for_it() {
    let (pool, upstreams) = pool(0, 4);
    upstreams.answer(&[UNREACHABLE; 5]);
    for _ in 0..5 {
        log_in(&pool).await.unwrap_err();
    }
    pass(10 * SECOND).await;
    upstreams.answer(&[UNREACHABLE]);
    let answers = join_all((0..10).map(|_| log_in(&pool))).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(upstreams.world().tries, 6);
}

#[tokio::test(start_paused = true)]
async fn hanging_logins_count_as_failures() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[Answer::Hangs; 5]);
    for _ in 0..5 {
        assert_eq!(log_in(&pool).await.unwrap_err().reason(), Reason::Timeout);
    }
    let error = log_in(&pool).await.unwrap_err();
    assert_eq!((error.reason(), upstreams.world().tries), (Reason::Timeout, 5));
}

#[tokio::test(start_paused = true)]
async fn wrong_passwords_are_tried_three_times_however_many_ask() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[REFUSED; 50]);
    let answers = join_all((0..50).map(|_| log_in(&pool))).await;
    assert!(answers.iter().all(|answer| {
        answer
            .as_ref()
            .is_err_and(|error| error.reason() == Reason::LoginRefused)
    }));
    pass(14 * MINUTE).await;
    log_in(&pool).await.unwrap_err();
    assert_eq!(upstreams.world().tries, 3);
    pass(MINUTE).await;
    log_in(&pool).await.unwrap_err();
    assert_eq!(upstreams.world().tries, 4);
}

#[tokio::test(start_paused = true)]
async fn corrected_settings_are_tried_at_once() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[REFUSED; 3]);
    for _ in 0..3 {
        log_in(&pool).await.unwrap_err();
    }
    assert_ne!(log_in(&pool).await.unwrap_err().to_string(), "no luck");
    upstreams.world().settings = 7;
    log_in(&pool).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_settings_that_changed_meanwhile_is_nobodys() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[REFUSED]);
    let gone = tokio::time::timeout(LOGIN_TIME / 4, log_in(&pool)).await;
    assert!(gone.is_err());
    upstreams.world().settings = 7;
    assert_eq!(
        log_in(&pool).await.unwrap(),
        1,
        "asked for while the refused login was on its way"
    );
}

#[tokio::test(start_paused = true)]
async fn spares_are_used_while_logins_fail() {
    let (pool, upstreams) = pool(2, 4);
    log_in(&pool).await.unwrap();
    pass(10 * SECOND).await;
    upstreams.answer(&[UNREACHABLE; 100]);
    assert_eq!(log_in(&pool).await.unwrap(), 3);
    pass(20 * SECOND).await;
    assert!(matches!(
        status(&pool).unwrap().breaker,
        BreakerStatus::Open { .. }
    ));
    assert_eq!(log_in(&pool).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn stock_is_refilled_with_growing_pauses() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[Answer::Succeeds]);
    upstreams.answer(&[UNREACHABLE; 8]);
    log_in(&pool).await.unwrap();
    pass(MINUTE).await;
    let failed = upstreams.world().tries - 1;
    // Without jitter the pauses are 0.5, 1, 2, 4, 8, 16, 32 seconds, with it at least half of that.
    assert!((5..=8).contains(&failed), "{failed} tries in a minute");
    pass(3 * MINUTE).await;
    assert_eq!(spares(&pool), 1, "it goes on until it succeeds");
    assert_eq!(status(&pool).unwrap().breaker, BreakerStatus::Closed);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_locked_by_refills() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[Answer::Succeeds, REFUSED]);
    log_in(&pool).await.unwrap();
    pass(5 * MINUTE).await;
    assert_eq!(upstreams.world().tries, 2, "one refused refill, and no other");
    log_in(&pool).await.unwrap();
    pass(10 * SECOND).await;
    assert_eq!(spares(&pool), 1, "after a login that worked it is refilled again");
}

#[tokio::test(start_paused = true)]
async fn nobody_keeps_a_connection_that_does_not_exist() {
    let (pool, upstreams) = pool(1, 4);
    let unknown = "unknown".parse().unwrap();
    let error = pool.login(&unknown).await.map(drop).unwrap_err();
    assert_eq!(error.reason(), Reason::Configuration);
    pass(SECOND).await;
    assert!(pool.pools().is_empty());
    assert_eq!(upstreams.world().tries, 0);
}

#[tokio::test(start_paused = true)]
async fn who_stopped_waiting_does_not_hold_up_the_next() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[UNREACHABLE]);
    let first = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { log_in(&pool).await }
    });
    pass(LOGIN_TIME / 4).await;
    let second = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { log_in(&pool).await }
    });
    pass(LOGIN_TIME / 4).await;
    first.abort();
    assert_eq!(
        second.await.unwrap().unwrap(),
        1,
        "the failure was not the second's"
    );
}
