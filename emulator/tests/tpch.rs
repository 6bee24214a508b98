//! The 22 TPC-H queries, as they are written for Snowflake, on the sample data every account has.
//!
//! Whether the answers are right is the end-to-end suite's business (`tests/tpch/answers`); here each query
//! must compile, run, and give as many columns as its reference answer.

use std::collections::BTreeMap;

use snowflake_emulator::session::{Instance, InstanceConfig, Rows, SessionSpec, Submission};

#[test]
fn all_queries_run() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tpch");
    let instance = Instance::open(&InstanceConfig::in_memory()).unwrap();
    let spec = SessionSpec {
        user: "TESTER".to_owned(),
        database: Some("SNOWFLAKE_SAMPLE_DATA".to_owned()),
        schema: Some("TPCH_SF001".to_owned()),
        ..SessionSpec::default()
    };
    let session = instance.open_session(spec).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for number in 1..=22 {
        let name = format!("q{number:02}");
        let sql = std::fs::read_to_string(folder.join(format!("{name}.sql"))).unwrap();
        let answer = std::fs::read_to_string(folder.join(format!("answers/sf001/{name}.csv"))).unwrap();
        let submission = Submission {
            query_id: uuid::Uuid::new_v4(),
            sql,
            bindings: BTreeMap::new(),
            bind_stage: None,
            parameters: BTreeMap::new(),
            describe_only: false,
            statement_count: None,
        };
        let output = runtime
            .block_on(session.run(submission))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let columns = answer.lines().next().unwrap().split(',').count();
        assert_eq!(output.columns.len(), columns, "{name}");
        let Rows::Ready(batches) = output.rows else {
            panic!("{name} has a small answer")
        };
        assert!(
            batches.iter().any(|batch| batch.num_rows() > 0),
            "{name} has rows"
        );
    }
}
