//! INSERT, UPDATE, DELETE and MERGE: counts and refusals.

use super::support::{Fixture, bind, submission};
use crate::session::DmlStats;

#[test]
fn counts_have_snowflakes_names() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (k int, a varchar)");
    let check = |sql: &str, names: &[&str], row: &str, stats: (u64, u64, u64)| {
        let output = client.output(sql);
        let found: Vec<&str> = output.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(found, names, "{sql}");
        let (inserted, updated, deleted) = stats;
        assert_eq!(
            output.stats,
            Some(DmlStats {
                inserted,
                updated,
                deleted
            }),
            "{sql}"
        );
        assert_eq!(client.rows(output).unwrap(), [row], "{sql}");
    };
    check(
        "insert into t values (1, 'a'), (2, 'b')",
        &["number of rows inserted"],
        "2",
        (2, 0, 0),
    );
    check(
        "update t set a = 'z' where k = 1",
        &["number of rows updated", "number of multi-joined rows updated"],
        "1|0",
        (0, 1, 0),
    );
    check(
        "merge into t using (select 1 k union all select 3) s on t.k = s.k when matched then delete \
         when not matched then insert (k, a) values (s.k, 'new')",
        &["number of rows inserted", "number of rows deleted"],
        "1|1",
        (1, 0, 1),
    );
    check("delete from t", &["number of rows deleted"], "2", (0, 0, 2));
    check(
        "insert into t select 5, 'e'",
        &["number of rows inserted"],
        "1",
        (1, 0, 0),
    );
    check(
        "insert overwrite into t select 6, 'f'",
        &["number of rows inserted"],
        "1",
        (1, 0, 0),
    );
    assert_eq!(client.all("select * from t"), ["6|f"]);
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (k int not null, a varchar(3))");
    for (sql, code, sql_state) in [
        ("insert into t values (null, 'a')", "100072", "22000"),
        ("insert into t values (1, 'abcd')", "100078", "22000"),
        ("insert into t select 'x', 'a'", "100038", "22018"),
        ("select 1 / 0", "100051", "22012"),
        ("select 'abc'::int", "100038", "22018"),
    ] {
        let error = client.error(sql);
        assert_eq!((error.code, error.sql_state), (code, sql_state), "{sql}: {error}");
    }
    assert_eq!(client.one("select count(*) from t"), "0");
}

#[test]
fn names_that_are_unknown_are_found_in_the_text() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    let error = client.error("select a,\n       nope\nfrom t");
    assert_eq!((error.code, error.position), ("000904", Some((2, 7))), "{error}");
    assert_eq!(
        error.message,
        "SQL compilation error: error line 2 at position 7\ninvalid identifier 'NOPE'"
    );
    let error = client.error("select *\nfrom nope");
    assert_eq!(error.position, Some((2, 5)));
    let error = client.error("select * form t");
    assert_eq!((error.code, error.sql_state), ("001003", "42000"));
}

#[test]
fn autoincrement_counts() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (id int autoincrement, a varchar)");
    client.ok("insert into t (a) values ('x'), ('y')");
    assert_eq!(client.all("select * from t order by id"), ["1|x", "2|y"]);
    client.ok("create sequence s start 10 increment 5");
    assert_eq!(client.one("select s.nextval"), "10");
    assert_eq!(client.one("select s.nextval"), "15");
}

#[test]
fn an_insert_into_several_tables_counts_for_each() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (k int)");
    client.ok("create table \"u v\" (k int)");
    let output = client.output(
        "insert all when n > 0 then into t values (n) into d.public.\"u v\" when n > 1 then into t \
         select column1 n from values (0), (1), (2)",
    );
    let names: Vec<&str> = output.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "number of rows inserted into T",
            "number of rows inserted into u v"
        ]
    );
    assert_eq!(output.stats.map(|stats| stats.inserted), Some(5));
    assert_eq!(client.rows(output).unwrap(), ["3|2"]);
}

#[test]
fn an_insert_into_several_tables_outlives_an_error_in_its_transaction() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create sequence s");
    client.ok("create table t (k int)");
    client.ok("create table u (k int, n varchar(1))");
    client.ok("begin");
    client.ok("insert all into t into u (k) select s.nextval from values (1), (2)");
    // Its temporary table is gone and the sequence has gone on: the rows themselves are done again.
    client.ok("insert into t values (10)");
    assert_eq!(client.error("insert into u values (3, 'long')").code, "100078");
    client.ok("commit");
    assert_eq!(client.all("select k from t order by k"), ["1", "2", "10"]);
    assert_eq!(client.all("select k from u order by k"), ["1", "2"]);
}

#[test]
fn an_insert_into_several_tables_takes_bound_values_in_their_order() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (k int, a varchar)");
    let mut asked = submission(
        "insert first when n > ? then into t values (n, ?) else into t values (n, ?) \
         select column1 n from values (1), (2), (3) where n < ?",
    );
    for (position, (type_name, value)) in [("FIXED", "1"), ("TEXT", "many"), ("TEXT", "few"), ("FIXED", "3")]
        .into_iter()
        .enumerate()
    {
        asked
            .bindings
            .insert((position + 1).to_string(), bind(type_name, &[Some(value)]));
    }
    let output = client.submit(asked).unwrap();
    assert_eq!(client.rows(output).unwrap(), ["2"]);
    assert_eq!(client.all("select * from t order by k"), ["1|few", "2|many"]);
}
