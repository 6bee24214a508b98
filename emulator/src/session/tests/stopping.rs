//! Cancelling, timeouts, closing.

use std::time::{Duration, Instant};

use super::support::{Client, Fixture, submission};
use crate::session::{ParameterValue, Rows};

const LONG: Duration = Duration::from_mins(1);

fn endless(client: &Client) {
    client.ok("create or replace table big as select seq4() n from table(generator(rowcount => 300000))");
}

/// Cancels as soon as the statement is known.
fn cancel(client: &Client, query_id: crate::session::QueryId) {
    let deadline = Instant::now() + LONG;
    while !client.session.cancel(query_id) {
        assert!(Instant::now() < deadline, "the statement never ran");
        std::thread::yield_now();
    }
}

#[test]
fn a_running_statement_is_cancelled() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    endless(&client);
    client.ok("begin");
    client.ok("create temporary table t (a int)");
    client.ok("begin");
    client.ok("insert into t values (1)");
    let asked = submission("select sum(a.n * b.n % 7) from big a, big b");
    let query_id = asked.query_id;
    std::thread::scope(|scope| {
        let running = scope.spawn(|| client.submit(asked));
        cancel(&client, query_id);
        let error = running.join().unwrap().unwrap_err();
        assert_eq!((error.code, error.sql_state), ("000604", "57014"));
        assert_eq!(error.message, "SQL execution canceled");
    });
    assert!(!client.session.cancel(query_id));
    assert_eq!(client.one("select count(*) from t"), "1");
    client.ok("commit");
}

#[test]
fn a_statement_that_takes_too_long_is_stopped() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    endless(&client);
    let mut asked = submission("select sum(a.n * b.n % 7) from big a, big b");
    asked.parameters.insert(
        "STATEMENT_TIMEOUT_IN_SECONDS".to_owned(),
        ParameterValue::Integer(1),
    );
    let error = client.submit(asked).unwrap_err();
    assert_eq!((error.code, error.sql_state), ("000630", "57014"));
    assert_eq!(client.one("select 1"), "1");
}

#[test]
fn a_wait_ends_when_it_is_stopped_or_takes_too_long() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("begin");
    let asked = submission("select system$wait(2, 'hours') as waited");
    let query_id = asked.query_id;
    std::thread::scope(|scope| {
        let running = scope.spawn(|| client.submit(asked));
        cancel(&client, query_id);
        assert_eq!(running.join().unwrap().unwrap_err().code, "000604");
    });
    let mut asked = submission("call system$wait(1, 'days')");
    asked.parameters.insert(
        "STATEMENT_TIMEOUT_IN_SECONDS".to_owned(),
        ParameterValue::Integer(1),
    );
    assert_eq!(client.submit(asked).unwrap_err().code, "000630");
    assert!(
        client.session.context().transaction_open,
        "the session is as it was"
    );
}

#[test]
fn a_stream_that_nobody_reads_stops_its_statement() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    endless(&client);
    let output = client.output("select a.n, b.n from big a, big b");
    assert!(matches!(output.rows, Rows::Stream(_)));
    drop(output);
    assert_eq!(client.one("select 1"), "1");
}

#[test]
fn a_waiting_writer_is_cancelled() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t as select 1 a");
    one.ok("begin");
    one.ok("delete from t");
    let asked = submission("delete from t");
    let query_id = asked.query_id;
    std::thread::scope(|scope| {
        let running = scope.spawn(|| two.submit(asked));
        cancel(&two, query_id);
        assert_eq!(running.join().unwrap().unwrap_err().code, "000604");
    });
    one.ok("rollback");
}

#[test]
fn closing_rolls_back_and_lets_others_write() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t as select 1 a");
    one.ok("begin");
    one.ok("delete from t");
    one.runtime.block_on(one.session.close());
    assert_eq!(one.error("select 1").code, "390111");
    two.ok("update t set a = 5");
    assert_eq!(two.one("select a from t"), "5");
}
