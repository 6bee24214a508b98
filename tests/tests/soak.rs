//! A minute of fifty sessions under faults: no write is lost, none is doubled, nothing is left behind.

use std::time::Duration;

use snowflake_session_tests::soak::{Plan, run};

#[test]
fn fifty_sessions_survive_a_minute_of_faults() {
    let report = run(Plan {
        duration: Duration::from_mins(1),
        sessions: 50,
        statements_min: 1000,
        seed: 20,
    });
    if let Err(error) = report {
        panic!("{error:?}");
    }
}
