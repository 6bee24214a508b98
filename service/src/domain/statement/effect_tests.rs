//! What statements do to their session, as tables.

use super::super::outline::outline;
use super::*;

fn effects_of(sql: &str) -> Vec<Effect> {
    effects(sql, &outline(sql).first)
}

fn variable(name: &str, value: &str) -> Effect {
    Effect::SetVariable {
        name: name.into(),
        value: (!value.is_empty()).then(|| Literal::parse(value).unwrap()),
    }
}

fn parameter(name: &str, value: &str) -> Effect {
    Effect::SetParameter {
        name: name.into(),
        value: (!value.is_empty()).then(|| Literal::parse_setting(value).unwrap()),
    }
}

fn named(kind: &str, parts: &[&str]) -> Named {
    Named {
        kind: kind.into(),
        parts: parts.iter().map(|part| (*part).to_owned()).collect(),
    }
}

#[track_caller]
fn check(cases: &[(&str, Vec<Effect>)]) {
    for (sql, expected) in cases {
        assert_eq!(&effects_of(sql), expected, "{sql}");
    }
}

#[test]
fn transactions() {
    check(&[
        ("begin", vec![Effect::Begin]),
        ("/* x */ BEGIN work;", vec![Effect::Begin]),
        ("begin transaction name t", vec![Effect::Begin]),
        ("start transaction", vec![Effect::Begin]),
        ("begin return 1; end", vec![Effect::Scripted]),
        ("declare x int; begin return 1; end", vec![Effect::Scripted]),
        ("commit work", vec![Effect::Commit]),
        ("rollback;", vec![Effect::Rollback]),
        ("call p()", vec![Effect::Scripted]),
        ("execute immediate $$ begin $$", vec![Effect::Scripted]),
        (
            "begin ->> insert into t values (1)",
            vec![Effect::Begin, Effect::Scripted],
        ),
        ("select 'begin'", vec![]),
        ("select a->b from t", vec![]),
    ]);
}

#[test]
fn variables() {
    check(&[
        ("set x = 1", vec![variable("X", "1")]),
        (
            "SET\n x\n=\n-- why\n 'it''s; ok' ; ",
            vec![variable("X", "'it''s; ok'")],
        ),
        ("set \"my X\" = $$a;b$$", vec![variable("my X", "$$a;b$$")]),
        ("set x=-1.5e3", vec![variable("X", "-1.5e3")]),
        ("set x = null", vec![variable("X", "null")]),
        ("set x = 1 + 1", vec![variable("X", "")]),
        ("set x = 1 /* one */ + 1", vec![variable("X", "")]),
        ("set x = (select max(a) from t)", vec![variable("X", "")]),
        ("set x = $y", vec![variable("X", "")]),
        ("set x = ?", vec![variable("X", "")]),
        ("set x = 'a' || 'b'", vec![variable("X", "")]),
        ("set x = current_date", vec![variable("X", "")]),
        ("set x", vec![Effect::Scripted]),
        (
            "set (a, \"b\") = (1, 'x, (y)')",
            vec![variable("A", "1"), variable("b", "'x, (y)'")],
        ),
        (
            "set (a, b) = (f(1, 2), 3)",
            vec![variable("A", ""), variable("B", "3")],
        ),
        (
            "set (a, b) = (select 1, 2)",
            vec![variable("A", ""), variable("B", "")],
        ),
        ("set (a, b) = (1)", vec![variable("A", ""), variable("B", "")]),
        (
            "set (a, b) = (1, 2) + 1",
            vec![variable("A", ""), variable("B", "")],
        ),
        ("set (a, b) = (1,, 2)", vec![variable("A", ""), variable("B", "")]),
        ("set (a, b = (1, 2)", vec![Effect::Scripted]),
        ("set identifier('x') = 1", vec![Effect::Scripted]),
        (
            "set x = 1 ->> select 1",
            vec![variable("X", ""), Effect::Scripted],
        ),
        ("unset x", vec![Effect::UnsetVariable("X".into())]),
        (
            "unset (x, \"y\")",
            vec![
                Effect::UnsetVariable("X".into()),
                Effect::UnsetVariable("y".into()),
            ],
        ),
    ]);
}

#[test]
fn parameters() {
    check(&[
        (
            "alter session set timezone = 'UTC'",
            vec![parameter("TIMEZONE", "'UTC'")],
        ),
        (
            "ALTER SESSION SET a=1, b = TRUE c='x''y' log_level = debug",
            vec![
                parameter("A", "1"),
                parameter("B", "TRUE"),
                parameter("C", "'x''y'"),
                parameter("LOG_LEVEL", "debug"),
            ],
        ),
        (
            "alter session set\n  a = 1 -- one\n  , b = 2",
            vec![parameter("A", "1"), parameter("B", "2")],
        ),
        (
            "alter session set a = 1, b = 1 + 1",
            vec![parameter("A", ""), parameter("B", "")],
        ),
        (
            "alter session set a = $x b = 2",
            vec![parameter("A", ""), parameter("B", "")],
        ),
        ("alter session set a='x'b='y'", vec![parameter("A", "")]),
        ("alter session set a = 1 b", vec![parameter("A", "")]),
        (
            "alter session unset timezone, b",
            vec![
                Effect::UnsetParameter("TIMEZONE".into()),
                Effect::UnsetParameter("B".into()),
            ],
        ),
        ("alter session abort all", vec![]),
        ("alter table t add column set int", vec![]),
        (
            "use secondary roles all",
            vec![Effect::UseSecondaryRoles("all".into())],
        ),
        (
            "use secondary roles a, \"b c\";",
            vec![Effect::UseSecondaryRoles("a, \"b c\"".into())],
        ),
        ("use role r", vec![]),
    ]);
    let many = "p = 'x' ".repeat(2000);
    let effects = effects_of(&format!("alter session set {many}"));
    assert!(
        effects
            .iter()
            .all(|effect| matches!(effect, Effect::SetParameter { value: None, .. }))
    );
}

#[test]
fn temporary_objects() {
    let made = |kind, parts: &[&str]| vec![Effect::MakeTemporary(named(kind, parts))];
    let gone = |kind, parts: &[&str]| vec![Effect::Drop(named(kind, parts))];
    check(&[
        ("create or replace temp table t(a int)", made("TABLE", &["T"])),
        ("create local temporary stage s", made("STAGE", &["S"])),
        (
            "create temporary file format db.\"s\".f type = csv",
            made("FILE FORMAT", &["DB", "s", "F"]),
        ),
        (
            "create temp table if not exists t as select 1",
            made("TABLE", &["T"]),
        ),
        (
            "create secure temp recursive view v as select 1",
            made("VIEW", &["V"]),
        ),
        ("create temp table identifier('t') (a int)", made("TABLE", &[])),
        ("create temp table identifier (a int)", made("TABLE", &[])),
        ("create temp thing x", made("OBJECT", &["THING"])),
        (
            "create volatile table \"a\"\"b\" (a int)",
            made("TABLE", &["a\"b"]),
        ),
        ("create table temp (a int)", vec![]),
        ("create transient table t (a int)", vec![]),
        ("create", vec![]),
        ("drop table t", gone("TABLE", &["T"])),
        ("drop table if exists s.t cascade", gone("TABLE", &["S", "T"])),
        ("drop file format f", gone("FILE FORMAT", &["F"])),
        ("drop function f(int)", gone("FUNCTION", &["F"])),
        ("drop schema s", gone("SCHEMA", &["S"])),
        ("drop database d", gone("DATABASE", &["D"])),
        ("drop user u", vec![]),
        ("drop table identifier($x)", vec![]),
    ]);
}
