//! Sessions through their states, as tables where there are many.

use super::*;
use crate::domain::query::StatementKind;
use crate::domain::statement;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn session() -> Session {
    let mut session = Session::new(SessionName::default_name(), ConnectionName::local(), None);
    assert!(matches!(session.next_step(false), Step::Login));
    session.connecting();
    assert_eq!(session.connected(identity(), context("DB"), true, NOW), []);
    session
}

fn identity() -> Identity {
    Identity {
        user: "ME".into(),
        ..Identity::default()
    }
}

fn context(database: &str) -> Context {
    Context {
        database: Some(database.into()),
        ..Context::default()
    }
}

/// A statement that succeeds; Snowflake says that it is of this kind.
fn run(session: &mut Session, sql: &str, kind: StatementKind) -> Vec<String> {
    session.started();
    let executed = Executed {
        kind,
        context: context("DB"),
        query_id: "q1".into(),
        ..Executed::default()
    };
    session.finished(&statement::check(sql, 1000).unwrap(), &executed, NOW)
}

fn fail(session: &mut Session, sql: &str, error: &Error) {
    session.failed(&statement::check(sql, 1000).unwrap(), error);
}

fn refused(session: &mut Session) -> String {
    match session.next_step(false) {
        Step::Refuse(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

use StatementKind::{Call, Ddl, Dml, Query, Session as Setting, Transaction};

#[test]
fn a_statement_runs_after_one_login() {
    let mut session = session();
    assert!(matches!(session.next_step(false), Step::Run));
    session.started();
    assert_eq!(session.phase(), Phase::Busy);
    run(&mut session, "select 1", Query);
    assert_eq!((session.phase(), session.last_query_id()), (Phase::Idle, "q1"));
}

#[test]
fn transactions_open_and_end() {
    let mut session = session();
    for (sql, kind, open, notice) in [
        ("begin", Transaction, true, ""),
        ("insert into t values (1)", Dml, true, ""),
        (
            "begin",
            Transaction,
            true,
            "a transaction was open already; this BEGIN changed nothing",
        ),
        ("commit", Transaction, false, ""),
        (
            "commit",
            Transaction,
            false,
            "no transaction was open; this COMMIT changed nothing",
        ),
        (
            "rollback",
            Transaction,
            false,
            "no transaction was open; this ROLLBACK changed nothing",
        ),
        ("begin", Transaction, true, ""),
        (
            "create table t (a int)",
            Ddl,
            false,
            "the open transaction was committed by this DDL statement",
        ),
        ("drop table t", Ddl, false, ""),
        ("insert into t values (1)", Dml, false, ""),
        ("alter session set autocommit = false", Setting, false, ""),
        ("select 1", Query, false, ""),
        ("insert into t values (1)", Dml, true, ""),
        ("rollback", Transaction, false, ""),
        ("alter session unset autocommit", Setting, false, ""),
        ("insert into t values (1)", Dml, false, ""),
    ] {
        let notices = run(&mut session, sql, kind);
        assert_eq!(session.transaction_open(), open, "{sql}");
        assert_eq!(notices.join(";"), notice, "{sql}");
        assert!(!session.transaction_is_doubtful(), "{sql}");
    }
}

#[test]
fn snowflake_is_asked_after_statements_that_can_do_anything() {
    for (sql, kind, in_transaction, asked) in [
        ("call p()", Call, false, true),
        ("begin return 1; end", Call, true, true),
        ("execute immediate 'x'", StatementKind::Unknown, false, true),
        ("select p()", StatementKind::Multi, false, true),
        ("alter session set autocommit = true", Setting, true, true),
        ("alter session set autocommit = true", Setting, false, false),
        ("insert into t values (1)", Dml, true, false),
    ] {
        let mut session = session_with(in_transaction);
        run(&mut session, sql, kind);
        check_doubt(&mut session, asked, sql);
    }
}

#[test]
fn snowflake_is_asked_after_failures_that_may_have_ended_or_begun_a_transaction() {
    let rejected = || Error::new(Reason::SqlRejected, "no");
    let not_sent = || Error::new(Reason::Unreachable, "gone");
    let unheard = || not_sent().with_doubt();
    for (sql, error, in_transaction, asked) in [
        ("create table t (a int)", rejected(), true, true),
        ("create table t (a int)", rejected(), false, false),
        ("begin return 1; end", rejected(), false, true),
        ("begin", unheard(), false, true),
        ("begin", not_sent(), false, false),
        ("select 1", not_sent(), true, false),
        ("select 1", unheard(), false, false),
        ("commit", unheard(), true, true),
    ] {
        let mut session = session_with(in_transaction);
        fail(&mut session, sql, &error);
        check_doubt(&mut session, asked, sql);
    }
}

fn session_with(transaction: bool) -> Session {
    let mut session = session();
    if transaction {
        run(&mut session, "begin", Transaction);
    }
    session
}

#[track_caller]
fn check_doubt(session: &mut Session, asked: bool, sql: &str) {
    let open = session.transaction_open();
    let asks = matches!(session.next_step(false), Step::AskTransaction);
    assert_eq!(asks, asked, "{sql}");
    assert_eq!(
        session.closing(),
        open || asked,
        "{sql}: what may be open is rolled back"
    );
}

#[test]
fn what_snowflake_says_of_the_transaction_counts() {
    let mut session = session();
    run(&mut session, "call p()", Call);
    assert_eq!(session.transaction_told(true, false, NOW), None);
    assert!(session.transaction_open());
    run(&mut session, "call p()", Call);
    assert_eq!(
        session.transaction_told(false, false, NOW).as_deref(),
        Some("the open transaction was ended by this statement")
    );
    assert!(matches!(session.next_step(false), Step::Run));

    run(&mut session, "begin", Transaction);
    fail(
        &mut session,
        "commit",
        &Error::new(Reason::SqlRejected, "conflict"),
    );
    assert_eq!(session.transaction_told(false, false, NOW), None);
    assert!(
        matches!(session.next_step(false), Step::Run),
        "the failed commit was told"
    );

    run(&mut session, "begin", Transaction);
    fail(
        &mut session,
        "insert into t values (1)",
        &Error::new(Reason::SqlRejected, "no"),
    );
    assert_eq!(session.transaction_told(false, false, NOW), None);
    assert_eq!(
        refused(&mut session),
        "session default has lost the open transaction (Snowflake ended it when a statement failed); nothing was run"
    );
}

#[test]
fn an_end_that_is_heard_of_too_late_for_the_answer_is_a_loss() {
    let mut session = session_with(true);
    run(&mut session, "call p()", Call);
    fail(
        &mut session,
        "select 1",
        &Error::new(Reason::Unreachable, "gone").with_doubt(),
    );
    assert_eq!(session.transaction_told(false, true, NOW), None);
    assert_eq!(
        refused(&mut session),
        "session default has lost the open transaction (an earlier statement ended it); nothing was run"
    );
}

#[test]
fn an_end_that_nobody_heard_of_is_a_loss() {
    for (sql, kind, lost) in [
        ("create table t (a int)", Ddl, true),
        ("commit", Transaction, false),
        ("insert into t values (1)", Dml, false),
    ] {
        let mut session = session_with(true);
        run(&mut session, sql, kind);
        session.ended_unheard(&statement::check(sql, 1000).unwrap());
        assert_eq!(!session.losses().is_empty(), lost, "{sql}");
    }
}

#[test]
fn a_loss_is_said_until_it_is_accepted_then_the_rest_is_restored() {
    let mut session = session();
    run(&mut session, "begin", Transaction);
    run(&mut session, "set x = 1 + 1", Setting);
    run(&mut session, "set y = 'a'", Setting);
    session.upstream_lost("it had expired");
    assert_eq!(session.phase(), Phase::Disconnected);
    for _ in 0..2 {
        assert_eq!(
            refused(&mut session),
            "session default has lost the open transaction, variable X (it had expired); nothing was run"
        );
    }
    assert!(matches!(session.next_login_step(), Step::Login));
    assert!(matches!(session.next_step(true), Step::Login));
    assert!(
        matches!(session.next_step(false), Step::Login),
        "once accepted is accepted"
    );
    session.connecting();
    let steps = session.connected(identity(), context("OTHER"), true, NOW);
    let sql: Vec<&str> = steps.iter().map(|step| step.sql.as_str()).collect();
    assert_eq!(sql, ["USE DATABASE DB", "SET Y = 'a'"]);
    let refusal = (
        LossKind::Variable,
        "Y".to_owned(),
        "Snowflake refused it".to_owned(),
    );
    session.restored(Some(context("DB")), vec![refusal]);
    assert!(!session.transaction_open());
    assert_eq!(
        refused(&mut session),
        "session default has lost variable Y (Snowflake refused it); nothing was run"
    );
    assert!(matches!(session.next_step(true), Step::Run));
    assert!(session.journal().variables.is_empty());
}

#[test]
fn autocommit_is_restored_with_the_parameters() {
    let mut session = session();
    run(&mut session, "alter session set autocommit = false", Setting);
    session.upstream_lost("it had expired");
    session.connecting();
    assert_eq!(session.connected(identity(), context("DB"), true, NOW).len(), 1);
    session.restored(Some(context("DB")), Vec::new());
    run(&mut session, "insert into t values (1)", Dml);
    assert!(session.transaction_open());
}

#[test]
fn snowflake_is_asked_after_changes_when_autocommit_may_have_been_switched_off() {
    for sql in [
        "alter session set autocommit = false",
        "alter session unset autocommit",
    ] {
        let mut session = session();
        let unheard = Error::new(Reason::Unreachable, "gone").with_doubt();
        fail(&mut session, sql, &unheard);
        assert!(!session.autocommit(), "{sql}");
        run(&mut session, "insert into t values (1)", Dml);
        assert!(!session.transaction_open(), "{sql}");
        check_doubt(&mut session, true, sql);
        run(&mut session, "alter session set autocommit = true", Setting);
        assert!(session.autocommit(), "{sql}");
    }
}

#[test]
fn a_loss_of_nothing_is_not_worth_a_word() {
    let mut session = session();
    run(&mut session, "set y = 'a'", Setting);
    session.upstream_lost("it had expired");
    assert!(matches!(session.next_step(false), Step::Login));
}

#[test]
fn a_kept_session_comes_back_disconnected() {
    let mut session = session();
    run(&mut session, "set y = 'a'", Setting);
    run(&mut session, "begin", Transaction);
    let mut record = session.record(NOW, NOW);
    record.journal.lose("the service ended unexpectedly");
    let mut back = Session::from_record(record);
    assert_eq!((back.phase(), back.last_query_id()), (Phase::Disconnected, "q1"));
    assert_eq!(
        refused(&mut back),
        "session default has lost the open transaction (the service ended unexpectedly); nothing was run"
    );
    back.reset();
    assert_eq!(back.phase(), Phase::New);
    assert_eq!(back.record(NOW, NOW).journal, Journal::default());
}

#[test]
fn only_an_open_transaction_is_ended_by_name() {
    let mut session = session();
    assert_eq!(
        session.check_end().unwrap_err().to_string(),
        "session default has no open transaction"
    );
    session.check_begin().unwrap();
    run(&mut session, "begin", Transaction);
    assert_eq!(
        session.check_begin().unwrap_err().to_string(),
        "session default has an open transaction already"
    );
    session.check_end().unwrap();
    session.transaction_expired("it was idle");
    assert!(refused(&mut session).contains("the open transaction (it was idle)"));
}

#[test]
fn a_failed_login_can_be_tried_again() {
    let mut session = Session::new(SessionName::default_name(), ConnectionName::local(), None);
    session.connecting();
    session.login_failed();
    assert_eq!(session.phase(), Phase::New);
    assert!(matches!(session.next_step(false), Step::Login));
}
