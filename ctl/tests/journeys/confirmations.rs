//! `write --confirm`, `--abandon` and `--undo`: going on with an earlier write.

use snowflake_session_proto::v1::WriteState;

use crate::writes::{TOKEN, committed, held, house, write};

#[test]
fn a_token_confirms_once_and_may_come_from_stdin() {
    let house = house(committed());
    let ran = house.run(&["write", "--confirm", TOKEN]);
    assert_eq!(ran.ok(), "2 rows updated in ORDERS\n");
    assert!(ran.stderr.starts_with("committed (12 ms)\n"), "{ran:?}");
    assert!(
        house
            .run(&["write", "--confirm", TOKEN])
            .failed(2)
            .contains("no write waits for the token")
    );
    house.fake.state.writes.lock().unwrap().outcome = Some(committed());
    house
        .run_with_stdin(&["write", "--confirm", "-"], b"w1.77\n")
        .ok();
    let confirmed = house.fake.state.writes.lock().unwrap().confirmed.clone();
    let tokens: Vec<&str> = confirmed.iter().map(|request| request.token.as_str()).collect();
    assert_eq!(tokens, [TOKEN, TOKEN, "w1.77"]);
    assert!(
        house
            .run_with_stdin(&["write", "--confirm", "-"], b"\n")
            .failed(2)
            .contains("the token is empty")
    );
}

#[test]
fn abandoning_rolls_back_and_warns_of_what_goes_with_it() {
    let ran = house(write(WriteState::RolledBack)).run(&["write", "--abandon", TOKEN]);
    ran.ok();
    assert_eq!(ran.stderr, "the write is rolled back\n");
    let mut joined = write(WriteState::RolledBack);
    joined.transaction_joined = true;
    let ran = house(joined).run(&["write", "-q", "--abandon", TOKEN]);
    ran.ok();
    assert_eq!(
        ran.stderr,
        "warning: the transaction that was open before the write was rolled back with it\n"
    );
    let mut waited = write(WriteState::Abandoned);
    waited.dml = None;
    let ran = house(waited).run(&["write", "--abandon", TOKEN]);
    assert_eq!(
        (ran.ok(), ran.stderr.as_str()),
        ("", "the write is abandoned, it has not run\n")
    );
}

#[test]
fn an_undo_is_a_write_of_its_own() {
    let house = house(held());
    let ran = house.run(&[
        "write", "--undo", "01ab", "--table", "t", "--sample", "2", "-c", "dev",
    ]);
    assert_eq!(ran.code, Some(5));
    let sent = house.fake.state.writes.lock().unwrap().undone.pop().unwrap();
    assert_eq!(
        (sent.query.as_str(), sent.table.as_str(), sent.connection.as_str()),
        ("01ab", "t", "dev")
    );
    assert_eq!(
        (sent.dry_run, sent.confirmed, sent.sample_rows),
        (false, false, 2)
    );
    house.fake.state.writes.lock().unwrap().outcome = Some(committed());
    house.run(&["write", "--undo", "last", "--yes"]).ok();
    let sent = house.fake.state.writes.lock().unwrap().undone.pop().unwrap();
    assert!(sent.confirmed && sent.query == "last");
    house.fake.state.writes.lock().unwrap().outcome = Some(write(WriteState::RolledBack));
    house.run(&["write", "--undo", "last", "--dry-run"]).ok();
}
