//! What may have run is said to have perhaps run, wherever the session ends meanwhile, and never runs again unasked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use snowflake_session::domain::error::{Error, Reason};
use snowflake_session::domain::history::{QueryRecord, QueryRef, QueryState};
use snowflake_session::domain::query::RowWindow;
use snowflake_session::sessions::{NewSession, QueryRequest, QueryTarget, ReadRequest, ResultStream};
use support::engine::{Engine, name, request, summary};
use support::limits;

const SECOND: Duration = Duration::from_secs(1);

fn target(query: &str) -> QueryTarget {
    QueryTarget {
        session: Some(name("default")),
        connection: None,
        query: QueryRef::parse(query).unwrap(),
    }
}

/// Begins to submit a statement; the answer comes when it comes.
fn submit(engine: &Engine, text: &str) -> tokio::task::JoinHandle<Result<QueryRecord, Error>> {
    let sessions = engine.sessions.clone();
    let request = request("default", text);
    tokio::spawn(async move { sessions.submit(request).await })
}

/// The latest query as it is remembered, without asking anybody.
fn latest(engine: &Engine) -> QueryRecord {
    let page = engine.sessions.list_queries(None, false, None, 1);
    page.records.into_iter().next().unwrap()
}

async fn end_of(mut result: ResultStream) -> Result<(), Error> {
    while let Some(event) = result.events.recv().await {
        event?;
    }
    Ok(())
}

/// Repeats a request whose answer was an error, and checks that it is the same one.
async fn same_when_repeated(engine: &Engine, text: &str, first: &Error) {
    let record = latest(engine);
    let repeated = QueryRequest {
        request_id: record.request_id.unwrap(),
        ..request("default", text)
    };
    let again = summary(engine.execute(repeated).await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(
        (again.reason(), again.to_string(), again.may_have_run()),
        (first.reason(), first.to_string(), first.may_have_run()),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_submission_whose_session_is_closed_is_not_sent_again() {
    for draining in [false, true] {
        let engine = Engine::new(limits());
        engine.run("select 1").await.unwrap();
        let submission = submit(&engine, "mute");
        engine.pass(SECOND).await;
        if draining {
            engine.sessions.start_draining();
            engine.sessions.close_all().await;
        } else {
            let closed = engine.sessions.close(&name("default")).await.unwrap();
            assert_eq!((closed.jobs_left, closed.logout_confirmed), (1, false));
        }
        assert_eq!(
            engine.seen.closes.load(Ordering::SeqCst),
            0,
            "a logout could stop it"
        );
        let error = submission.await.unwrap().unwrap_err();
        assert_eq!(
            (error.reason(), error.may_have_run()),
            (Reason::Unreachable, true)
        );
        assert!(
            error
                .to_string()
                .ends_with("it may have run: look before running it again"),
            "{error}"
        );
        assert_eq!(latest(&engine).state, QueryState::Unknown);
        assert_eq!(engine.seen.sql(), ["select 1", "mute"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_leaves_a_submission_on_its_way_running() {
    let engine = Engine::new(limits());
    engine.run("select 1").await.unwrap();
    let submission = submit(&engine, "mute");
    engine.pass(SECOND).await;
    engine.sessions.reset(&name("default")).await.unwrap();
    assert_eq!(engine.seen.closes.load(Ordering::SeqCst), 0);
    submission.abort();
}

#[tokio::test(start_paused = true)]
async fn a_late_error_of_an_old_upstream_session_leaves_the_new_one() {
    let engine = Engine::new(limits());
    submit(&engine, "rows 1").await.unwrap().unwrap();
    let read = ReadRequest {
        target: target("job-1"),
        window: RowWindow {
            offset: 0,
            limit: None,
        },
        timeout: None,
    };
    let result = engine.sessions.read_results(read).await.unwrap();
    engine.pass(SECOND).await;
    engine.seen.expire();
    engine.run("begin").await.unwrap();
    assert_eq!(engine.seen.logins.load(Ordering::SeqCst), 2);
    engine.seen.queries.finish("job-1");
    end_of(result).await.unwrap();
    assert!(engine.run("insert into t").await.unwrap().transaction_open);
    assert_eq!(engine.seen.logins.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_hears_the_same_doubt() {
    let engine = Engine::new(limits());
    let error = engine.run("vanish").await.unwrap_err();
    assert!(error.may_have_run());
    same_when_repeated(&engine, "vanish", &error).await;
    let error = engine.run("fail").await.unwrap_err();
    assert!(!error.may_have_run());
}

#[tokio::test(start_paused = true)]
async fn what_was_submitted_in_a_session_that_is_gone_is_unknown_until_somebody_asks() {
    for reset in [true, false] {
        let engine = Engine::new(limits());
        submit(&engine, "rows 1").await.unwrap().unwrap();
        if reset {
            engine.sessions.reset(&name("default")).await.unwrap();
        } else {
            engine.seen.kill();
            engine.run("select 1").await.unwrap();
        }
        let left = latest_submitted(&engine);
        assert_eq!(left.state, QueryState::Unknown, "reset: {reset}");
        assert!(
            left.failure
                .unwrap()
                .message
                .ends_with("; the submitted statement may go on at Snowflake")
        );
        let mut watch = engine.sessions.watch_query(&target("job-1")).await.unwrap();
        let first = watch.next().await.unwrap().unwrap();
        assert_eq!(first.state, QueryState::Running, "asked for, it is looked at");
        engine.seen.queries.finish("job-1");
        let mut last = first;
        while let Some(told) = watch.next().await {
            last = told.unwrap();
        }
        assert_eq!(last.state, QueryState::Succeeded);
    }
}

fn latest_submitted(engine: &Engine) -> QueryRecord {
    let page = engine.sessions.list_queries(None, true, None, 1);
    page.records.into_iter().next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_ended_well_after_its_time_is_said_to_have_run() {
    let engine = Engine::new(limits());
    let late = QueryRequest {
        timeout: Some(SECOND),
        ..request("default", "late")
    };
    let error = summary(engine.execute(late).await.unwrap()).await.unwrap_err();
    assert_eq!((error.reason(), error.may_have_run()), (Reason::Timeout, true));
    assert!(
        error.to_string().ends_with("; the statement had run by then"),
        "{error}"
    );
    assert_eq!(latest(&engine).state, QueryState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn an_interruption_does_not_hide_that_the_end_is_not_known() {
    let engine = Engine::new(limits());
    let torn = engine.execute(request("default", "torn")).await.unwrap();
    engine.pass(SECOND).await;
    engine
        .sessions
        .cancel_running(Some(&name("default")), None)
        .await
        .unwrap();
    let error = summary(torn).await.unwrap_err();
    assert_eq!((error.reason(), error.may_have_run()), (Reason::Cancelled, true));
    assert_eq!(latest(&engine).state, QueryState::Unknown);
    same_when_repeated(&engine, "torn", &error).await;
}

#[tokio::test(start_paused = true)]
async fn a_procedure_whose_session_ends_under_it_is_not_called_again() {
    for (text, reason) in [
        ("call aborted", Reason::Cancelled),
        ("call broken", Reason::SqlRejected),
    ] {
        let engine = Engine::new(limits());
        let error = engine.run(text).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert_eq!(engine.seen.sql(), [text], "its first parts may stand");
        engine.run("select 1").await.unwrap();
        assert_eq!(engine.seen.logins.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_meets_an_expired_session_goes_out_after_a_new_login() {
    let engine = Engine::new(limits());
    engine.run("select 1").await.unwrap();
    engine.seen.expire();
    let record = submit(&engine, "rows 1").await.unwrap().unwrap();
    assert_eq!(record.state, QueryState::Running);
    assert_eq!(engine.seen.logins.load(Ordering::SeqCst), 2);
    assert_eq!(engine.seen.sql(), ["select 1", "rows 1"]);

    let error = submit(&engine, "die").await.unwrap().unwrap_err();
    assert_eq!(
        (error.reason(), error.may_have_run()),
        (Reason::Unreachable, true)
    );
    assert_eq!(latest(&engine).state, QueryState::Unknown);
    assert_eq!(engine.seen.sql(), ["select 1", "rows 1", "die"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_submission_changes_is_kept_before_its_answer() {
    let engine = Engine::new(limits());
    engine.run("begin").await.unwrap();
    engine.seen.kill();
    engine.run("select 1").await.unwrap_err();
    assert!(!engine.shown("default").journal.losses.is_empty());
    let accepting = QueryRequest {
        accept_loss: true,
        ..request("default", "create temp table t (a int)")
    };
    engine.sessions.submit(accepting).await.unwrap();
    let journal = engine.memory.record("default").journal;
    assert_eq!(
        (
            journal.temporary_objects.len(),
            journal.losses.len(),
            journal.transaction
        ),
        (1, 0, None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_submission_waits_for_a_begin_that_runs() {
    let engine = Engine::new(limits());
    engine.run("select 1").await.unwrap();
    let begin = "begin transaction name slow";
    let beginning = engine.execute(request("default", begin)).await.unwrap();
    engine.pass(SECOND).await;
    let submission = submit(&engine, "insert into t");
    summary(beginning).await.unwrap();
    let error = submission.await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("a transaction is open"), "{error}");
    assert_eq!(engine.seen.sql(), ["select 1", begin]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_exist_leaves_no_session_behind() {
    let engine = Engine::new(limits());
    let new = NewSession {
        connection: Some("unknown".parse().unwrap()),
        allow_existing: true,
        ..NewSession::default()
    };
    let error = engine.sessions.create(new).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Configuration);
    assert!(engine.sessions.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_closed_while_the_service_stops_is_not_kept() {
    let engine = Engine::new(limits());
    engine.run("set x = 1").await.unwrap();
    engine.run_in("other", "select 1").await.unwrap();
    let _hanging = engine.execute(request("default", "deaf")).await.unwrap();
    engine.pass(SECOND).await;
    engine.sessions.start_draining();
    let stopping = engine.sessions.clone();
    let stopping = tokio::spawn(async move { stopping.close_all().await });
    engine.pass(Duration::from_millis(1)).await;
    engine.sessions.close(&name("default")).await.unwrap();
    stopping.await.unwrap();
    assert_eq!(engine.memory.names(), ["other"]);
}

#[tokio::test(start_paused = true)]
async fn doubts_about_statements_of_the_session_itself_are_not_told_as_the_users() {
    let engine = Engine::new(limits());
    engine.run("set x = 1").await.unwrap();
    engine.run("call begin").await.unwrap();
    engine.run("rollback").await.unwrap();
    engine.seen.kill();
    for (unheard, before) in [("set x", None), ("select 1 from", Some("call begin"))] {
        engine.seen.unheard.lock().unwrap().push(unheard.to_owned());
        if let Some(before) = before {
            engine.run(before).await.unwrap();
        }
        engine.seen.take_sql();
        let error = engine.run("insert into t").await.unwrap_err();
        assert_eq!(
            (error.reason(), error.may_have_run()),
            (Reason::Unreachable, false)
        );
        assert!(error.to_string().ends_with("; nothing was run"), "{error}");
        assert!(!error.to_string().contains("it may have run"), "{error}");
        assert_eq!(latest(&engine).state, QueryState::Failed);
        assert!(!engine.seen.take_sql().contains(&"insert into t".to_owned()));
        engine.seen.unheard.lock().unwrap().clear();
    }
}
