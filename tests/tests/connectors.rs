//! The official Python connector, unmodified and in both generations, gets the published TPC-H answers and moves files
//! and rows in bulk.

use std::collections::HashMap;

use serde_json::Value;
use snowflake_session_tests::csv::Table;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::{emulator, python, tpch};

fn answers(environment: &str) {
    let stage = Stage::new();
    let server = emulator::start(&stage, &[]);
    let folder = tpch::folder();
    let folder = folder.to_str().expect("the repository's path is text");
    let out = python::script(
        &stage,
        environment,
        "tpch.py",
        &[&server.port.to_string(), "TPCH_SF001", folder],
    )
    .ok();
    let mut tables: HashMap<u64, Table> = out.lines().map(answer).collect();
    let differences = tpch::differences("sf001", |query, _| {
        tables
            .remove(&(query as u64))
            .ok_or_else(|| "not answered".to_owned())
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// A line of `tpch.py`.
fn answer(line: &str) -> (u64, Table) {
    let answer: Value = serde_json::from_str(line).expect("the script prints JSON");
    let texts = |values: &Value| {
        let values = values.as_array().expect("a list");
        values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let table = Table {
        columns: texts(&answer["columns"]).into_iter().flatten().collect(),
        rows: answer["rows"]
            .as_array()
            .expect("a list")
            .iter()
            .map(texts)
            .collect(),
    };
    (answer["query"].as_u64().expect("a number"), table)
}

#[test]
fn connector_4_gets_the_published_answers() {
    answers("connector4");
}

#[test]
fn connector_5_gets_the_published_answers() {
    answers("connector5");
}
