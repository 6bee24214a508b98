//! The behaviour suite: SQL logic tests, each of which would pass on a real Snowflake account.
//!
//! Every file runs in an instance of its own, in database `TESTS`, schema `PUBLIC`. Values are written as
//! Snowflake's default formats write them; NULL is `NULL`, the empty text `(empty)`, and VARIANT, OBJECT and
//! ARRAY are JSON on one line. An error is `code (SQLSTATE): message`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use snowflake_emulator::session::{
    Instance, InstanceConfig, ParameterValue, ResultColumn, Rows, Session, SessionSpec, SqlError, Submission,
};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

#[path = "slt/render.rs"]
mod render;

/// A test for each subject folder, so that they run side by side.
macro_rules! subjects {
    ($($subject:ident),+ $(,)?) => {
        $(#[test] fn $subject() { run_subject(stringify!($subject)); })+

        #[test]
        fn every_folder_is_a_subject() {
            let mut folders: Vec<String> = std::fs::read_dir(suite()).unwrap()
                .map(|entry| entry.unwrap())
                .filter(|entry| entry.file_type().unwrap().is_dir())
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect();
            folders.sort();
            let mut subjects = vec![$(stringify!($subject)),+];
            subjects.sort_unstable();
            assert_eq!(folders, subjects);
        }
    };
}

subjects! {
    conversions,
    dates,
    ddl,
    decimal_floats,
    dml,
    errors,
    geospatial,
    identifiers,
    intervals,
    joins,
    numbers,
    queries,
    semi_structured,
    stages,
    texts,
    time_travel,
    transactions,
    vectors,
    windows,
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt")
}

fn run_subject(subject: &str) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(suite().join(subject))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{subject} has no files");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let failures: Vec<String> = files
        .iter()
        .flat_map(|file| runtime.block_on(run_file(file)))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

/// Runs all records of a file; gives what failed.
async fn run_file(file: &Path) -> Vec<String> {
    let instance = Instance::open(&InstanceConfig::in_memory()).unwrap();
    let setup = open(&instance);
    for sql in ["create database tests"] {
        run(&setup, sql).await.unwrap();
    }
    let mut runner = Runner::new(|| async { Ok(Connection(open(&instance))) });
    let records = sqllogictest::parse_file(file).unwrap_or_else(|error| panic!("{error}"));
    let mut failures = Vec::new();
    for record in records {
        if let Err(error) = runner.run_async(record).await {
            failures.push(error.display(false).to_string());
        }
    }
    failures
}

fn open(instance: &Instance) -> Arc<Session> {
    let spec = SessionSpec {
        user: "TESTER".to_owned(),
        database: Some("TESTS".to_owned()),
        schema: Some("PUBLIC".to_owned()),
        ..SessionSpec::default()
    };
    instance.open_session(spec).unwrap()
}

struct Connection(Arc<Session>);

/// A refusal in the form that the files expect.
#[derive(Debug, thiserror::Error)]
#[error("{} ({}): {}", .0.code, .0.sql_state, .0.message)]
struct Refusal(SqlError);

#[async_trait::async_trait]
impl AsyncDB for Connection {
    type Error = Refusal;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refusal> {
        let (columns, batches) = run(&self.0, sql).await.map_err(Refusal)?;
        let rows = batches
            .iter()
            .flat_map(|batch| render::rows(&columns, batch))
            .collect();
        Ok(DBOutput::Rows {
            types: vec![DefaultColumnType::Any; columns.len()],
            rows,
        })
    }

    async fn shutdown(&mut self) {
        self.0.close().await;
    }

    fn error_sql_state(error: &Refusal) -> Option<String> {
        Some(error.0.sql_state.to_owned())
    }
}

async fn run(session: &Session, sql: &str) -> Result<(Vec<ResultColumn>, Vec<RecordBatch>), SqlError> {
    let submission = Submission {
        query_id: uuid::Uuid::new_v4(),
        sql: sql.to_owned(),
        bindings: BTreeMap::new(),
        bind_stage: None,
        parameters: [("TIMEZONE".to_owned(), ParameterValue::Text("UTC".to_owned()))].into(),
        describe_only: false,
        statement_count: None,
    };
    let output = session.run(submission).await?;
    let batches = match output.rows {
        Rows::Ready(batches) => batches,
        Rows::Stream(mut receiver) => {
            let mut batches = Vec::new();
            while let Some(batch) = receiver.recv().await {
                batches.push(batch?);
            }
            batches
        }
    };
    Ok((output.columns, batches))
}
