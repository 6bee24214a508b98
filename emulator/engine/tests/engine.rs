//! The engine through its traits, as the emulator uses it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::from_iter_instead_of_collect,
    reason = "the array type is said where it matters"
)]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray, cast::AsArray,
    types::Int64Type,
};
use arrow_schema::{DataType, TimeUnit};
use snowflake_emulator_engine::{
    Engine, EngineConfig, EngineConnection, EngineErrorKind, SqlType, Storage, functions, open,
};

fn engine() -> Arc<dyn Engine> {
    open(&EngineConfig::in_memory()).unwrap()
}

fn number(connection: &mut dyn EngineConnection, sql: &str) -> i64 {
    let mut reader = connection.query(sql, 1024).unwrap();
    let batch = reader.next_batch().unwrap().unwrap();
    batch.column(0).as_primitive::<Int64Type>().value(0)
}

fn types(connection: &mut dyn EngineConnection, sql: &str) -> Vec<SqlType> {
    connection
        .describe(sql)
        .unwrap()
        .into_iter()
        .map(|column| column.sql_type)
        .collect()
}

#[test]
fn connections_see_committed_rows_only() {
    let engine = engine();
    let (mut writer, mut reader) = (engine.connect().unwrap(), engine.connect().unwrap());
    writer.execute("CREATE TABLE t(i BIGINT)").unwrap();
    assert_eq!(writer.execute("BEGIN; INSERT INTO t VALUES (1), (2)").unwrap(), 2);
    assert_eq!(number(&mut *reader, "SELECT count(*) FROM t"), 0);
    writer.execute("COMMIT").unwrap();
    assert_eq!(number(&mut *reader, "SELECT count(*) FROM t"), 2);
}

#[test]
fn a_result_streams_in_batches_of_the_size_asked_for() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    let mut reader = connection
        .query("SELECT i, 'x' AS \"Text\" FROM range(10000) AS r(i)", 4096)
        .unwrap();
    assert_eq!(reader.columns()[1].name, "Text");
    let (mut rows, mut batches) = (0, 0);
    while let Some(batch) = reader.next_batch().unwrap() {
        assert!(batch.num_rows() <= 4096);
        rows += batch.num_rows();
        batches += 1;
    }
    assert_eq!(rows, 10_000);
    assert!(batches >= 3);
}

#[test]
fn an_abandoned_result_leaves_the_connection_usable() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    let mut reader = connection.query("SELECT * FROM range(1000000)", 1024).unwrap();
    reader.next_batch().unwrap().unwrap();
    drop(reader);
    assert_eq!(number(&mut *connection, "SELECT 1::BIGINT"), 1);
}

#[test]
fn snowflakes_types_survive_tables_views_and_expressions() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    connection
        .execute(
            "CREATE TABLE t(v sf_variant, o sf_object, a sf_array, l sf_timestamp_ltz, z sf_timestamp_tz, n DECIMAL(12,2));
             CREATE VIEW w AS SELECT * FROM t",
        )
        .unwrap();
    let expected = [
        SqlType::Variant,
        SqlType::Object,
        SqlType::Array,
        SqlType::TimestampLtz { scale: 9 },
        SqlType::TimestampTz { scale: 9 },
        SqlType::Number {
            precision: 12,
            scale: 2,
        },
    ];
    for sql in [
        "SELECT * FROM t",
        "SELECT * FROM w",
        "SELECT * FROM w UNION ALL SELECT * FROM t",
        "SELECT max(v), max(o), max(a), max(l), max(z), max(n) FROM t",
        "SELECT any_value(v), first(o), min(a), min(l), min(z), min(n) FROM t",
        "SELECT coalesce(v, v), coalesce(o, o), coalesce(a, NULL), coalesce(l, l), coalesce(z, NULL), coalesce(n, n) FROM t",
        "SELECT CASE WHEN n > 1 THEN v END, CASE WHEN n > 1 THEN o ELSE o END, a, l, z, n FROM t",
        "SELECT lag(v) OVER (ORDER BY n), first_value(o) OVER (ORDER BY n), a, max(l) OVER (), z, n FROM t",
        "SELECT * FROM t ORDER BY z, l, v",
    ] {
        assert_eq!(types(&mut *connection, sql), expected, "{sql}");
    }
}

#[test]
fn batches_have_the_promised_physical_types() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
    for (expression, expected) in [
        ("1", DataType::Int32),
        ("1::UBIGINT", DataType::Decimal128(38, 0)),
        ("1::UINTEGER", DataType::Int64),
        ("1::HUGEINT", DataType::Decimal128(38, 0)),
        ("1.5", DataType::Decimal128(2, 1)),
        ("1::FLOAT", DataType::Float64),
        ("NULL", DataType::Utf8),
        ("'x'::sf_variant", DataType::Utf8),
        ("true", DataType::Boolean),
        ("DATE '2024-01-01'", DataType::Date32),
        ("TIME '01:02:03'", DataType::Time64(TimeUnit::Nanosecond)),
        ("'01:02:03'::TIME_NS", DataType::Time64(TimeUnit::Nanosecond)),
        ("TIMESTAMP '2024-01-01 00:00:00'", nanoseconds.clone()),
        ("'2024-01-01 00:00:00'::TIMESTAMP_NS", nanoseconds.clone()),
        (
            "CAST('2024-01-01 00:00:00'::TIMESTAMP_NS AS sf_timestamp_ltz)",
            nanoseconds,
        ),
        ("'ab'::BLOB", DataType::Binary),
    ] {
        let mut reader = connection
            .query(&format!("SELECT {expression} AS x"), 1024)
            .unwrap();
        let batch = reader.next_batch().unwrap().unwrap();
        assert_eq!(batch.column(0).data_type(), &expected, "{expression}");
        assert_eq!(batch.num_rows(), 1);
    }
}

#[test]
fn a_type_without_a_counterpart_is_refused() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    let error = connection.describe("SELECT [1, 2]").unwrap_err();
    assert_eq!(error.kind, EngineErrorKind::Internal);
    assert_eq!(error.message, "no Snowflake type for the engine's type INTEGER[]");
}

#[test]
fn errors_are_classified_and_placed() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    connection.execute("CREATE TABLE t(i BIGINT NOT NULL)").unwrap();
    for (sql, kind, place) in [
        ("SELEC 1", EngineErrorKind::Syntax, Some("SELEC")),
        ("SELECT * FROM missing", EngineErrorKind::Catalog, Some("missing")),
        ("SELECT missing FROM t", EngineErrorKind::Binder, Some("missing")),
        ("SELECT no_such(1)", EngineErrorKind::Catalog, Some("no_such")),
        ("CREATE TABLE t(i BIGINT)", EngineErrorKind::Catalog, None),
        ("SELECT 'x'::BIGINT", EngineErrorKind::Conversion, None),
        (
            "SELECT 9223372036854775807::BIGINT + 1::BIGINT",
            EngineErrorKind::Arithmetic,
            None,
        ),
        ("INSERT INTO t VALUES (NULL)", EngineErrorKind::Constraint, None),
        ("COMMIT", EngineErrorKind::Transaction, None),
        ("SELECT sf_div(1, 0)", EngineErrorKind::Function, None),
    ] {
        let error = connection.execute(sql).unwrap_err();
        assert_eq!(error.kind, kind, "{sql}: {error:?}");
        if let Some(place) = place {
            assert_eq!(error.position, sql.find(place), "{sql}: {error:?}");
        }
        assert!(!error.message.contains("Error:"), "{sql}: {error:?}");
        assert!(!error.message.contains("LINE"), "{sql}: {error:?}");
    }
}

#[test]
fn a_statement_that_does_not_compile_leaves_its_transaction_alive() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    connection
        .execute("CREATE TABLE t(i BIGINT); BEGIN; INSERT INTO t VALUES (1)")
        .unwrap();
    connection.execute("SELECT missing FROM t").unwrap_err();
    connection.execute("SELECT * FROM missing").unwrap_err();
    connection.execute("COMMIT").unwrap();
    assert_eq!(number(&mut *connection, "SELECT count(*) FROM t"), 1);
}

#[test]
fn a_conflict_is_told_from_other_failures() {
    let engine = engine();
    let (mut one, mut other) = (engine.connect().unwrap(), engine.connect().unwrap());
    one.execute("CREATE TABLE t(i BIGINT); INSERT INTO t VALUES (1)")
        .unwrap();
    one.execute("BEGIN; UPDATE t SET i = 2").unwrap();
    other.execute("BEGIN").unwrap();
    let error = other.execute("UPDATE t SET i = 3").unwrap_err();
    assert_eq!(error.kind, EngineErrorKind::Conflict, "{error:?}");
}

#[test]
fn a_running_statement_is_interrupted() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    let interrupter = connection.interrupter();
    let (started, wait) = std::sync::mpsc::channel();
    let stopper = std::thread::spawn(move || {
        wait.recv().unwrap();
        interrupter.interrupt();
    });
    let mut reader = connection
        .query(
            "SELECT a.i FROM range(100000000) AS a(i), range(1000) AS b(i)",
            1024,
        )
        .unwrap();
    reader.next_batch().unwrap().unwrap();
    started.send(()).unwrap();
    let error = loop {
        match reader.next_batch() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the statement ended by itself"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, EngineErrorKind::Interrupted, "{error:?}");
    drop(reader);
    stopper.join().unwrap();
    assert_eq!(number(&mut *connection, "SELECT 1::BIGINT"), 1);
}

#[test]
fn batches_are_appended_with_their_nulls() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    connection
        .execute("CREATE SCHEMA \"S 1\"; CREATE TABLE \"S 1\".t(k BIGINT, d DECIMAL(12,2), s VARCHAR, day DATE, v sf_variant)")
        .unwrap();
    let rows = 5_000;
    let odd = |row: i64| (row % 2 == 1).then_some(row);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(Int64Array::from_iter_values(0..rows))),
        (
            "d",
            Arc::new(
                Decimal128Array::from_iter((0..rows).map(|row| odd(row).map(i128::from)))
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
        (
            "s",
            Arc::new(StringArray::from_iter(
                (0..rows).map(|row| odd(row).map(|row| format!("a longer text {row}"))),
            )),
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter(
                (0..rows).map(|row| odd(row).map(|row| row as i32)),
            )),
        ),
        (
            "v",
            Arc::new(StringArray::from_iter_values(
                (0..rows).map(|row| row.to_string()),
            )),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    assert_eq!(connection.append("S 1", "t", &batch.unwrap()).unwrap(), 5_000);
    assert_eq!(
        number(
            &mut *connection,
            "SELECT count(*) FROM \"S 1\".t WHERE d IS NULL AND s IS NULL AND day IS NULL"
        ),
        2_500
    );
    assert_eq!(
        number(
            &mut *connection,
            "SELECT count(*) FROM \"S 1\".t WHERE d * 100 = k AND s = 'a longer text ' || k AND day = DATE '1970-01-01' + k::INTEGER AND v = k::VARCHAR",
        ),
        2_500
    );
}

#[test]
fn a_view_follows_the_settings_of_the_session_that_queries_it() {
    let engine = engine();
    let (mut here, mut there) = (engine.connect().unwrap(), engine.connect().unwrap());
    here.execute("CREATE VIEW w AS SELECT sf_date_part('hour', sf_to_timestamp_ltz(0)) AS h")
        .unwrap();
    let tokyo = functions::setting_statement("Timezone", "Asia/Tokyo").unwrap();
    there.execute(&tokyo).unwrap();
    assert_eq!(functions::setting_statement("QUERY_TAG", "x"), None);
    assert_eq!(number(&mut *here, "SELECT h FROM w"), 16);
    assert_eq!(number(&mut *there, "SELECT h FROM w"), 9);
    for (setting, default) in functions::SETTINGS {
        let sql =
            format!("SELECT count(*) FROM (SELECT current_setting('{setting}') AS s) WHERE s = '{default}'");
        assert_eq!(number(&mut *here, &sql), 1, "{setting}");
    }
}

#[test]
fn functions_read_the_settings_of_their_session() {
    let engine = engine();
    let mut connection = engine.connect().unwrap();
    // 2017-01-01 was a Sunday.
    let day_of_week = "SELECT sf_date_part('dayofweek', DATE '2017-01-01')";
    let week = "SELECT sf_date_part('week', DATE '2017-01-01')";
    assert_eq!(number(&mut *connection, day_of_week), 0);
    assert_eq!(number(&mut *connection, week), 52);
    connection
        .execute("SET sf_week_start = '1'; SET sf_week_of_year_policy = '1'")
        .unwrap();
    assert_eq!(number(&mut *connection, day_of_week), 7);
    assert_eq!(number(&mut *connection, week), 1);
    connection
        .execute("SET sf_date_output_format = 'DD.MM.YYYY'; SET sf_date_input_format = 'DD.MM.YYYY'")
        .unwrap();
    let round_trip =
        "SELECT count(*) FROM (SELECT sf_to_varchar(sf_to_date('03.02.2024')) AS t) WHERE t = '03.02.2024'";
    assert_eq!(number(&mut *connection, round_trip), 1);
}

#[test]
fn data_on_disk_survives_and_is_locked() {
    let folder = std::env::temp_dir().join(format!("snowflake-engine-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = EngineConfig {
        storage: Storage::OnDisk(folder.join("data.duckdb")),
        ..EngineConfig::in_memory()
    };
    {
        let engine = open(&config).unwrap();
        let mut connection = engine.connect().unwrap();
        connection
            .execute("CREATE TABLE t(v sf_variant); INSERT INTO t VALUES ('{}'); CREATE VIEW w AS SELECT sf_div(1, 3) AS q, v FROM t")
            .unwrap();
        engine.checkpoint().unwrap();
    }
    {
        let engine = open(&config).unwrap();
        let mut connection = engine.connect().unwrap();
        let expected = [
            SqlType::Number {
                precision: 16,
                scale: 6,
            },
            SqlType::Variant,
        ];
        assert_eq!(types(&mut *connection, "SELECT * FROM w"), expected);
        assert_eq!(number(&mut *connection, "SELECT count(*) FROM t"), 1);
    }
    std::fs::remove_dir_all(folder).unwrap();
}
