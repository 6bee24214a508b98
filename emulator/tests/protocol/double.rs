//! A backend that knows a few made-up statements.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use snowflake_emulator::protocol::{Answer, Backend, BackendSession};
use snowflake_emulator::session::{
    ContextSnapshot, DmlStats, ParameterValue, Progress, QueryId, ResultColumn, Rows, SessionSpec, SqlError,
    StatementOutput, Submission,
};
use snowflake_emulator_engine::SqlType;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

/// Rows in each batch of `rows N`.
const BATCH_ROWS: i64 = 1000;

#[derive(Default)]
pub(super) struct Double {
    next: AtomicU64,
    /// Submissions that ran, over all sessions.
    pub(super) runs: Arc<AtomicUsize>,
    pub(super) submissions: Arc<Mutex<Vec<Submission>>>,
    pub(super) specs: Mutex<Vec<SessionSpec>>,
    pub(super) closed: Arc<AtomicUsize>,
    /// Lets every `wait` go on.
    pub(super) release: Arc<Notify>,
}

impl Double {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            next: AtomicU64::new(9_000_000),
            ..Self::default()
        })
    }
}

impl Backend for Double {
    fn open_session(&self, spec: SessionSpec) -> Answer<'_, Result<Arc<dyn BackendSession>, SqlError>> {
        self.specs.lock().unwrap().push(spec.clone());
        let session: Arc<dyn BackendSession> = Arc::new(DoubleSession {
            id: self.next.fetch_add(1, Ordering::SeqCst),
            parameters: Mutex::new(spec.parameters.into_iter().collect()),
            runs: Arc::clone(&self.runs),
            submissions: Arc::clone(&self.submissions),
            closed: Arc::clone(&self.closed),
            release: Arc::clone(&self.release),
            waiting: Mutex::default(),
            alone: Mutex::default(),
        });
        Box::pin(async { Ok(session) })
    }
}

struct DoubleSession {
    id: u64,
    parameters: Mutex<HashMap<String, ParameterValue>>,
    runs: Arc<AtomicUsize>,
    submissions: Arc<Mutex<Vec<Submission>>>,
    closed: Arc<AtomicUsize>,
    release: Arc<Notify>,
    waiting: Mutex<HashMap<QueryId, Arc<Notify>>>,
    /// Statements that outlive the session.
    alone: Mutex<HashSet<QueryId>>,
}

impl BackendSession for DoubleSession {
    fn id(&self) -> u64 {
        self.id
    }

    fn context(&self) -> ContextSnapshot {
        ContextSnapshot {
            database: Some("DB".to_owned()),
            role: Some("R".to_owned()),
            warehouse: Some("WH".to_owned()),
            ..Default::default()
        }
    }

    fn parameters(&self) -> Vec<(String, ParameterValue)> {
        self.parameters.lock().unwrap().clone().into_iter().collect()
    }

    fn run(&self, submission: Submission) -> Answer<'_, Result<StatementOutput, SqlError>> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.submissions.lock().unwrap().push(submission.clone());
        Box::pin(async move { self.statement(submission).await })
    }

    fn detach(&self, submission: &Submission) -> bool {
        let alone = submission.sql == "wait alone";
        if alone {
            self.alone.lock().unwrap().insert(submission.query_id);
        }
        alone
    }

    /// What waits in the double does so in its session's queue, unless it is alone.
    fn progress(&self, query_id: QueryId) -> Progress {
        let alone = self.alone.lock().unwrap().contains(&query_id);
        if !alone && self.waiting.lock().unwrap().contains_key(&query_id) {
            Progress::Queued
        } else {
            Progress::Running
        }
    }

    fn cancel(&self, query_id: QueryId) -> bool {
        let waiting = self.waiting.lock().unwrap().get(&query_id).cloned();
        waiting.map(|waiting| waiting.notify_one()).is_some()
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.closed.fetch_add(1, Ordering::SeqCst);
            let alone = self.alone.lock().unwrap();
            let waiting = self.waiting.lock().unwrap();
            for (_, waiting) in waiting.iter().filter(|(id, _)| !alone.contains(id)) {
                waiting.notify_one();
            }
        })
    }
}

impl DoubleSession {
    async fn statement(&self, submission: Submission) -> Result<StatementOutput, SqlError> {
        let id = submission.query_id;
        let words: Vec<&str> = submission.sql.split(' ').collect();
        Ok(match words.as_slice() {
            ["select", number] => {
                let value: i64 = number.parse().unwrap();
                let rows = Rows::Ready(vec![numbers([value])]);
                output(self, id, 0x1000, vec![column("N", number_type(38, 0))], rows)
            }
            ["rows", count] => self.stream(id, count.parse().unwrap()),
            ["fail"] => return Err(failure()),
            ["break"] => panic!("the double was told to break"),
            ["broken", "stream"] => {
                let (sender, receiver) = mpsc::channel(2);
                sender.send(Ok(numbers([1]))).await.unwrap();
                sender.send(Err(failure())).await.unwrap();
                output(
                    self,
                    id,
                    0x1000,
                    vec![column("N", number_type(38, 0))],
                    Rows::Stream(receiver),
                )
            }
            ["insert"] => {
                let columns = vec![column("number of rows inserted", number_type(19, 0))];
                let mut output = output(self, id, 0x3100, columns, Rows::Ready(vec![numbers([3])]));
                output.stats = Some(DmlStats {
                    inserted: 3,
                    updated: 0,
                    deleted: 0,
                });
                output.bind_count = u32::try_from(submission.bindings.len()).unwrap();
                output
            }
            ["set", name, value] => {
                let value = ParameterValue::Text((*value).to_owned());
                self.parameters.lock().unwrap().insert((*name).to_owned(), value);
                output(
                    self,
                    id,
                    0x4100,
                    vec![column("status", SqlType::Text { length: None })],
                    Rows::Ready(vec![]),
                )
            }
            ["wait"] | ["wait", "alone"] => {
                let cancelled = Arc::new(Notify::new());
                self.waiting.lock().unwrap().insert(id, Arc::clone(&cancelled));
                let stopped = tokio::select! {
                    () = cancelled.notified() => true,
                    () = self.release.notified() => false,
                };
                self.waiting.lock().unwrap().remove(&id);
                if stopped {
                    return Err(SqlError {
                        code: "000604",
                        sql_state: "57014",
                        message: "SQL execution canceled".to_owned(),
                        position: None,
                    });
                }
                output(
                    self,
                    id,
                    0x1000,
                    vec![column("N", number_type(38, 0))],
                    Rows::Ready(vec![numbers([7])]),
                )
            }
            ["several"] => {
                let columns = vec![column(
                    "multiple statement execution",
                    SqlType::Text { length: None },
                )];
                let mut parent = output(self, id, 0xA000, columns, Rows::Ready(vec![]));
                parent.children = [11, 12]
                    .map(|value| {
                        let rows = Rows::Ready(vec![numbers([value])]);
                        output(
                            self,
                            Uuid::new_v4(),
                            0x1000,
                            vec![column("N", number_type(38, 0))],
                            rows,
                        )
                    })
                    .into();
                parent
            }
            other => panic!("the double does not know {other:?}"),
        })
    }

    /// Rows of a number, a text and a time, in batches.
    fn stream(&self, id: QueryId, count: i64) -> StatementOutput {
        let (sender, receiver) = mpsc::channel(2);
        tokio::spawn(async move {
            let mut from = 0;
            while from < count {
                let to = (from + BATCH_ROWS).min(count);
                if sender.send(Ok(row_batch(from, to))).await.is_err() {
                    return;
                }
                from = to;
            }
        });
        let columns = vec![
            column("ID", number_type(38, 0)),
            column("NAME", SqlType::Text { length: Some(20) }),
            column("AT", SqlType::TimestampNtz { scale: 9 }),
        ];
        output(self, id, 0x1000, columns, Rows::Stream(receiver))
    }
}

fn output(
    session: &DoubleSession,
    query_id: QueryId,
    statement_type: u32,
    columns: Vec<ResultColumn>,
    rows: Rows,
) -> StatementOutput {
    StatementOutput {
        query_id,
        statement_type,
        columns,
        rows,
        stats: None,
        context: session.context(),
        bind_count: 0,
        children: Vec::new(),
        transfer: None,
    }
}

fn failure() -> SqlError {
    SqlError {
        code: "002003",
        sql_state: "42S02",
        message: "SQL compilation error:\nObject 'NOPE' does not exist or not authorized.".to_owned(),
        position: Some((1, 14)),
    }
}

fn number_type(precision: u8, scale: u8) -> SqlType {
    SqlType::Number { precision, scale }
}

fn column(name: &str, sql_type: SqlType) -> ResultColumn {
    ResultColumn {
        name: name.to_owned(),
        sql_type,
        nullable: true,
        origin: Default::default(),
    }
}

fn numbers(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let array: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    RecordBatch::try_from_iter([("N", array)]).unwrap()
}

fn row_batch(from: i64, to: i64) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("ID", DataType::Int64, true),
        Field::new("NAME", DataType::Utf8, true),
        Field::new("AT", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
    ]);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(from..to)),
        Arc::new(StringArray::from_iter_values(
            (from..to).map(|row| format!("row {row}")),
        )),
        Arc::new(TimestampNanosecondArray::from_iter_values(
            (from..to).map(|row| row * 1_500_000_000),
        )),
    ];
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}
