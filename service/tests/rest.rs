//! Sessions that nobody uses: leases, rest, coming back, also in another run of the service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use snowflake_session::domain::error::Reason;
use snowflake_session::domain::limits::Limits;
use snowflake_session::domain::session::Phase;
use snowflake_session::sessions::NewSession;
use support::engine::{Engine, name, request, summary};
use support::{Memory, limits};

const MINUTE: Duration = Duration::from_mins(1);

/// An hour of idle time, a lease of a quarter of it.
fn lasting() -> Limits {
    Limits {
        session_idle: 60 * MINUTE,
        transaction_lease: 15 * MINUTE,
        ..limits()
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_nobody_uses_is_rolled_back() {
    let engine = Engine::new(lasting());
    engine.run("create temp table t (a int)").await.unwrap();
    engine.run("begin").await.unwrap();
    engine.pass(14 * MINUTE).await;
    let summary = engine.run("insert into t").await.unwrap();
    assert!(summary.transaction_open, "each use begins the lease anew");
    let shown = engine.shown("default");
    let left = shown
        .transaction_expire_time
        .unwrap()
        .duration_since(shown.last_use_time);
    assert_eq!(left.unwrap(), 15 * MINUTE);
    engine.seen.take_sql();
    engine.pass(16 * MINUTE).await;
    assert_eq!(engine.seen.take_sql(), ["ROLLBACK"]);
    let error = engine.run("insert into t").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "session default has lost the open transaction (it was not used for 15min and was rolled back); nothing was run"
    );
    let shown = engine.shown("default");
    assert_eq!(
        (shown.phase, shown.journal.temporary_objects.len()),
        (Phase::Idle, 1)
    );
    assert_eq!(
        engine.seen.closes.load(Ordering::SeqCst),
        0,
        "the session goes on"
    );
    assert_eq!(engine.memory.record("default").journal.losses.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_does_not_run_while_the_session_is_used() {
    let engine = Engine::new(lasting());
    engine.run("begin").await.unwrap();
    let mut hanging = engine.execute(request("default", "hang")).await.unwrap();
    engine.pass(50 * MINUTE).await;
    let shown = engine.shown("default");
    assert_eq!((shown.phase, shown.transaction_expire_time), (Phase::Busy, None));
    assert!(shown.journal.transaction.is_some());
    let (running, _) = shown.running.unwrap();
    assert_eq!(running, hanging.request_id);
    engine
        .sessions
        .cancel_running(Some(&name("default")), None)
        .await
        .unwrap();
    assert!(hanging.events.recv().await.unwrap().is_err());
    assert!(engine.run("insert into t").await.unwrap().transaction_open);

    let unread = engine.execute(request("default", "rows 100")).await.unwrap();
    engine.pass(50 * MINUTE).await;
    let shown = engine.shown("default");
    assert_eq!((shown.reading_count, shown.transaction_expire_time), (1, None));
    assert!(summary(unread).await.unwrap().transaction_open);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_cannot_be_rolled_back_ends_with_its_session() {
    let engine = Engine::new(lasting());
    engine.run("begin").await.unwrap();
    engine.seen.expire();
    engine.pass(16 * MINUTE).await;
    let error = engine.run("insert into t").await.unwrap_err();
    assert!(error.to_string().contains("the open transaction"), "{error}");
    assert_eq!(engine.shown("default").phase, Phase::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_uses_rests_and_comes_back() {
    let engine = Engine::new(lasting());
    engine.run("use schema sales.east").await.unwrap();
    engine.run("set x = 1").await.unwrap();
    engine.pass(61 * MINUTE).await;
    assert_eq!(engine.sessions.counts(), (0, 0));
    assert_eq!(engine.seen.closes.load(Ordering::SeqCst), 1);
    engine.sessions.unused(MINUTE).await;
    let shown = engine.shown("default");
    assert_eq!(shown.phase, Phase::Disconnected);
    assert_eq!(shown.journal.context.database.as_deref(), Some("SALES"));
    assert_eq!(engine.sessions.list().len(), 1);
    engine.seen.take_sql();
    let summary = engine.run("select 1").await.unwrap();
    assert_eq!(summary.context.schema.as_deref(), Some("EAST"));
    assert_eq!(
        engine.seen.take_sql(),
        ["USE SCHEMA SALES.EAST", "SET X = 1", "select 1"]
    );
    assert_eq!(engine.sessions.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_rest_names_what_it_cost() {
    let engine = Engine::new(Limits {
        session_idle: 10 * MINUTE,
        ..lasting()
    });
    engine.run("create temp table t (a int)").await.unwrap();
    engine.run("begin").await.unwrap();
    engine.seen.take_sql();
    engine.pass(11 * MINUTE).await;
    assert_eq!(engine.seen.take_sql(), ["ROLLBACK"]);
    assert_eq!(engine.shown("default").journal.losses.len(), 2);
    let error = engine.run("select 1").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "session default has lost the open transaction, temporary TABLE T (it was not used for 10min); nothing was run"
    );
}

#[tokio::test(start_paused = true)]
async fn each_session_can_have_its_own_idle_limit() {
    let engine = Engine::new(lasting());
    for (session, minutes) in [("short", 5), ("long", 600)] {
        let made = engine
            .sessions
            .create(NewSession {
                session: Some(name(session)),
                login: true,
                idle_limit: Some(minutes * MINUTE),
                ..NewSession::default()
            })
            .await
            .unwrap();
        assert_eq!(made.idle_limit, minutes * MINUTE);
    }
    engine.run("select 1").await.unwrap();
    for (minutes, running) in [(6, 2), (60, 1), (500, 1), (100, 0)] {
        engine.pass(minutes * MINUTE).await;
        assert_eq!(
            engine.sessions.counts().0,
            running,
            "after {minutes} more minutes"
        );
    }
    engine.run_in("short", "select 1").await.unwrap();
    engine.pass(6 * MINUTE).await;
    assert_eq!(
        engine.sessions.counts().0,
        0,
        "a session that comes back keeps its limit"
    );
}

#[tokio::test(start_paused = true)]
async fn resting_sessions_do_not_count_and_can_be_closed_and_reset() {
    let engine = Engine::new(Limits {
        sessions_max: 1,
        ..lasting()
    });
    engine.run_in("a", "set x = 1 + 1").await.unwrap();
    engine.pass(61 * MINUTE).await;
    engine.run_in("b", "select 1").await.unwrap();
    assert_eq!(engine.memory.names(), ["a", "b"]);
    let error = engine.run_in("a", "select 1").await.unwrap_err();
    assert_eq!(error.reason(), Reason::LimitReached);
    assert_eq!(engine.shown("a").journal.losses.len(), 1, "it is still there");
    let taken = engine
        .sessions
        .create(NewSession {
            session: Some(name("a")),
            ..NewSession::default()
        })
        .await
        .unwrap_err();
    assert_eq!(taken.to_string(), "session a exists already");
    let reset = engine.sessions.reset(&name("a")).await.unwrap();
    assert_eq!(
        (reset.snapshot.phase, reset.snapshot.journal.losses.len()),
        (Phase::New, 0)
    );
    let closed = engine.sessions.close(&name("a")).await.unwrap();
    assert!(closed.logout_confirmed);
    assert_eq!(engine.memory.names(), ["b"]);
    assert!(engine.sessions.get(&name("a")).is_err());
    engine.sessions.close(&name("b")).await.unwrap();
    assert_eq!(engine.memory.names(), Vec::<String>::new());
    assert!(engine.sessions.close(&name("b")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_of_too_many_resting_sessions_go() {
    let kept = Limits {
        kept_max: 2,
        keep: 300 * MINUTE,
        ..lasting()
    };
    let engine = Engine::new(kept.clone());
    for session in ["a", "b", "c"] {
        engine.run_in(session, "select 1").await.unwrap();
        engine.pass(MINUTE).await;
    }
    engine.pass(61 * MINUTE).await;
    assert_eq!(engine.memory.names(), ["b", "c"]);
    engine.pass(200 * MINUTE).await;
    engine.run_in("d", "select 1").await.unwrap();
    engine.pass(61 * MINUTE).await;
    assert_eq!(engine.memory.names(), ["d"], "the others are too old");
    // The next run of the service looks too.
    engine.run_in("e", "select 1").await.unwrap();
    engine.run_in("f", "select 1").await.unwrap();
    let next = Engine::with_memory(kept, engine.memory.clone());
    assert_eq!(next.sessions.list().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_service_says_what_that_cost_when_it_runs_again() {
    let memory = Memory::default();
    let engine = Engine::with_memory(lasting(), memory.clone());
    engine.run("use schema sales.east").await.unwrap();
    engine.run("begin").await.unwrap();
    engine.run_in("other", "set x = 1").await.unwrap();
    engine.sessions.start_draining();
    engine.sessions.close_all().await;
    assert!(engine.seen.sql().contains(&"ROLLBACK".to_owned()));

    let engine = Engine::with_memory(lasting(), memory);
    assert_eq!(engine.sessions.counts(), (0, 0), "nobody logs in");
    assert_eq!(engine.shown("default").phase, Phase::Disconnected);
    let error = engine.run("select 1").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "session default has lost the open transaction (the service was stopped); nothing was run"
    );
    engine.run_in("other", "select 1").await.unwrap();
    assert_eq!(engine.seen.take_sql(), ["SET X = 1", "select 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_service_says_it_too() {
    let memory = Memory::default();
    let engine = Engine::with_memory(lasting(), memory.clone());
    engine.run("create temp table t (a int)").await.unwrap();
    engine.run_in("plain", "select 1").await.unwrap();
    // What a kill leaves behind is what was kept by then.
    let left = Memory::default();
    *left.records.lock().unwrap() = memory.records.lock().unwrap().clone();
    let engine = Engine::with_memory(lasting(), left.clone());
    let error = engine.run("select 1").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "session default has lost temporary TABLE T (the service ended unexpectedly); nothing was run"
    );
    engine.run_in("plain", "select 1").await.unwrap();
    let accepting = snowflake_session::sessions::QueryRequest {
        accept_loss: true,
        ..request("default", "select 1")
    };
    summary(engine.execute(accepting).await.unwrap()).await.unwrap();
    assert_eq!(left.record("default").journal.losses, []);
}

#[tokio::test(start_paused = true)]
async fn only_what_changed_is_written() {
    let engine = Engine::new(lasting());
    let writes = || engine.memory.writes.load(Ordering::SeqCst);
    engine.run("select 1").await.unwrap();
    assert_eq!(writes(), 1, "the login");
    for (text, written) in [
        ("select 1", 0),
        ("insert into t", 0),
        ("set x = 1", 1),
        ("set x = 1", 0),
        ("use schema sales.east", 1),
        ("begin", 1),
        ("insert into t", 0),
        ("rollback", 1),
    ] {
        let before = writes();
        engine.run(text).await.unwrap();
        assert_eq!(writes() - before, written, "{text}");
    }
}
