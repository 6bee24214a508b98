//! The generated sample data, against figures that TPC-H publishes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use arrow_array::{cast::AsArray, types::Int64Type};
use snowflake_emulator_engine::{
    EngineConfig, EngineConnection, open,
    sample_data::{Progress, TpchTable, create_tpch_tables, fill_tpch_tables},
};

fn text(connection: &mut dyn EngineConnection, sql: &str) -> String {
    let mut reader = connection.query(&format!("SELECT ({sql})::VARCHAR"), 16).unwrap();
    let batch = reader.next_batch().unwrap().unwrap();
    batch.column(0).as_string::<i32>().value(0).to_owned()
}

fn count(connection: &mut dyn EngineConnection, table: &str) -> i64 {
    let mut reader = connection
        .query(&format!("SELECT count(*) FROM \"s 1\".{table}"), 16)
        .unwrap();
    let batch = reader.next_batch().unwrap().unwrap();
    batch.column(0).as_primitive::<Int64Type>().value(0)
}

#[test]
fn tpch_has_the_published_rows() {
    let engine = open(&EngineConfig::in_memory()).unwrap();
    let mut connection = engine.connect().unwrap();
    connection.execute("CREATE SCHEMA \"s 1\"").unwrap();
    create_tpch_tables(&mut *connection, "s 1").unwrap();
    let mut last: BTreeMap<&str, Progress> = BTreeMap::new();
    fill_tpch_tables(&mut *connection, "s 1", 0.01, |progress| {
        last.insert(progress.table, progress);
    })
    .unwrap();

    for (table, rows) in [
        ("REGION", 5),
        ("NATION", 25),
        ("SUPPLIER", 100),
        ("CUSTOMER", 1_500),
        ("PART", 2_000),
        ("PARTSUPP", 8_000),
        ("ORDERS", 15_000),
        ("LINEITEM", 60_175),
    ] {
        assert_eq!(count(&mut *connection, table), rows, "{table}");
        let progress = last[table];
        assert_eq!(i64::try_from(progress.rows_done).unwrap(), rows, "{table}");
        assert!(progress.rows_total >= progress.rows_done);
    }
    assert_eq!(TpchTable::ALL.len(), last.len());

    let first = "SELECT L_ORDERKEY || '|' || L_EXTENDEDPRICE || '|' || L_SHIPDATE || '|' || L_COMMENT
                 FROM \"s 1\".LINEITEM WHERE L_ORDERKEY = 1 AND L_LINENUMBER = 1";
    assert_eq!(
        text(&mut *connection, first),
        "1|24710.35|1996-03-13|egular courts above the"
    );
    let total = "SELECT sum(L_QUANTITY) FROM \"s 1\".LINEITEM WHERE L_RETURNFLAG = 'A'";
    assert_eq!(text(&mut *connection, total), "380456.00");
}
