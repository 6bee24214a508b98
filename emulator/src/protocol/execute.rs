//! Runs a statement in a task of its own and keeps what comes of it.

use std::sync::Arc;

use arrow_array::RecordBatch;
use tokio::sync::mpsc::Receiver;
use uuid::Uuid;

use crate::results::{ChunkLimits, Collector, JsonStyle, ResultError, StoredResult, wire_columns};
use crate::session::{QueryId, ResultColumn, Rows, SqlError, StatementOutput, Submission};

use super::connector::{ClientSession, Connector};
use super::format::ResultFormat;
use super::query::{Query, Statement};
use super::refusal::{broken, cancelled, unkept};
use super::rescan;
use super::stop_query;

/// Rows that are taken in on the statement's task; more are taken in where blocking is allowed.
const ROWS_IN_PLACE_MAX: u64 = 8192;

/// `statementTypeId` of ALTER SESSION, the statement that changes parameters.
const ALTER_SESSION: u32 = 0x4100;
/// `statementTypeId` of a request with several statements.
pub(super) const MULTI_STATEMENT: u32 = 0xA000;
/// `statementTypeId` of a query, and of its class; the other classes answer in JSON always.
const SELECT: u32 = 0x1000;
const CLASS_MASK: u32 = 0xF000;

/// Decides whether a detached statement runs beside its session's others; [`start`] follows.
pub(super) fn detach(session: &ClientSession, submission: &Submission) -> bool {
    rescan::target(submission).is_none()
        && stop_query::call(submission).is_none()
        && session.backend.detach(submission)
}

/// How a statement's rows are kept and given out.
pub(crate) struct Delivery {
    format: ResultFormat,
    style: Arc<JsonStyle>,
    chunk_limits: ChunkLimits,
    rows_max: Option<u64>,
    /// Dropped when the statement has ended, before anybody is told so.
    place: Option<Box<dyn Send + Sync>>,
}

impl Delivery {
    /// As the connector protocol does it.
    pub(super) fn new(connector: &Connector, format: ResultFormat) -> Self {
        Self {
            format,
            style: Arc::default(),
            chunk_limits: connector.settings.chunk_limits,
            rows_max: None,
            place: None,
        }
    }

    /// As JSON in a style, with at most so many rows; `place` is given back when the statement has ended.
    pub(crate) fn in_style(
        connector: &Connector,
        style: Arc<JsonStyle>,
        rows_max: Option<u64>,
        place: Box<dyn Send + Sync>,
    ) -> Self {
        Self {
            style,
            rows_max,
            place: Some(place),
            ..Self::new(connector, ResultFormat::Json)
        }
    }

    /// Makes chunks no larger than so many bytes.
    pub(crate) fn limit_chunks(&mut self, bytes: usize) {
        let limits = &mut self.chunk_limits;
        limits.chunk_weight_max = limits.chunk_weight_max.min(bytes);
        limits.inline_weight_max = limits.inline_weight_max.min(bytes);
    }
}

/// Starts a statement that is already known by its id.
pub(crate) fn start(
    connector: &Arc<Connector>,
    session: &Arc<ClientSession>,
    query: Arc<Query>,
    submission: Submission,
    mut delivery: Delivery,
) {
    let busy = session.busy();
    let place = delivery.place.take();
    let run = Run {
        connector: Arc::clone(connector),
        session: Arc::clone(session),
        query,
        delivery,
    };
    connector.statements.spawn(async move {
        let result = run.run(submission).await;
        drop(place);
        run.query.finish(result);
        run.session.touch(run.connector.now());
        let connector = Arc::clone(&run.connector);
        drop(run);
        drop(busy);
        if connector.queries.wants_spilling() {
            let _ = tokio::task::spawn_blocking(move || connector.queries.spill()).await;
        }
    });
}

/// A statement while it runs. Dropped without an outcome (a panic), it leaves one that says so:
/// nobody waits for ever.
struct Run {
    connector: Arc<Connector>,
    session: Arc<ClientSession>,
    query: Arc<Query>,
    delivery: Delivery,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.query.finish(Err(broken()));
        self.connector.queries.finished(&self.query, self.connector.now());
    }
}

impl Run {
    async fn run(&self, submission: Submission) -> Result<Statement, SqlError> {
        // A detached one is the session's to stop, since it was told of it.
        if self.query.is_cancelled() && !self.query.is_detached() {
            return Err(cancelled());
        }
        if let Some(target) = rescan::target(&submission) {
            let rows = rescan::rows(&self.connector, &self.query, target)?;
            return Ok(self.answered_here(rows));
        }
        if let Some(call) = stop_query::call(&submission) {
            let rows = stop_query::carry_out(&self.connector, &self.query, &call).await?;
            return Ok(self.answered_here(Arc::new(rows)));
        }
        let described = submission.describe_only;
        let output = self.session.backend.run(submission).await?;
        let mut children = Vec::with_capacity(output.children.len());
        let mut several = output.children;
        let parent = StatementOutput {
            children: Vec::new(),
            ..output
        };
        for child in several.drain(..) {
            children.push((child.query_id, child.statement_type));
            self.keep_child(child).await?;
        }
        self.keep(parent, children, described).await
    }

    /// A query that the session was not asked.
    fn answered_here(&self, rows: Arc<StoredResult>) -> Statement {
        Statement {
            rows,
            format: self.delivery.format,
            type_id: SELECT,
            stats: None,
            context: self.session.backend.context(),
            bind_count: 0,
            described: false,
            children: Vec::new(),
            parameters: self.session.parameters(),
            query_contexts: self.session.query_contexts(),
            style: Arc::clone(&self.delivery.style),
            cut: false,
            moving: None,
            chunk_secret: Uuid::new_v4(),
        }
    }

    /// Makes one statement of several known by its own id.
    async fn keep_child(&self, output: StatementOutput) -> Result<(), SqlError> {
        let id = output.query_id;
        let statement = self.keep(output, Vec::new(), false).await?;
        let is_query = statement.type_id & CLASS_MASK == SELECT;
        let text = Arc::clone(&self.query.text);
        let child = Arc::new(Query::new(&self.session, id, None, text));
        child.finish(Ok(statement));
        let queries = &self.connector.queries;
        queries.insert_child(&child);
        queries.finished(&child, self.connector.now());
        if !is_query {
            // That all went well tells how it ended, and its counts are seldom asked for.
            queries.read(&child);
        }
        Ok(())
    }

    async fn keep(
        &self,
        output: StatementOutput,
        children: Vec<(QueryId, u32)>,
        described: bool,
    ) -> Result<Statement, SqlError> {
        let statement_type = output.statement_type;
        let now = self.connector.now();
        let moving = output.transfer.map(|transfer| {
            self.connector
                .tickets
                .issue(*transfer, self.session.needs().puts, now)
        });
        let is_query = statement_type & CLASS_MASK == SELECT && !described;
        let (rows, cut) = self.collect(output.columns, output.rows).await?;
        if matches!(statement_type, ALTER_SESSION | MULTI_STATEMENT) {
            self.session.follow_parameters();
        }
        Ok(Statement {
            rows: Arc::new(rows),
            format: if is_query {
                self.delivery.format
            } else {
                ResultFormat::Json
            },
            type_id: statement_type,
            stats: output.stats,
            context: output.context,
            bind_count: output.bind_count,
            described,
            children,
            parameters: self.session.parameters(),
            query_contexts: self.session.query_contexts(),
            style: Arc::clone(&self.delivery.style),
            cut,
            moving,
            chunk_secret: Uuid::new_v4(),
        })
    }

    /// Takes all rows in, or as many as are wanted, and tells whether there were more. The first few on this task,
    /// because most results are small and a change of threads costs more than they do; the rest where encoding and
    /// files may block.
    async fn collect(
        &self,
        columns: Vec<ResultColumn>,
        rows: Rows,
    ) -> Result<(StoredResult, bool), SqlError> {
        let spool = Arc::clone(&self.connector.spool);
        let mut intake = Intake {
            collector: Collector::new(wire_columns(columns), self.delivery.chunk_limits, spool),
            rows_left: self.delivery.rows_max.unwrap_or(u64::MAX),
            cut: false,
        };
        match rows {
            Rows::Ready(batches) => {
                let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
                if total as u64 > ROWS_IN_PLACE_MAX {
                    return aside(move || intake.ready(&batches)).await;
                }
                batches.iter().try_for_each(|batch| intake.push(batch))?;
                self.finish(intake).await
            }
            Rows::Stream(mut batches) => {
                while intake.collector.rows() < ROWS_IN_PLACE_MAX {
                    match batches.recv().await {
                        Some(batch) if !intake.cut => intake.push(&batch?)?,
                        // What is left unread stops the statement.
                        _ => return self.finish(intake).await,
                    }
                }
                aside(move || intake.stream(batches)).await
            }
        }
    }

    /// Ends a result; where blocking is allowed, if it may have to be put into a file.
    async fn finish(&self, intake: Intake) -> Result<(StoredResult, bool), SqlError> {
        if self.connector.spool.is_first_crowded() {
            return aside(move || intake.finish()).await;
        }
        intake.finish()
    }
}

/// Rows on their way into a result.
struct Intake {
    collector: Collector,
    rows_left: u64,
    cut: bool,
}

impl Intake {
    fn push(&mut self, batch: &RecordBatch) -> Result<(), SqlError> {
        let rows = batch.num_rows() as u64;
        let taken = rows.min(self.rows_left);
        self.cut |= taken < rows;
        self.rows_left -= taken;
        let pushed = if taken < rows {
            self.collector.push(&batch.slice(0, taken as usize))
        } else {
            self.collector.push(batch)
        };
        pushed.map_err(|error| kept_not(&error))
    }

    fn finish(self) -> Result<(StoredResult, bool), SqlError> {
        let result = self.collector.finish().map_err(|error| kept_not(&error))?;
        Ok((result, self.cut))
    }

    fn ready(mut self, batches: &[RecordBatch]) -> Result<(StoredResult, bool), SqlError> {
        batches.iter().try_for_each(|batch| self.push(batch))?;
        self.finish()
    }

    fn stream(
        mut self,
        mut batches: Receiver<Result<RecordBatch, SqlError>>,
    ) -> Result<(StoredResult, bool), SqlError> {
        while !self.cut
            && let Some(batch) = batches.blocking_recv()
        {
            self.push(&batch?)?;
        }
        self.finish()
    }
}

/// Works where blocking is allowed.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, SqlError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(broken()))
}

pub(super) fn kept_not(error: &ResultError) -> SqlError {
    tracing::error!(%error, "failed to keep a result");
    unkept(error)
}
