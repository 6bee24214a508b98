//! Detached statements: beside their session, or in their turn.

use std::thread;
use std::time::{Duration, Instant};

use super::support::{Client, Fixture, submission};
use crate::session::{Progress, Rows, StatementOutput};

const LONG: Duration = Duration::from_mins(1);
/// Longer than anything here waits for, and still short enough that a test which fails comes to its end.
const SLOW: &str = "call system$wait(2, 'minutes')";

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::yield_now();
    }
}

/// Runs a statement that must not have to wait for its turn.
fn beside(client: &Client, sql: &str) -> StatementOutput {
    let asked = submission(sql);
    assert!(client.session.detach(&asked), "{sql}");
    client.submit(asked).unwrap()
}

#[test]
fn a_detached_statement_does_not_wait_for_the_others() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("set v = 5");
    client.ok("alter session set timezone = 'Asia/Tokyo'");
    let session = client.one("select current_session()");
    // Whichever comes first runs, and the other one waits for it.
    let (one, other) = (submission(SLOW), submission(SLOW));
    thread::scope(|scope| {
        let submitted = [&one, &other].map(|asked| scope.spawn(|| client.submit(asked.clone())));
        until("one waits for the other", || {
            [&one, &other]
                .iter()
                .any(|asked| client.session.progress(asked.query_id) == Progress::Queued)
        });
        let sql = "select $v, current_session(), current_database(), to_char(0::timestamp_ltz, 'HH24')";
        let answer = client.rows(beside(&client, sql)).unwrap();
        assert_eq!(answer, [format!("5|{session}|D|09")]);
        beside(&client, "create table t as select 7 a");
        until("both are stopped", || {
            client.session.cancel(one.query_id);
            client.session.cancel(other.query_id);
            submitted.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        for ended in submitted {
            assert_eq!(ended.join().unwrap().unwrap_err().code, "000604");
        }
    });
    assert_eq!(
        client.one("select a from t"),
        "7",
        "the work of a branch is there"
    );
}

#[test]
fn what_needs_the_session_takes_its_turn() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    let detaches = |sql: &str| {
        let asked = submission(sql);
        let detached = client.session.detach(&asked);
        client.submit(asked).unwrap();
        detached
    };
    assert!(detaches("select 1"));
    assert!(!detaches("use schema information_schema"));
    client.ok("begin");
    assert!(
        !detaches("select 1"),
        "the transaction may have changed what it reads"
    );
    client.ok("commit");
    assert!(detaches("select 1"));
    client.ok("alter session set autocommit = false");
    assert!(!detaches("select 1"), "a change would begin a transaction");
    client.ok("alter session unset autocommit");
    client.ok("create temporary table d.public.own (a int)");
    assert!(!detaches("select * from d.public.own"));
    client.ok("drop table d.public.own");
    assert!(detaches("select 1"));
}

#[test]
fn a_branch_outlives_its_session_and_can_be_stopped() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    let (slow, cancelled) = (submission(SLOW), submission(SLOW));
    assert!(client.session.detach(&slow) && client.session.detach(&cancelled));
    assert!(client.session.cancel(cancelled.query_id), "before it has begun");
    assert_eq!(client.submit(cancelled).unwrap_err().code, "000604");
    thread::scope(|scope| {
        let running = scope.spawn(|| client.submit(slow.clone()));
        client.runtime.block_on(client.session.close());
        assert_eq!(client.error("select 1").code, "390111");
        assert!(!running.is_finished());
        until("it is stopped", || {
            client.session.cancel(slow.query_id);
            running.is_finished()
        });
        assert_eq!(running.join().unwrap().unwrap_err().code, "000604");
    });
    assert!(!client.session.cancel(slow.query_id), "it is forgotten");
}

#[test]
fn the_rows_of_a_branch_stream_to_their_end() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table big as select seq4() n from table(generator(rowcount => 200000))");
    let output = beside(&client, "select n from big order by n");
    assert!(matches!(output.rows, Rows::Stream(_)));
    client.runtime.block_on(client.session.close());
    assert_eq!(client.rows(output).unwrap().len(), 200_000);
}

#[test]
fn a_branch_waits_for_locks_as_others_do() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t as select 1::int a");
    one.ok("begin");
    one.ok("update t set a = 2");
    let asked = submission("update t set a = a + 10");
    let query_id = asked.query_id;
    assert!(two.session.detach(&asked));
    thread::scope(|scope| {
        let running = scope.spawn(|| two.submit(asked));
        until("it is blocked", || {
            two.session.progress(query_id) == Progress::Blocked
        });
        one.ok("commit");
        assert!(running.join().unwrap().is_ok());
    });
    assert_eq!(one.one("select a from t"), "12");
}
