//! Earlier states: how many are kept, and what becomes of those that are not.

use super::support::{Fixture, submission};
use crate::session::{HistoryLimits, InstanceConfig};

/// Runs a statement and gives its query id.
fn run(client: &super::support::Client, sql: &str) -> String {
    let asked = submission(sql);
    let query_id = asked.query_id.to_string();
    client
        .submit(asked)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    query_id
}

fn limited(history: HistoryLimits) -> Fixture {
    Fixture::open(&InstanceConfig {
        history,
        ..InstanceConfig::in_memory()
    })
}

#[test]
fn the_oldest_states_go_first() {
    let fixture = limited(HistoryLimits {
        states_max: 2,
        ..HistoryLimits::default()
    });
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    let first = run(&client, "insert into t values (1)");
    let second = run(&client, "insert into t values (2)");
    let past = |query_id: &str| format!("select count(*) from t before (statement => '{query_id}')");
    assert_eq!(client.all(&past(&second)), ["1"]);
    run(&client, "insert into t values (3)");
    assert_eq!(client.all(&past(&second)), ["1"]);
    assert_eq!(client.error(&past(&first)).code, "000707");
}

#[test]
fn many_changed_rows_cost_the_past() {
    let fixture = limited(HistoryLimits {
        rows_max: 10,
        ..HistoryLimits::default()
    });
    let client = fixture.client_in("d");
    client.ok("create table t as select seq4() a from table(generator(rowcount => 100))");
    let few = run(&client, "update t set a = -a where a < 5");
    let past = |query_id: &str| format!("select min(a) from t before (statement => '{query_id}')");
    assert_eq!(client.all(&past(&few)), ["0"]);
    let many = run(&client, "update t set a = a + 1");
    assert_eq!(client.error(&past(&many)).code, "000707");
    assert_eq!(client.error(&past(&few)).code, "000707");
}

#[test]
fn without_states_there_is_no_past_and_the_file_is_folded_anyway() {
    let folder = tempfile::tempdir().unwrap();
    let config = |states_max| InstanceConfig {
        data: Some(folder.path().to_owned()),
        history: HistoryLimits {
            states_max,
            ..HistoryLimits::default()
        },
        ..InstanceConfig::in_memory()
    };
    let query_id = {
        let fixture = Fixture::open(&config(100));
        let client = fixture.client_in("d");
        client.ok("create table t (a int)");
        let query_id = run(&client, "insert into t values (1)");
        fixture.instance.checkpoint().unwrap();
        let log = folder.path().join("emulator.duckdb.wal");
        assert!(!log.exists(), "states kept the log from being folded");
        query_id
    };
    let fixture = Fixture::open(&config(0));
    let client = fixture.client_in("d");
    let past = |query_id: &str| format!("select * from t before (statement => '{query_id}')");
    assert_eq!(client.error(&past(&query_id)).code, "000707", "a restart forgets");
    let query_id = run(&client, "insert into t values (2)");
    assert_eq!(client.error(&past(&query_id)).code, "000707");
    assert_eq!(client.all("select count(*) from t"), ["2"]);
}
