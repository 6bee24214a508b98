//! Statements that come again: what is kept of them, and for how long.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use snowflake_emulator_engine::{
    Engine, EngineConfig, EngineConnection, EngineError, EngineErrorKind, Repeat, SqlType, open,
};

const BOTH: [Repeat; 2] = [Repeat::Parsed, Repeat::Planned];

fn engine() -> Arc<dyn Engine> {
    open(&EngineConfig::in_memory()).unwrap()
}

fn again(connection: &mut dyn EngineConnection, sql: &str, repeat: Repeat) -> Result<i64, EngineError> {
    let mut reader = connection.query_again(sql, 1024, repeat)?;
    let batch = reader.next_batch()?.unwrap();
    let number = batch.column(0).as_primitive::<Int64Type>().value(0);
    assert!(reader.next_batch()?.is_none());
    Ok(number)
}

/// Plans that the connection keeps: each is a prepared statement of the engine.
fn plans(connection: &mut dyn EngineConnection) -> i64 {
    let mut reader = connection
        .query("SELECT count(*) FROM duckdb_prepared_statements()", 1024)
        .unwrap();
    let batch = reader.next_batch().unwrap().unwrap();
    batch.column(0).as_primitive::<Int64Type>().value(0)
}

#[test]
fn a_plan_is_made_at_the_second_time_and_forgotten_by_what_may_change_it() {
    let engine = engine();
    let (mut connection, mut other) = (engine.connect().unwrap(), engine.connect().unwrap());
    let connection = connection.as_mut();
    for (time, expected) in [0, 1, 1, 1].into_iter().enumerate() {
        assert_eq!(
            again(connection, "SELECT 41::BIGINT + 1", Repeat::Planned),
            Ok(42)
        );
        assert_eq!(plans(connection), expected, "after time {time}");
    }
    other
        .execute("CREATE TABLE t(i BIGINT); SET sf_week_start = '1'")
        .unwrap();
    assert_eq!(plans(connection), 1);
    connection.execute("SELECT 1").unwrap();
    assert_eq!(plans(connection), 0);
    for _ in 0..3 {
        assert_eq!(again(connection, "SELECT 41::BIGINT + 1", Repeat::Parsed), Ok(42));
        assert_eq!(plans(connection), 0);
    }
}

#[test]
fn plans_are_few() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    for number in 0..200 {
        for _ in 0..3 {
            let sql = format!("SELECT {number}::BIGINT");
            assert_eq!(again(connection.as_mut(), &sql, Repeat::Planned), Ok(number));
        }
    }
    let kept = plans(connection.as_mut());
    assert!((1..=64).contains(&kept), "{kept}");
}

#[test]
fn settings_are_read_anew_when_they_change() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    // 2017-01-01 was a Sunday.
    let sql = "SELECT sf_date_part('dayofweek', DATE '2017-01-01')";
    for (start, expected) in [("0", 0), ("1", 7), ("7", 1), ("0", 0)] {
        connection
            .execute(&format!("SET sf_week_start = '{start}'"))
            .unwrap();
        for _ in 0..4 {
            for repeat in BOTH {
                assert_eq!(
                    again(connection.as_mut(), sql, repeat),
                    Ok(expected),
                    "{repeat:?}"
                );
            }
        }
    }
}

/// The promise of [`Repeat::Planned`] is broken here on purpose: the engine notices a changed table all the same.
#[test]
fn a_table_that_another_connection_changes_is_seen_as_it_is() {
    let engine = engine();
    for repeat in BOTH {
        let (mut here, mut there) = (engine.connect().unwrap(), engine.connect().unwrap());
        there
            .execute("CREATE OR REPLACE TABLE t AS SELECT 1::BIGINT AS i")
            .unwrap();
        let here = here.as_mut();
        for (change, expected) in [
            ("INSERT INTO t VALUES (5)", 6),
            ("ALTER TABLE t ADD COLUMN j BIGINT DEFAULT 1", 6),
            ("DROP TABLE t; CREATE TABLE t AS SELECT 9::BIGINT AS i", 9),
            ("DROP TABLE t; CREATE VIEW t AS SELECT 3::BIGINT AS i", 3),
            ("DROP VIEW t", -1),
            ("CREATE TABLE t AS SELECT 4::BIGINT AS i", 4),
        ] {
            there.execute(change).unwrap();
            for _ in 0..4 {
                let sum = again(here, "SELECT sum(i)::BIGINT FROM t", repeat);
                match sum {
                    Ok(sum) => assert_eq!(sum, expected, "{change}"),
                    Err(error) => {
                        assert_eq!((error.kind, expected), (EngineErrorKind::Catalog, -1), "{change}");
                    }
                }
            }
        }
        there.execute("DROP TABLE t").unwrap();
    }
}

#[test]
fn columns_are_those_of_the_table_now() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    for (column, expected) in [
        ("'1' AS v", SqlType::Text { length: None }),
        ("'1'::sf_variant AS v", SqlType::Variant),
        ("'1'::sf_array AS v", SqlType::Array),
    ] {
        connection
            .execute(&format!("CREATE OR REPLACE TABLE t AS SELECT {column}"))
            .unwrap();
        for _ in 0..4 {
            let mut reader = connection
                .query_again("SELECT * FROM t", 1024, Repeat::Parsed)
                .unwrap();
            assert_eq!(reader.columns()[0].sql_type, expected);
            assert_eq!(reader.next_batch().unwrap().unwrap().num_rows(), 1);
        }
    }
}

#[test]
fn a_clock_and_a_sequence_go_on() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    connection.execute("CREATE SEQUENCE s").unwrap();
    for repeat in BOTH {
        let mut last = 0;
        for _ in 0..4 {
            let now = again(connection.as_mut(), "SELECT epoch_us(now())", repeat).unwrap();
            assert!(now > last, "{repeat:?}");
            last = now;
        }
        let first = again(connection.as_mut(), "SELECT nextval('s')", repeat).unwrap();
        for next in 1..4 {
            let drawn = again(connection.as_mut(), "SELECT nextval('s')", repeat);
            assert_eq!(drawn, Ok(first + next), "{repeat:?}");
        }
    }
}

#[test]
fn an_abandoned_or_stopped_plan_runs_again() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    let interrupter = connection.interrupter();
    let sql = "SELECT a.i FROM range(100000000) AS a(i), range(1000) AS b(i)";
    for round in 0..6 {
        let mut reader = connection.query_again(sql, 1024, Repeat::Planned).unwrap();
        reader.next_batch().unwrap().unwrap();
        if round % 2 == 0 {
            continue;
        }
        interrupter.interrupt();
        let error = loop {
            match reader.next_batch() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the statement ended by itself"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, EngineErrorKind::Interrupted, "{error:?}");
    }
    assert_eq!(plans(connection.as_mut()), 1);
    assert_eq!(
        again(connection.as_mut(), "SELECT 1::BIGINT", Repeat::Planned),
        Ok(1)
    );
}

#[test]
fn a_failing_plan_fails_in_the_same_words() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    for sql in [
        "SELECT ('x' || i)::BIGINT FROM range(1) AS r(i)",
        "SELECT sf_div(1, i) FROM range(1) AS r(i)",
        "SELECT missing",
        "SELEC 1",
        "SELECT 1; SELECT 2",
    ] {
        let run = |connection: &mut dyn EngineConnection| {
            connection
                .query_again(sql, 1024, Repeat::Planned)
                .and_then(|mut reader| reader.next_batch().map(|_| ()))
                .unwrap_err()
        };
        let first = run(connection.as_mut());
        for _ in 0..4 {
            assert_eq!(run(connection.as_mut()), first, "{sql}");
        }
    }
}

#[test]
fn kept_statements_move_with_their_connection_and_end_with_it() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    for repeat in BOTH {
        for _ in 0..3 {
            assert_eq!(again(connection.as_mut(), "SELECT 7::BIGINT", repeat), Ok(7));
        }
    }
    let there = std::thread::spawn(move || {
        let seven = again(connection.as_mut(), "SELECT 7::BIGINT", Repeat::Planned);
        (seven, plans(connection.as_mut()))
    });
    assert_eq!(there.join().unwrap(), (Ok(7), 1));
    drop(engine);
}
