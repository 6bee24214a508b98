//! A session that answers with text.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use tokio::runtime::Runtime;

use crate::session::{
    Binding, Instance, InstanceConfig, QueryId, Rows, Session, SessionSpec, SqlError, StatementOutput,
    Submission,
};

/// An instance in memory and the runtime that its callers need.
pub(super) struct Fixture {
    pub(super) instance: Instance,
    pub(super) runtime: Arc<Runtime>,
}

/// A session whose statements are run to their end.
pub(super) struct Client {
    pub(super) session: Arc<Session>,
    pub(super) runtime: Arc<Runtime>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::open(&InstanceConfig::in_memory())
    }

    pub(super) fn open(config: &InstanceConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self {
            instance: Instance::open(config).unwrap(),
            runtime: Arc::new(runtime),
        }
    }

    pub(super) fn client(&self) -> Client {
        self.client_with(SessionSpec {
            user: "tester".to_owned(),
            ..SessionSpec::default()
        })
    }

    pub(super) fn client_with(&self, spec: SessionSpec) -> Client {
        let session = self.instance.open_session(spec).unwrap();
        Client {
            session,
            runtime: Arc::clone(&self.runtime),
        }
    }

    /// A client in a database of its own.
    pub(super) fn client_in(&self, database: &str) -> Client {
        let client = self.client();
        client.ok(&format!("create database if not exists {database}"));
        client.ok(&format!("use schema {database}.public"));
        client
    }
}

pub(super) fn submission(sql: &str) -> Submission {
    Submission {
        query_id: QueryId::new_v4(),
        sql: sql.to_owned(),
        bindings: BTreeMap::new(),
        bind_stage: None,
        parameters: BTreeMap::new(),
        describe_only: false,
        statement_count: None,
    }
}

pub(super) fn bind(type_name: &str, values: &[Option<&str>]) -> Binding {
    Binding {
        type_name: type_name.to_owned(),
        values: values.iter().map(|value| value.map(str::to_owned)).collect(),
        is_array: values.len() > 1,
    }
}

impl Client {
    pub(super) fn submit(&self, submission: Submission) -> Result<StatementOutput, SqlError> {
        self.runtime.block_on(self.session.run(submission))
    }

    pub(super) fn run(&self, sql: &str) -> Result<StatementOutput, SqlError> {
        self.submit(submission(sql))
    }

    #[track_caller]
    pub(super) fn output(&self, sql: &str) -> StatementOutput {
        self.run(sql)
            .unwrap_or_else(|error| panic!("{sql}\n{} {}: {error}", error.code, error.sql_state))
    }

    /// Runs a statement whose answer does not matter.
    #[track_caller]
    pub(super) fn ok(&self, sql: &str) {
        let output = self.output(sql);
        self.rows(output).unwrap();
    }

    #[track_caller]
    pub(super) fn error(&self, sql: &str) -> SqlError {
        match self.run(sql) {
            Err(error) => error,
            Ok(output) => match self.rows(output) {
                Err(error) => error,
                Ok(rows) => panic!("{sql} gave {rows:?}"),
            },
        }
    }

    /// Rows of an output as text, columns separated by `|`.
    pub(super) fn rows(&self, output: StatementOutput) -> Result<Vec<String>, SqlError> {
        let mut batches = Vec::new();
        match output.rows {
            Rows::Ready(ready) => batches = ready,
            Rows::Stream(mut stream) => {
                while let Some(batch) = self.runtime.block_on(stream.recv()) {
                    batches.push(batch?);
                }
            }
        }
        Ok(batches.iter().flat_map(texts).collect())
    }

    /// Rows of a statement.
    #[track_caller]
    pub(super) fn all(&self, sql: &str) -> Vec<String> {
        let output = self.output(sql);
        self.rows(output).unwrap()
    }

    /// The one row of a statement.
    #[track_caller]
    pub(super) fn one(&self, sql: &str) -> String {
        let rows = self.all(sql);
        assert_eq!(rows.len(), 1, "{sql} gave {rows:?}");
        rows.into_iter().next().unwrap()
    }
}

fn texts(batch: &RecordBatch) -> Vec<String> {
    (0..batch.num_rows())
        .map(|row| {
            batch
                .columns()
                .iter()
                .map(|column| text(column.as_ref(), row))
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect()
}

fn text(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Date32 => column.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().value_as_string(row),
        other => format!("<{other}>"),
    }
}
