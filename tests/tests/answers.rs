//! The 22 TPC-H queries through `sfctl`, with the published answers.

use std::fs;

use snowflake_session_tests::csv::Table;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::tpch;

#[test]
fn the_answers_are_the_published_ones() {
    let stage = Stage::new();
    stage
        .sfctl(&["use", "schema", "snowflake_sample_data.tpch_sf001"])
        .ok();
    let differences = tpch::differences("sf001", |query, _| {
        let path = tpch::file(query);
        let ran = stage.sfctl(&["query", "--file", &path.to_string_lossy(), "--format", "csv"]);
        if ran.code == 0 {
            Ok(Table::parse(&ran.out()))
        } else {
            Err(ran.to_string())
        }
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_first_query_has_ten_columns() {
    let text = fs::read_to_string(tpch::file(1)).expect("the query is there");
    let stage = Stage::new();
    stage
        .sfctl(&["use", "schema", "snowflake_sample_data.tpch_sf001"])
        .ok();
    let table = stage.sfctl(&["query", &text]).ok();
    for column in ["L_RETURNFLAG", "SUM_DISC_PRICE", "COUNT_ORDER"] {
        assert!(table.contains(column), "{table}");
    }
    assert_eq!(table.matches("14876").count(), 1, "{table}");
}
