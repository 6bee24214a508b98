//! Asking Snowflake, what is told besides a decision, and reading rules.

use super::*;

#[test]
fn the_server_is_asked_about_what_is_no_read() {
    let none = policy(&[], &[]);
    let deny = policy(&[], &["drop"]);
    let always = Policy {
        ask_server: AskServer::Always,
        ..policy(&[], &[])
    };
    let never = Policy {
        ask_server: AskServer::Never,
        ..policy(&[], &["drop"])
    };
    for (policy, level, sql, asks) in [
        (&none, Guarded, "delete from t", true),
        (&none, Guarded, "select 1", false),
        (&none, Open, "delete from t", false),
        (&deny, Open, "delete from t", true),
        (&deny, Open, "select 1", false),
        (&always, ReadOnly, "select 1", true),
        (&always, Open, "select 1", false),
        (&never, Guarded, "delete from t", false),
    ] {
        assert_eq!(asks_server(policy, limit(level), &classify(sql)), asks, "{sql}");
    }
}

#[test]
fn what_the_server_takes_for_something_stricter_is_not_understood() {
    for (sql, server, misread) in [
        ("delete from t", StatementKind::Dml, false),
        ("delete from t", StatementKind::Ddl, true),
        ("select 1", StatementKind::Dml, true),
        ("select 1", StatementKind::Query, false),
        ("show tables", StatementKind::Session, false),
        ("select 1 ->> select * from $1", StatementKind::Call, false),
        ("select 1 ->> select * from $1", StatementKind::Dml, true),
        ("frobnicate", StatementKind::Ddl, false),
    ] {
        assert_eq!(is_misread(&classify(sql), server), misread, "{sql}: {server:?}");
    }
    let statements = classify("delete from t");
    let refused = |policy: &Policy, level| {
        refuse_misread(policy, limit(level), &statements, StatementKind::Ddl).map(|refusal| refusal.rule)
    };
    assert_eq!(refused(&policy(&[], &[]), Guarded), Some("server".to_owned()));
    assert_eq!(refused(&policy(&[], &["drop"]), Open), Some("server".to_owned()));
    assert_eq!(refused(&policy(&["drop"], &[]), Open), None);
}

#[test]
fn what_commits_and_what_changes_rows_is_told() {
    for (sql, commits, rows) in [
        ("select 1", false, false),
        ("delete from t", false, true),
        ("copy into t from @s", false, true),
        ("copy into @s from t", false, false),
        ("truncate t", true, false),
        ("create table t (a int)", true, false),
        ("select 1 ->> insert into t select 1", false, true),
    ] {
        let statements = classify(sql);
        assert_eq!(
            (commits_by_itself(&statements), changes_rows(&statements)),
            (commits, rows),
            "{sql}"
        );
    }
}

#[test]
fn hints_say_what_to_do() {
    let policy = policy(&[], &[]);
    let hint = |level, held_by, sql: &str| {
        let limit = Limit { level, held_by };
        match decide(&policy, limit, Query, &classify(sql), &KNOWN) {
            Decision::Refuse(refusal) => refusal.hint,
            other => panic!("{sql}: {other:?}"),
        }
    };
    for (level, held_by, sql, part) in [
        (ReadOnly, HeldBy::Request, "delete from t", "`sfctl write`"),
        (ReadOnly, HeldBy::Session, "delete from t", "another session"),
        (ReadOnly, HeldBy::Connection, "delete from t", "`policy.level`"),
        (ReadOnly, HeldBy::Request, "put file:///x @s", "--policy guarded"),
        (Guarded, HeldBy::Connection, "delete from t", "`sfctl write`"),
        (Guarded, HeldBy::Request, "drop table t", "`sfctl write`"),
        (Guarded, HeldBy::Request, "call a.b.c()", "\"call on A.B.C\""),
        (
            Guarded,
            HeldBy::Connection,
            "select system$wait(1)",
            "\"function SYSTEM$WAIT\"",
        ),
        (Guarded, HeldBy::Request, "frobnicate", "--policy open"),
    ] {
        let found = hint(level, held_by, sql);
        assert!(found.contains(part), "{sql}: {found}");
    }
}

#[test]
fn rules_are_read_or_refused() {
    for text in [
        "drop on prod.*.*",
        "DROP TABLE ON prod.*.*",
        "drop row access policy",
        "function system$wait",
        "insert, update , delete on a.b.*",
        "any",
        "execute immediate",
    ] {
        assert!(text.parse::<Rule>().is_ok(), "{text}");
    }
    for (text, part) in [
        ("", "no kind of statements"),
        ("dorp on x", "\"dorp\" is no kind"),
        ("drop tabel", "\"tabel\" is no kind of objects"),
        ("select table", "no kind of statements"),
        ("drop on", "not a pattern"),
        ("drop on a b", "not a pattern"),
        ("drop on a.b.c.d", "more than 3 parts"),
        ("insert,,update", "no kind of statements"),
    ] {
        let error = text.parse::<Rule>().unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}
