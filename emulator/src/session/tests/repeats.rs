//! The same text again and again: what is kept of a statement never outlives what it depends on.

use super::support::{Client, Fixture, bind, submission};

/// Times after which everything that is ever kept of a statement is kept.
const KEPT_AFTER: usize = 4;

impl Client {
    /// The one row of a statement that comes often enough to be kept, and is the same each time.
    #[track_caller]
    fn kept(&self, sql: &str) -> String {
        let first = self.one(sql);
        for _ in 1..KEPT_AFTER {
            assert_eq!(self.one(sql), first, "{sql}");
        }
        first
    }

    /// The rows of a statement that must be different each time.
    #[track_caller]
    fn distinct(&self, sql: &str) {
        let mut rows: Vec<String> = (0..KEPT_AFTER + 2).map(|_| self.one(sql)).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), KEPT_AFTER + 2, "{sql}");
    }
}

#[test]
fn parameters_of_the_session_are_followed() {
    let fixture = Fixture::new();
    let (client, other) = (fixture.client(), fixture.client());
    for (set, sql, before, after) in [
        (
            "alter session set week_start = 1",
            "select dayofweek('2017-01-01'::date)",
            "0",
            "7",
        ),
        (
            "alter session set date_output_format = 'DD.MM.YYYY'",
            "select '2024-02-03'::date::varchar",
            "2024-02-03",
            "03.02.2024",
        ),
        (
            "alter session set timezone = 'Asia/Tokyo'",
            "select hour(to_timestamp_ltz(0))",
            "16",
            "9",
        ),
    ] {
        assert_eq!(client.kept(sql), before);
        client.ok(set);
        assert_eq!(client.kept(sql), after);
        assert_eq!(other.kept(sql), before);
    }
    client.ok("alter session unset week_start");
    assert_eq!(client.kept("select dayofweek('2017-01-01'::date)"), "0");
}

#[test]
fn tables_are_what_they_are_now() {
    let fixture = Fixture::new();
    let (here, there) = (fixture.client_in("d"), fixture.client_in("d"));
    here.ok("create table t (a int)");
    here.ok("insert into t values (1)");
    for (changer, changes, columns, row) in [
        (&here, "insert into t values (2)", vec!["A"], "2"),
        (
            &there,
            "update t set a = 7; delete from t where a > 7",
            vec!["A"],
            "7",
        ),
        (
            &here,
            "alter table t add column b varchar",
            vec!["A", "B"],
            "7|NULL",
        ),
        (
            &there,
            "alter table t rename column b to c",
            vec!["A", "C"],
            "7|NULL",
        ),
        (&there, "alter table t drop column c", vec!["A"], "7"),
        (
            &there,
            "drop table t; create table t as select 'text' b",
            vec!["B"],
            "text",
        ),
        (
            &here,
            "create or replace table t as select 1.5 b, true c",
            vec!["B", "C"],
            "1.5|true",
        ),
        (
            &there,
            "drop table t; create view t as select parse_json('[1]') v",
            vec!["V"],
            "[1]",
        ),
        (
            &here,
            "create or replace view t as select '[1]' v",
            vec!["V"],
            "[1]",
        ),
    ] {
        for change in changes.split(';') {
            changer.ok(change);
        }
        for client in [&here, &there] {
            let sql = "select * from t order by 1 desc limit 1";
            assert_eq!(client.kept(sql), row, "{changes}");
            let output = client.output(sql);
            let names: Vec<&str> = output.columns.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(names, columns, "{changes}");
            let is_variant = format!("{:?}", output.columns[0].sql_type) == "Variant";
            assert_eq!(is_variant, columns == ["V"] && changes.contains("parse_json"));
        }
    }
    here.ok("drop view t");
    for client in [&here, &there] {
        let error = client.error("select * from t order by 1 desc limit 1");
        assert_eq!((error.code, error.sql_state), ("002003", "42S02"));
    }
}

#[test]
fn names_are_found_where_the_session_is_now() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t as select 'in public' a");
    client.ok("create schema s");
    client.ok("create table t as select 'in s' a");
    client.ok("use schema public");
    assert_eq!(client.kept("select a from t"), "in public");
    client.ok("use schema s");
    assert_eq!(client.kept("select a from t"), "in s");
    client.ok("create temporary table t as select 'temporary' a");
    assert_eq!(client.kept("select a from t"), "temporary");
    client.ok("drop table t");
    assert_eq!(client.kept("select a from t"), "in s");
    client.ok("set x = 1");
    assert_eq!(client.kept("select $x"), "1");
    client.ok("set x = 'text'");
    assert_eq!(client.kept("select $x"), "text");
}

#[test]
fn a_transaction_sees_its_own_rows_until_it_ends() {
    let fixture = Fixture::new();
    let (client, other) = (fixture.client_in("d"), fixture.client_in("d"));
    client.ok("create table t (a int)");
    let (rows, constant) = ("select count(*) from t", "select 1 + 1");
    for (end, left) in [("rollback", "0"), ("commit", "1")] {
        assert_eq!(
            (client.kept(rows), client.kept(constant)),
            ("0".into(), "2".into())
        );
        client.ok("begin");
        assert_eq!(
            (client.kept(rows), client.kept(constant)),
            ("0".into(), "2".into())
        );
        client.ok("insert into t values (1)");
        assert_eq!((client.kept(rows), other.kept(rows)), ("1".into(), "0".into()));
        client.error("select * from missing");
        assert_eq!(
            (client.kept(rows), client.kept(constant)),
            ("1".into(), "2".into())
        );
        client.ok(end);
        assert_eq!((client.kept(rows), other.kept(rows)), (left.into(), left.into()));
    }
}

#[test]
fn views_follow_the_session_and_the_clock() {
    let fixture = Fixture::new();
    let (client, other) = (fixture.client_in("d"), fixture.client_in("d"));
    client.ok("create view first_day as select dayofweek('2017-01-01'::date) d");
    client.ok("create view now as select current_timestamp()::varchar t");
    client.ok("create view chance as select random() r");
    client.ok("create view fixed as select random(7) r");
    assert_eq!(client.kept("select d from first_day"), "0");
    client.ok("alter session set week_start = 1");
    assert_eq!(client.kept("select d from first_day"), "7");
    assert_eq!(other.kept("select d from first_day"), "0");
    client.ok("alter session set timestamp_output_format = 'YYYY-MM-DD HH24:MI:SS.FF9'");
    client.distinct("select t from now");
    client.distinct("select r from chance");
    assert_eq!(client.kept("select r from fixed"), client.one("select random(7)"));
}

#[test]
fn what_differs_each_time_is_not_frozen() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create sequence s");
    client.ok("alter session set timestamp_output_format = 'YYYY-MM-DD HH24:MI:SS.FF9'");
    for sql in [
        "select current_timestamp()::varchar",
        "select sysdate()::varchar",
        "select random()",
        "select uniform(1, 1000000000, random())",
        "select uuid_string()",
        "select randstr(20, random())",
        "select s.nextval",
        "select last_query_id()",
    ] {
        client.distinct(sql);
    }
    for sql in [
        "select random(42)",
        "select uniform(1, 1000, random(1))",
        "select seq4() from table(generator(rowcount => 1))",
        "select count(*), sum(seq8()) from table(generator(rowcount => 100000))",
    ] {
        client.kept(sql);
    }
}

#[test]
fn bound_values_and_their_types_belong_to_one_statement() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let ask = |type_name, value| {
        let mut asked = submission("select ? as x, typeof(to_variant(?))");
        for position in ["1", "2"] {
            asked
                .bindings
                .insert(position.to_owned(), bind(type_name, &[Some(value)]));
        }
        let output = client.submit(asked).unwrap();
        client.rows(output).unwrap().remove(0)
    };
    for _ in 0..KEPT_AFTER {
        assert_eq!(ask("FIXED", "12"), "12|INTEGER");
        assert_eq!(ask("TEXT", "12"), "12|VARCHAR");
        assert_eq!(ask("BOOLEAN", "true"), "true|BOOLEAN");
    }
    let error = client.error("select ? as x, typeof(to_variant(?))");
    assert_eq!(error.sql_state, "42601");
}

#[test]
fn errors_come_again_and_again() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    for sql in ["select 1 / 0", "select to_number('x')", "select * from missing"] {
        let first = client.error(sql);
        for _ in 0..KEPT_AFTER {
            assert_eq!(client.error(sql), first);
            assert_eq!(client.one("select 1"), "1");
        }
    }
}

#[test]
fn a_large_result_streams_each_time() {
    let fixture = Fixture::new();
    let client = fixture.client();
    for _ in 0..KEPT_AFTER {
        let rows = client.all("select seq8() from table(generator(rowcount => 100000))");
        assert_eq!(rows.len(), 100_000);
        assert_eq!(rows.last().map(String::as_str), Some("99999"));
    }
}

#[test]
fn more_texts_than_are_kept_are_answered_too() {
    let fixture = Fixture::new();
    let client = fixture.client();
    for _ in 0..KEPT_AFTER {
        for number in 0..150 {
            assert_eq!(
                client.one(&format!("select {number} + 1")),
                (number + 1).to_string()
            );
        }
    }
    let long = format!("select length('{}')", "x".repeat(5000));
    assert_eq!(client.kept(&long), "5000");
}

#[test]
fn a_count_of_statements_is_checked_each_time() {
    let fixture = Fixture::new();
    let client = fixture.client();
    assert_eq!(client.kept("select 1"), "1");
    let mut asked = submission("select 1");
    asked.statement_count = Some(2);
    assert_eq!(client.submit(asked).unwrap_err().code, "000008");
}

#[test]
fn temporary_things_are_nothing_to_other_sessions() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    let redefined = |sql: &str| {
        let before = fixture.instance.shared.versions.definitions();
        client.ok(sql);
        fixture.instance.shared.versions.definitions() - before
    };
    for (sql, expected) in [
        ("create table p (a int)", 1),
        ("create temporary table t (a int)", 0),
        ("alter table t add column b int", 0),
        ("alter table t rename to p2", 0),
        ("create or replace temporary table p2 as select 1 a", 0),
        ("drop table p2", 0),
        ("create temporary stage st", 0),
        ("create temporary file format f type = csv", 0),
        ("create temporary table p (a varchar)", 0),
        ("drop table p", 0),
        ("alter table p add column b int", 1),
        ("create view v as select a from p", 1),
        ("drop table p", 1),
        ("drop schema public", 1),
    ] {
        assert_eq!(redefined(sql), expected, "{sql}");
    }
}
