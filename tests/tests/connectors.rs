//! The official Python connector, unmodified and in both generations, gets the published TPC-H answers; and the example for
//! pytest works.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use snowflake_session_tests::csv::Table;
use snowflake_session_tests::process::Running;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::{config, emulator, python, tpch};

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

/// What `docs/emulator.md` offers to copy, as it stands there.
#[test]
fn the_pytest_example_passes() {
    let stage = Stage::new();
    let tests = stage.path("tests");
    std::fs::create_dir_all(&tests).expect("our own folder");
    for name in ["conftest.py", "test_orders.py"] {
        let example = config::repository().join("examples/pytest").join(name);
        std::fs::copy(&example, tests.join(name)).expect("an example and our own folder");
    }
    let interpreter = python::environment(&["pytest==9.2.0", "snowflake-connector-python==5.2.0"]);
    let mut command = stage.command(&interpreter);
    command.args(["-m", "pytest", "-q"]).arg(&tests);
    command
        .env("SNOWFLAKE_EMULATOR", config::program("snowflake-emulator"))
        .env("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true");
    let out = Running::start(command, None).wait(Duration::from_mins(3)).ok();
    assert!(out.contains("3 passed"), "{out}");
    assert!(
        stage.processes("snowflake-emulator").is_empty(),
        "the emulator is stopped"
    );
}
