//! EXECUTE IMMEDIATE as clients send it: with bound values, described, and with results that stream.

use super::support::{Fixture, bind, submission};
use crate::plan::kind;
use crate::session::Rows;

#[test]
fn what_runs_answers_as_if_sent_by_itself() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok(
        "execute immediate 'create table t as select seq4() a from table(generator(rowcount => 100000))'",
    );
    let output = client.output("execute immediate 'select a from t'");
    assert_eq!(output.statement_type, kind::SELECT);
    assert!(matches!(output.rows, Rows::Stream(_)));
    assert_eq!(client.rows(output).unwrap().len(), 100_000);
    let output = client.output("execute immediate 'insert into t values (1), (2)'");
    assert_eq!(output.statement_type, kind::INSERT);
    assert_eq!(output.stats.map(|stats| stats.inserted), Some(2));
    let output = client.output("execute immediate 'alter session set timezone = ''UTC'''");
    assert_eq!(output.statement_type, kind::ALTER_SESSION);
}

#[test]
fn values_of_clients_are_for_the_statement_outside() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    let mut asked = submission("execute immediate ? using (?, :3)");
    asked.bindings = [
        (
            "1".to_owned(),
            bind("TEXT", &[Some("select ? || 'x', ?::varchar")]),
        ),
        ("2".to_owned(), bind("TEXT", &[Some("it's")])),
        ("3".to_owned(), bind("DATE", &[Some("86400000")])),
    ]
    .into();
    let output = client.submit(asked.clone()).unwrap();
    assert_eq!(client.rows(output).unwrap(), ["it'sx|1970-01-02"]);

    // A question mark inside a text is not the client's.
    let mut inside = submission("execute immediate 'select ?'");
    inside.bindings = [("1".to_owned(), bind("FIXED", &[Some("1")]))].into();
    assert_eq!(client.submit(inside).unwrap_err().code, "002049");

    asked
        .bindings
        .insert("2".to_owned(), bind("TEXT", &[Some("a"), Some("b")]));
    let error = client.submit(asked).unwrap_err();
    assert!(error.message.contains("arrays of bound values"), "{error}");
}

#[test]
fn it_is_described_before_values_are_known() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    let mut asked = submission("execute immediate 'select ? as a, 1 as b' using (?)");
    asked.describe_only = true;
    let output = client.submit(asked).unwrap();
    let names: Vec<&str> = output.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((names.as_slice(), output.bind_count), (["A", "B"].as_slice(), 1));

    let mut asked = submission("execute immediate ? using (?)");
    asked.describe_only = true;
    let output = client.submit(asked).unwrap();
    assert_eq!(output.bind_count, 2);

    // Nothing runs.
    let mut asked = submission("execute immediate 'create table t (a int)'");
    asked.describe_only = true;
    client.submit(asked).unwrap();
    assert_eq!(client.error("select * from t").code, "002003");
}

#[test]
fn an_error_inside_undoes_its_own_statement_only() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    client.ok("begin");
    client.ok("execute immediate 'insert into t values (1)'");
    client.error("execute immediate 'insert into t select 1 / (a - 1) from t'");
    client.ok("execute immediate 'insert into t values (2)'");
    client.ok("execute immediate 'commit'");
    assert_eq!(client.one("select sum(a) from t"), "3");
}
