//! Small and large results, sample data.

use super::support::{Fixture, submission};
use crate::session::Rows;

#[test]
fn small_results_are_ready_and_large_ones_stream() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    assert!(matches!(client.output("select 1").rows, Rows::Ready(_)));
    client.ok("create table t as select seq4() a from table(generator(rowcount => 100000))");
    let output = client.output("select a from t");
    assert!(matches!(output.rows, Rows::Stream(_)));
    assert_eq!(client.rows(output).unwrap().len(), 100_000);
    // Kept lowered, the second time gives the same.
    assert_eq!(
        client.one("select count(*), sum(a) from t"),
        client.one("select count(*), sum(a) from t")
    );
}

#[test]
fn an_error_ends_a_stream() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t as select seq4() a from table(generator(rowcount => 200000))");
    client.ok("begin");
    client.ok("create temporary table kept (a int)");
    client.ok("begin");
    client.ok("insert into kept values (1)");
    let error = client.error("select 1 / (a - 199999) from t");
    assert_eq!(error.code, "100051");
    assert_eq!(client.one("select count(*) from kept"), "1");
    client.ok("commit");
}

#[test]
fn sample_data_is_there_when_asked_for() {
    let fixture = Fixture::new();
    let client = fixture.client();
    assert_eq!(
        client
            .all("show tables in schema snowflake_sample_data.tpch_sf001")
            .len(),
        8
    );
    client.ok("use schema snowflake_sample_data.tpch_sf001");
    assert_eq!(client.one("select count(*) from orders"), "15000");
    client.ok("begin");
    assert_eq!(client.one("select count(*) from lineitem"), "60175");
    client.ok("commit");
}

#[test]
fn children_of_a_request_have_their_rows() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    let mut asked = submission("create table t as select 1 a; select * from t; insert into t values (2)");
    asked.statement_count = Some(0);
    let mut output = client.submit(asked).unwrap();
    let children: Vec<Vec<String>> = output
        .children
        .drain(..)
        .map(|child| client.rows(child).unwrap())
        .collect();
    assert_eq!(children[1], ["1"]);
    assert_eq!(children[2], ["1"]);
}
