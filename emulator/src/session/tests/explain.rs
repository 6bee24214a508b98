//! EXPLAIN as clients use it: as text, with values that are bound and described.

use std::collections::BTreeMap;

use super::support::{Fixture, bind, submission};

#[test]
fn a_plan_is_a_text() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    client.ok("insert into t values (1), (2)");
    let rows = client.all("explain using text select a from t x where a * a > 2");
    let lines: Vec<&str> = rows[0].split('\n').collect();
    assert_eq!(
        lines,
        [
            "GlobalStats:",
            "    partitionsTotal=1",
            "    partitionsAssigned=1",
            "    bytesAssigned=0",
            "Operations:",
            "1:0     ->Result  X.A",
            "1:1          ->Filter  ((X.A * X.A) > 2)",
            "1:2               ->TableScan  D.PUBLIC.T  as X  A  {partitionsTotal=1, partitionsAssigned=1, bytesAssigned=0}",
            "",
        ]
    );
}

#[test]
fn a_plan_that_is_too_deep_is_refused_and_the_query_is_not() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    client.ok("insert into t values (1)");
    let steps = (1..60).map(|step| {
        let before = step - 1;
        format!("c{step} as (select max(a) + 1 a from (select a, count(*) n from c{before} group by a))")
    });
    let steps: Vec<String> = steps.collect();
    let query = format!(
        "with c0 as (select a from t), {} select a from c59",
        steps.join(", ")
    );
    assert_eq!(client.all(&query), ["60"]);
    let error = client.error(&format!("explain {query}"));
    assert!(
        error
            .message
            .ends_with("Unsupported feature 'EXPLAIN of a plan this deep'."),
        "{}",
        error.message
    );
}

#[test]
fn a_plan_takes_bound_values() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int, b varchar)");
    client.ok("insert into t values (1, 'x'), (9, 'y')");
    let mut asked = submission("explain select b from t where a + 0 < ?");
    asked.bindings = BTreeMap::from([("1".to_owned(), bind("FIXED", &[Some("7")]))]);
    let output = client.submit(asked.clone()).unwrap();
    assert_eq!((output.statement_type, output.columns.len()), (0x1001, 10));
    let rows = client.rows(output).unwrap();
    assert_eq!(rows[2], "1|1|[0]|Filter|NULL|NULL|((T.A + 0) < 7)|NULL|NULL|NULL");

    asked.describe_only = true;
    let output = client.submit(asked).unwrap();
    assert_eq!((output.bind_count, output.columns.len()), (1, 10));
    assert!(client.rows(output).unwrap().is_empty());

    // Values that are not known yet are NULL, as when a statement is described.
    let rows = client.all("explain select b from t where a = ?");
    assert!(rows[1].contains("Result"), "{rows:?}");

    // Of many rows the first speaks for all.
    let mut asked = submission("explain insert into t values (?, ?)");
    asked.bindings = BTreeMap::from([
        ("1".to_owned(), bind("FIXED", &[Some("1"), Some("2")])),
        ("2".to_owned(), bind("TEXT", &[Some("x"), None])),
    ]);
    let output = client.submit(asked).unwrap();
    assert_eq!(
        client.rows(output).unwrap()[2],
        "1|1|[0]|Insert|D.PUBLIC.T|NULL|NULL|NULL|NULL|NULL"
    );
    assert_eq!(client.one("select count(*) from t"), "2");
}

#[test]
fn a_plan_is_made_inside_a_transaction() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    client.ok("begin");
    client.ok("insert into t values (1)");
    let rows = client.all("explain select sum(a) from t");
    assert_eq!(
        rows[2],
        "1|1|[0]|Aggregate|NULL|NULL|aggExprs: [SUM(T.A)]|NULL|NULL|NULL"
    );
    assert_eq!(client.error("explain select missing from t").code, "000904");
    client.ok("commit");
    assert_eq!(client.one("select count(*) from t"), "1");
}
