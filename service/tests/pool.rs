//! What a pool keeps, hands out and gives up while logins work.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "support/upstreams.rs"]
mod upstreams;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use snowflake_session::domain::error::Reason;
use snowflake_session::domain::upstream::Connector as _;
use tokio::time::{Instant, timeout};
use upstreams::{Answer, Health, LOGIN_TIME, MINUTE, SECOND, dev, log_in, pass, pool, spares, status};

#[tokio::test(start_paused = true)]
async fn nothing_is_logged_in_before_somebody_does() {
    let (pool, upstreams) = pool(2, 4);
    pass(60 * MINUTE).await;
    assert_eq!(upstreams.world().tries, 0);
    assert!(pool.pools().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_second_login_costs_nothing_and_is_replaced() {
    let (pool, upstreams) = pool(1, 4);
    assert_eq!(log_in(&pool).await.unwrap(), 1);
    pass(2 * LOGIN_TIME).await;
    assert_eq!(spares(&pool), 1);
    let before = Instant::now();
    assert_eq!(log_in(&pool).await.unwrap(), 2);
    assert_eq!(before.elapsed(), Duration::ZERO);
    pass(2 * LOGIN_TIME).await;
    assert_eq!(log_in(&pool).await.unwrap(), 3);
    assert!(upstreams.world().checked.is_empty(), "fresh spares need no check");
}

#[tokio::test(start_paused = true)]
async fn fifty_at_once_log_in_one_after_the_other() {
    let (pool, upstreams) = pool(1, 4);
    let logins = join_all((0..50).map(|_| log_in(&pool))).await;
    let different: HashSet<i64> = logins.into_iter().map(Result::unwrap).collect();
    assert_eq!(different.len(), 50);
    assert_eq!(upstreams.world().logging_in_max, 1);
    assert_eq!(
        upstreams.opened(),
        50,
        "no login is made in vain while others wait"
    );
}

#[tokio::test(start_paused = true)]
async fn connections_do_not_wait_for_each_other() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[Answer::Hangs]);
    let hanging = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { log_in(&pool).await }
    });
    pass(2 * LOGIN_TIME).await;
    let other = "other".parse().unwrap();
    timeout(2 * LOGIN_TIME, pool.login(&other))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(hanging.await.unwrap().unwrap_err().reason(), Reason::Timeout);
}

#[tokio::test(start_paused = true)]
async fn the_pool_grows_with_demand_and_shrinks_to_nothing() {
    let (pool, upstreams) = pool(1, 4);
    for _ in 0..3 {
        log_in(&pool).await.unwrap();
    }
    pass(10 * SECOND).await;
    assert_eq!(spares(&pool), 3, "as many as were used in the last minute");
    for _ in 0..5 {
        log_in(&pool).await.unwrap();
    }
    pass(10 * SECOND).await;
    assert_eq!(spares(&pool), 4, "but no more than the most");
    pass(2 * MINUTE).await;
    log_in(&pool).await.unwrap();
    pass(10 * SECOND).await;
    assert_eq!(spares(&pool), 3, "what is taken later is not replaced");
    pass(9 * MINUTE).await;
    assert_eq!(spares(&pool), 1, "old ones are logged out, down to the least");
    pass(2 * MINUTE).await;
    assert_eq!(upstreams.open(), 9, "only what sessions hold");
    assert!(pool.pools().is_empty(), "nobody keeps an unused pool");
}

#[tokio::test(start_paused = true)]
async fn spares_that_were_quiet_for_long_are_checked() {
    let (pool, upstreams) = pool(1, 1);
    log_in(&pool).await.unwrap();
    pass(29 * SECOND).await;
    assert_eq!(log_in(&pool).await.unwrap(), 2);
    assert!(upstreams.world().checked.is_empty());
    pass(40 * SECOND).await;
    assert_eq!(log_in(&pool).await.unwrap(), 3);
    assert_eq!(upstreams.world().checked, [3]);
}

#[tokio::test(start_paused = true)]
async fn after_a_sleep_of_the_machine_fresh_spares_are_checked_too() {
    let (pool, upstreams) = pool(2, 4);
    log_in(&pool).await.unwrap();
    pass(5 * SECOND).await;
    upstreams.world().slept = 60 * MINUTE;
    upstreams.world().health.insert(3, Health::Ill);
    assert_eq!(log_in(&pool).await.unwrap(), 2);
    assert_eq!(upstreams.world().checked, [3, 2]);
}

#[tokio::test(start_paused = true)]
async fn sick_spares_are_thrown_away_and_the_next_is_taken() {
    let (pool, upstreams) = pool(4, 4);
    log_in(&pool).await.unwrap();
    pass(40 * SECOND).await;
    assert_eq!(spares(&pool), 4);
    let sick = [(5, Health::Ill), (4, Health::Deaf), (3, Health::Dead)];
    upstreams.world().health.extend(sick);
    let before = Instant::now();
    assert_eq!(log_in(&pool).await.unwrap(), 2);
    assert_eq!(
        before.elapsed(),
        2 * SECOND,
        "the limit for the one that does not answer"
    );
    assert_eq!(upstreams.world().checked, [5, 4, 2]);
    pass(10 * SECOND).await;
    assert_eq!(
        HashSet::from([3, 4, 5]),
        upstreams.world().closed.iter().copied().collect()
    );
    assert_eq!(spares(&pool), 4, "all are replaced");
}

#[tokio::test(start_paused = true)]
async fn without_a_well_spare_there_is_a_real_login() {
    let (pool, upstreams) = pool(1, 4);
    log_in(&pool).await.unwrap();
    pass(40 * SECOND).await;
    upstreams.world().health.insert(2, Health::Ill);
    assert_eq!(log_in(&pool).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn spares_of_other_settings_are_not_handed_out() {
    let (pool, upstreams) = pool(2, 4);
    log_in(&pool).await.unwrap();
    pass(10 * SECOND).await;
    upstreams.world().settings = 7;
    let login = pool.login(&dev()).await.unwrap();
    assert_eq!(login.fingerprint.0, 7);
    pass(10 * SECOND).await;
    assert_eq!(upstreams.world().closed, [2, 3]);
    assert_eq!(spares(&pool), 2);
    assert_eq!(pool.login(&dev()).await.unwrap().fingerprint.0, 7);
}

#[tokio::test(start_paused = true)]
async fn a_login_of_settings_that_changed_meanwhile_is_made_again() {
    let (pool, upstreams) = pool(1, 4);
    let waiting = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.login(&dev()).await.unwrap().fingerprint.0 }
    });
    pass(LOGIN_TIME / 2).await;
    upstreams.world().settings = 7;
    assert_eq!(waiting.await.unwrap(), 7);
    pass(10 * SECOND).await;
    assert_eq!(upstreams.world().closed, [1]);
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_person_is_not_logged_in_for_stock() {
    let (pool, upstreams) = pool(2, 4);
    upstreams.world().one_time = true;
    log_in(&pool).await.unwrap();
    log_in(&pool).await.unwrap();
    pass(MINUTE).await;
    assert_eq!(upstreams.world().tries, 2);
    // The connection is given a passcode after a spare was wanted, and before it is logged in.
    upstreams.world().one_time = false;
    upstreams.answer(&[Answer::Succeeds, Answer::Fails(Reason::Unreachable)]);
    log_in(&pool).await.unwrap();
    pass(LOGIN_TIME / 2).await;
    upstreams.world().one_time = true;
    pass(MINUTE).await;
    assert_eq!(upstreams.world().tries, 4);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_nobody_waits_for_any_more_becomes_a_spare() {
    let (pool, upstreams) = pool(1, 4);
    assert!(timeout(LOGIN_TIME / 2, log_in(&pool)).await.is_err());
    pass(10 * SECOND).await;
    assert_eq!((upstreams.opened(), spares(&pool)), (1, 1));
    let before = Instant::now();
    assert_eq!(log_in(&pool).await.unwrap(), 1);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_handed_over_but_not_taken_comes_back() {
    let (pool, upstreams) = pool(1, 1);
    let mut late = Box::pin(log_in(&pool));
    assert!(futures_util::poll!(&mut late).is_pending());
    pass(10 * SECOND).await;
    assert_eq!(upstreams.opened(), 2, "one for the caller, one for stock");
    assert_eq!(spares(&pool), 1);
    drop(late);
    pass(SECOND).await;
    assert_eq!(spares(&pool), 1);
    assert_eq!(upstreams.world().closed, [1], "the pool has no room for it");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_turned_off_only_queues() {
    let (pool, upstreams) = pool(0, 0);
    let logins = join_all((0..5).map(|_| log_in(&pool))).await;
    assert!(logins.iter().all(Result::is_ok));
    assert_eq!(upstreams.world().logging_in_max, 1);
    assert!(timeout(LOGIN_TIME / 2, log_in(&pool)).await.is_err());
    pass(MINUTE).await;
    assert_eq!(upstreams.opened(), 6);
    assert_eq!(upstreams.open(), 5, "what nobody wants is logged out");
}

#[tokio::test(start_paused = true)]
async fn shutdown_leaves_nothing_open() {
    let (pool, upstreams) = pool(3, 4);
    log_in(&pool).await.unwrap();
    pass(10 * SECOND).await;
    // One more spare is on its way when the end comes, and so is somebody's login.
    log_in(&pool).await.unwrap();
    let other = "other".parse().unwrap();
    let waiting = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.login(&other).await.map(drop) }
    });
    pass(LOGIN_TIME / 4 * 3).await;
    assert!(status(&pool).unwrap().logging_in);
    assert_eq!(
        upstreams.open(),
        6,
        "two of sessions, two spares, two on their way"
    );
    pool.shutdown().await;
    assert_eq!(waiting.await.unwrap().unwrap_err().reason(), Reason::Draining);
    assert_eq!(log_in(&pool).await.unwrap_err().reason(), Reason::Draining);
    assert_eq!(upstreams.open(), 2, "only what the sessions hold");
    assert!(upstreams.world().shut_down);
    pass(60 * MINUTE).await;
    assert_eq!(upstreams.open(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_handed_over_but_not_taken_goes_with_the_pool() {
    let (pool, upstreams) = pool(0, 0);
    let mut late = Box::pin(log_in(&pool));
    assert!(futures_util::poll!(&mut late).is_pending());
    pass(10 * SECOND).await;
    pool.shutdown().await;
    assert_eq!(upstreams.open(), 1);
    drop(late);
    pass(SECOND).await;
    assert_eq!(upstreams.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_ever() {
    let (pool, upstreams) = pool(1, 4);
    upstreams.answer(&[Answer::Hangs]);
    let waiting = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { log_in(&pool).await }
    });
    pass(2 * LOGIN_TIME).await;
    let before = Instant::now();
    pool.shutdown().await;
    assert!(before.elapsed() <= 10 * SECOND);
    assert!(upstreams.world().shut_down);
    assert_eq!(waiting.await.unwrap().unwrap_err().reason(), Reason::Draining);
}
