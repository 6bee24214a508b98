//! The table of levels and the rules, as cases.

use super::Door::{Query, Write};
use super::Level::{Guarded, Open, ReadOnly};
use super::*;
use crate::domain::query::StatementKind;
use crate::domain::statement::class::classify;

/// The level says no.
const NO: &str = "no";

const KNOWN: SessionFacts<'_> = SessionFacts {
    database: Some("PROD"),
    schema: Some("HR"),
    search_path: false,
};

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts
        .iter()
        .map(|text| text.parse().unwrap_or_else(|error| panic!("{text}: {error}")))
        .collect()
}

fn policy(allow: &[&str], deny: &[&str]) -> Policy {
    Policy {
        allow: rules(allow),
        deny: rules(deny),
        ask_server: AskServer::Writes,
        ..Policy::open()
    }
}

fn limit(level: Level) -> Limit {
    Limit {
        level,
        held_by: HeldBy::Request,
    }
}

/// `yes`, `yes by RULE`, `confirm RULE`, `no by RULE`.
fn shown(policy: &Policy, level: Level, door: Door, sql: &str, facts: &SessionFacts<'_>) -> String {
    match decide(policy, limit(level), door, &classify(sql), facts) {
        Decision::Allow(None) => "yes".to_owned(),
        Decision::Allow(Some(rule)) => format!("yes by {rule}"),
        Decision::Confirm(concerns) => {
            let rules: Vec<&str> = concerns.iter().map(|concern| concern.rule).collect();
            format!("confirm {}", rules.join(" "))
        }
        Decision::Refuse(refusal) => {
            assert!(refusal.message.ends_with("; nothing was run"), "{refusal:?}");
            assert!(!refusal.hint.is_empty());
            format!("no by {}", refusal.rule)
        }
    }
}

#[test]
fn levels_decide_by_the_class() {
    let policy = policy(&[], &[]);
    // The SQL, then read-only, guarded as a query, guarded as a write. All of it runs at the level open.
    for (sql, read_only, as_query, as_write) in [
        ("select * from t", "yes", "yes", "yes"),
        ("show tables", "yes", "yes", "yes"),
        ("explain delete from t", "yes", "yes", "yes"),
        ("list @s", "yes", "yes", "yes"),
        ("use role accountadmin", "yes", "yes", "yes"),
        ("set x = 1", "yes", "yes", "yes"),
        ("alter session set timezone = 'UTC'", "yes", "yes", "yes"),
        ("begin", "yes", "yes", "yes"),
        ("commit", "yes", "yes", "yes"),
        ("rollback", "yes", "yes", "yes"),
        ("put file:///tmp/x @s", NO, "yes", "yes"),
        ("get @s file:///tmp/", NO, "yes", "yes"),
        ("remove @s/x", NO, NO, "confirm destroys"),
        ("insert into t values (1)", NO, NO, "yes"),
        ("insert overwrite into t select 1", NO, NO, "confirm destroys"),
        (
            "insert overwrite all into t into u select 1",
            NO,
            NO,
            "confirm destroys",
        ),
        ("update t set a = 1 where b = 2", NO, NO, "yes"),
        ("update t set a = 1", NO, NO, "confirm unconditional"),
        ("delete from t where 1 = 1", NO, NO, "confirm unconditional"),
        ("delete from t where a < 3", NO, NO, "yes"),
        (
            "merge into t using u on true when matched then delete",
            NO,
            NO,
            "confirm unconditional",
        ),
        (
            "merge into t using u on t.a = u.a when matched then delete",
            NO,
            NO,
            "yes",
        ),
        ("copy into t from @s", NO, NO, "yes"),
        ("copy into t from @s purge = true", NO, NO, "confirm destroys"),
        ("copy into @s from t", NO, "yes", "yes"),
        ("copy into @s from t overwrite = true", NO, NO, "confirm destroys"),
        ("copy files into @s from @u", NO, "yes", "yes"),
        ("truncate t", NO, NO, "confirm destroys"),
        ("create table t (a int)", NO, "yes", "yes"),
        ("create or replace table t (a int)", NO, NO, "confirm destroys"),
        ("drop table t", NO, NO, "confirm destroys"),
        ("undrop table t", NO, "yes", "yes"),
        ("alter table t add column a int", NO, "yes", "yes"),
        ("alter table t drop column a", NO, NO, "confirm destroys"),
        ("comment on table t is 'x'", NO, "yes", "yes"),
        ("grant select on table t to role r", NO, NO, "confirm grants"),
        ("revoke role r from user u", NO, NO, "confirm grants"),
        ("alter user u set password = 'x'", NO, NO, "confirm grants"),
        ("drop masking policy p", NO, NO, "confirm grants"),
        ("alter gizmo g set x = 1", NO, NO, "confirm destroys"),
        ("select seq.nextval", NO, "yes", "yes"),
        ("insert into t select seq.nextval", NO, NO, "yes"),
        ("select system$wait(1)", NO, NO, NO),
        ("insert into t select system$wait(1)", NO, NO, NO),
        ("set x = (select system$wait(1))", NO, NO, NO),
        ("select system$typeof(1)", "yes", "yes", "yes"),
        ("select db.s.f(1)", "yes", "yes", "yes"),
        (
            "select * from table(flatten(parse_json('[]')))",
            "yes",
            "yes",
            "yes",
        ),
        ("select * from table(f())", NO, NO, NO),
        ("create table t as select * from table(db.s.p())", NO, NO, NO),
        ("call p()", NO, NO, NO),
        ("execute immediate 'select 1'", NO, NO, NO),
        ("execute task t", NO, NO, NO),
        ("begin return 1; end", NO, NO, NO),
        ("frobnicate", NO, NO, NO),
        ("select 'open", NO, NO, NO),
        ("", NO, NO, NO),
        // The strictest link counts, and all that has to be thought of.
        ("select 1 ->> select * from $1", "yes", "yes", "yes"),
        ("show tables ->> drop table t", NO, NO, "confirm destroys"),
        (
            "delete from t ->> drop table t",
            NO,
            NO,
            "confirm unconditional destroys",
        ),
        ("delete from t ->> call p()", NO, NO, NO),
    ] {
        let answer = |expected: &str, level: Level| match expected {
            NO => format!("no by {level}"),
            expected => expected.to_owned(),
        };
        for (level, door, expected) in [
            (ReadOnly, Query, answer(read_only, ReadOnly)),
            (ReadOnly, Write, answer(read_only, ReadOnly)),
            (Guarded, Query, answer(as_query, Guarded)),
            (Guarded, Write, answer(as_write, Guarded)),
            (Open, Query, "yes".to_owned()),
            (Open, Write, "yes".to_owned()),
        ] {
            let found = shown(&policy, level, door, sql, &KNOWN);
            assert_eq!(found, expected, "{sql} at {level} as {door:?}");
        }
    }
}

#[test]
fn what_is_denied_runs_at_no_level() {
    // The session is in PROD.HR.
    for (rule, sql, denied) in [
        ("drop on prod.*.*", "drop table t", true),
        ("drop on prod.*.*", "drop table prod.x.t", true),
        ("drop on prod.*.*", "drop table \"prod\".x.t", true),
        ("drop on prod.*.*", "drop table dev.x.t", false),
        ("drop on prod.*.*", "drop schema x", true),
        ("drop on prod.*.*", "drop database prod", true),
        ("drop on prod.*.*", "drop database dev", false),
        ("drop on prod.*.*", "drop warehouse prod", false),
        ("drop on prod.*.*", "drop table identifier($x)", true),
        ("drop on prod.*.*", "drop gizmo prod.x.g", true),
        // The name of what is of an unknown kind is not read.
        ("drop on prod.*.*", "drop gizmo dev.x.g", true),
        ("drop on prod.*.*", "drop table if exists prod..t", true),
        ("drop on prod.*.*", "delete from t", false),
        ("drop on prod.*.*", "create or replace table t (a int)", false),
        ("replace on prod.*.*", "create or replace table t (a int)", true),
        ("replace on prod.*.*", "create table t (a int)", false),
        ("drop database", "drop database dev", true),
        ("drop database", "drop schema dev.s", false),
        ("drop database", "drop gizmo g", true),
        ("drop table", "drop dynamic table t", true),
        ("create table", "create stable s", true),
        ("create user", "create user u", true),
        ("create user", "create role r", false),
        ("delete", "delete from t where a = 1", true),
        ("delete", "with x as (select 1) delete from t", true),
        ("delete", "select 1 ->> delete from t where a = 1", true),
        ("delete", "frobnicate", true),
        ("delete", "select 'open", true),
        ("insert, update", "update t set a = 1", true),
        ("insert", "insert all into t into u select 1", true),
        ("write", "truncate t", true),
        ("dml", "truncate t", false),
        ("write on dev.*", "insert all into t into dev.s.u select 1", true),
        ("truncate on scratch.*", "truncate scratch.a.t", true),
        ("truncate on scratch.*", "truncate t", false),
        ("read on hr.*.*", "select * from hr.a.b", true),
        ("read on hr.*.*", "select * from b", false),
        ("read on prod.hr.*", "select * from b", true),
        ("read on prod.public.*", "select * from b", true),
        ("read on prod.x.*", "select * from b", false),
        ("read on hr.*.*", "select * from identifier($x)", true),
        ("read on hr.*.*", "select 1", false),
        ("read on hr.*.*", "create table t as select * from hr.a.b", true),
        ("read on hr.*.*", "insert into t select * from hr.a.b", true),
        ("read on hr.*.*", "insert all into t (select * from hr.a.b)", true),
        (
            "read on hr.*.*",
            "insert all when exists (select 1 from hr.a.b) then into t select 1",
            true,
        ),
        (
            "read on hr.*.*",
            "insert all into t values (a) select a from b",
            false,
        ),
        ("read on hr.*.*", "get @hr.a.s file:///tmp/", true),
        ("read", "select 1", true),
        ("use on accountadmin", "use role accountadmin", true),
        ("use on accountadmin", "use role analyst", false),
        ("function system$wait", "select system$wait(1)", true),
        ("function system$wait", "select system$cancel_query('x')", false),
        ("function on *.x.*", "select prod.x.f()", true),
        ("function on *.x.*", "select prod.y.f()", false),
        ("remove on ~", "remove @~/x", true),
        ("remove", "remove @s", true),
        ("unload on s3://mine/*", "copy into 's3://other/x' from t", false),
        ("unload on s3://other/*", "copy into 's3://other/x' from t", true),
        ("transaction", "begin", true),
        ("unknown", "frobnicate", true),
        ("unknown", "drop table t", false),
        ("any on prod.*", "drop table t", true),
        ("any on prod.*", "alter account set x = 1", true),
        ("any on prod.*", "select 1", false),
        ("alter on prod.*.*", "alter account set x = 1", true),
        // Code that the text does not show can do whatever is denied.
        ("drop on prod.*.*", "call p()", true),
        ("drop on prod.*.*", "execute immediate 'select 1'", true),
        ("drop on prod.*.*", "begin return 1; end", true),
        ("drop on prod.*.*", "execute task t", true),
        ("drop on prod.*.*", "select * from table(p())", true),
        ("call on prod.x.*", "call prod.x.p()", true),
        ("call on prod.x.*", "call prod.y.p()", false),
        ("function system$wait", "call p()", false),
    ] {
        let policy = policy(&[], &[rule]);
        let found = shown(&policy, Open, Query, sql, &KNOWN);
        let expected = if denied {
            format!("no by deny {rule}")
        } else {
            "yes".to_owned()
        };
        assert_eq!(found, expected, "{rule} and {sql}");
    }
}

#[test]
fn what_is_listed_passes_if_all_of_it_is() {
    for (allow, sql, listed) in [
        (&["delete on scratch.*.*"][..], "delete from scratch.a.t", true),
        (&["delete on scratch.*.*"], "delete from t", false),
        (&["delete on prod.hr.*"], "delete from t", true),
        (&["delete on prod.hr.*"], "delete from identifier($x)", false),
        (&["delete on prod.hr.*"], "delete from \"t\"", true),
        (&["delete on prod.hr.t"], "delete from \"t\"", false),
        (&["delete"], "delete from identifier($x)", true),
        (&["delete"], "delete from t ->> delete from u", true),
        (&["delete"], "delete from t ->> truncate u", false),
        (&["delete", "truncate"], "delete from t ->> truncate u", true),
        (
            &["insert on a.*.*"],
            "insert all into a.b.c into b.c.d select 1",
            false,
        ),
        (
            &["insert on a.*.*", "insert on b.*.*"],
            "insert all into a.b.c into b.c.d select 1",
            true,
        ),
        (&["delete"], "delete from t where a = system$wait(1)", false),
        (
            &["delete", "function system$wait"],
            "delete from t where a = system$wait(1)",
            true,
        ),
        (&["function system$wait"], "select system$wait(1)", true),
        (&["function system$*"], "select system$wait(1)", true),
        (&["function"], "select * from table(f())", true),
        (&["function on prod.hr.f"], "select * from table(f())", false),
        (&["function on prod.*.f"], "select * from table(f())", true),
        (&["call on prod.hr.p"], "call prod.hr.p()", true),
        (&["call on prod.hr.p"], "call hr.p()", true),
        (&["call on prod.hr.p"], "call prod.hr.p(system$wait(1))", false),
        (&["call on prod.hr.p"], "call identifier('prod.hr.p')()", false),
        (
            &["call on prod.hr.p"],
            "with p as procedure () returns int language sql as $$ begin return 1; end $$ call p()",
            false,
        ),
        (&["call"], "call p()", true),
        (&["call"], "execute immediate 'call p()'", false),
        (&["execute immediate"], "execute immediate 'call p()'", true),
        (&["execute on prod.hr.nightly"], "execute task nightly", true),
        (&["block"], "begin drop table t; end", true),
        (&["drop on scratch.*.*"], "drop schema scratch.a", false),
        (&["drop on scratch.*"], "drop schema scratch.a", true),
        (&["drop on scratch.*"], "drop database scratch", false),
        (&["drop table on scratch.*"], "drop view scratch.a.v", false),
        (&["drop table on scratch.*"], "drop gizmo scratch.a.v", false),
        (&["drop on *"], "drop gizmo g", false),
        (&["drop"], "drop gizmo g", true),
        (&["alter on *"], "alter account set x = 1", false),
        (&["alter"], "alter account set x = 1", true),
        (&["any"], "drop table t", true),
        (&["any"], "frobnicate", false),
        (&["any"], "select 'open", false),
        (&["put, remove on ~"], "remove @~/x", true),
        (&["put, remove on ~"], "remove @s/x", false),
    ] {
        let policy = policy(allow, &[]);
        for (level, door) in [(ReadOnly, Query), (Guarded, Query), (Guarded, Write)] {
            let found = shown(&policy, level, door, sql, &KNOWN);
            let passes = found == "yes" || found.starts_with("yes by ");
            if door == Query {
                assert_eq!(passes, listed, "{allow:?} and {sql} at {level}: {found}");
            } else if listed {
                assert!(passes, "{allow:?} and {sql} at {level} as a write: {found}");
            }
        }
        assert_eq!(shown(&policy, Open, Query, sql, &KNOWN), "yes");
    }
}

#[test]
fn deny_wins_over_allow() {
    let policy = policy(&["any", "drop"], &["drop on prod.*.*"]);
    for level in [ReadOnly, Guarded, Open] {
        let found = shown(&policy, level, Write, "drop table t", &KNOWN);
        assert_eq!(found, "no by deny drop on prod.*.*");
        // Code is let pass by who has listed it.
        assert!(shown(&policy, level, Write, "call p()", &KNOWN).starts_with("yes"));
    }
}

#[test]
fn what_is_not_known_of_the_session_is_denied_and_not_allowed() {
    let deny = policy(&[], &["drop on dev.*.*"]);
    let allow = policy(&["drop on prod.hr.*"], &[]);
    let unknown = SessionFacts::default();
    assert_eq!(
        shown(&deny, Open, Query, "drop table t", &unknown),
        "no by deny drop on dev.*.*"
    );
    assert_eq!(shown(&deny, Open, Query, "drop table t", &KNOWN), "yes");
    assert_eq!(
        shown(&allow, Guarded, Query, "drop table t", &unknown),
        "no by guarded"
    );
    let searching = SessionFacts {
        search_path: true,
        ..KNOWN
    };
    let reads = policy(&[], &["read on x.*.*"]);
    assert_eq!(shown(&reads, Open, Query, "select * from t", &KNOWN), "yes");
    assert_eq!(
        shown(&reads, Open, Query, "select * from t", &searching),
        "no by deny read on x.*.*"
    );
    for (policy, sql, depends) in [
        (&deny, "drop table t", true),
        (&deny, "drop table a.b.t", false),
        (&deny, "select 1", false),
        (&policy(&[], &["drop"]), "drop table t", false),
        (&allow, "call p()", true),
    ] {
        assert_eq!(depends_on_context(policy, &classify(sql)), depends, "{sql}");
    }
}

mod asking;
