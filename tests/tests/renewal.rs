//! Session tokens that end after two seconds: nobody notices, not even a transaction.

use std::time::{Duration, Instant};

use snowflake_session_tests::emulator;
use snowflake_session_tests::stage::Stage;

/// Life of a session token at the emulator.
const TOKEN_LIFE: Duration = Duration::from_secs(2);

#[test]
fn a_transaction_outlives_its_tokens() {
    let mut stage = Stage::new();
    let server = emulator::start(&stage, &["--session-token-seconds", "2"]);
    stage.connections(&server.connection("short", ""));
    stage.set("SFCTL_CONNECTION", "short");
    stage.sfctl(&["query", "create database d"]).ok();
    stage.sfctl(&["query", "create table d.public.t (a int)"]).ok();
    let session = stage.rows("select current_session()");

    stage.sfctl(&["query", "begin"]).ok();
    let start = Instant::now();
    let mut inserted = 0;
    // Three lives of a token, each statement a command of its own.
    while start.elapsed() < 3 * TOKEN_LIFE {
        stage
            .sfctl(&["query", &format!("insert into d.public.t values ({inserted})")])
            .ok();
        inserted += 1;
    }
    assert_eq!(
        stage.rows("select count(*) from d.public.t"),
        inserted.to_string()
    );
    stage.sfctl(&["query", "commit"]).ok();
    assert_eq!(
        stage.rows("select count(*) from d.public.t"),
        inserted.to_string()
    );
    assert_eq!(
        stage.rows("select current_session()"),
        session,
        "the same upstream session throughout"
    );
}
