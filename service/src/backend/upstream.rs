//! One login at Snowflake, behind the domain's port.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use snowflake_session_driver as driver;
use snowflake_session_driver::{
    BindType, BindValue, Bindings, Canceller, QueryRequest, QueryResult, UpstreamSession,
};

use super::by_id;
use super::emulator::Running;
use super::encode::BatchEncoder;
use super::error::{explain, explain_read, from_driver};
use super::look;
use crate::domain::carry::Ticket;
use crate::domain::context::Context;
use crate::domain::error::{Error, Reason};
use crate::domain::history::Observed;
use crate::domain::names::RequestId;
use crate::domain::query::{
    Batch, Binding, BindingKind, CancelOutcome, DmlStats, Executed, RowWindow, StatementKind, Submission,
};
use crate::domain::upstream::{Batches, Execution, Looked, TicketKeeper, Upstream};

/// The parameter that tags queries.
pub(super) const QUERY_TAG: &str = "QUERY_TAG";

/// Limits of what a session does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Size at which result batches are cut, in bytes of Arrow data.
    pub(super) batch_bytes_max: usize,
    /// Time limit for a submitted statement to be taken on.
    pub(super) submit_timeout: Duration,
}

/// One login at Snowflake.
pub(super) struct DriverSession {
    session: UpstreamSession,
    /// The emulator that it is logged in to, for the connection `local`.
    emulator: Option<Running>,
    sizes: Sizes,
    /// The server is known to compile statements without running them when it is asked to.
    describes: bool,
    /// How to cancel the statement that runs. Locked for a look only.
    running: Mutex<Option<(RequestId, Canceller)>>,
}

impl DriverSession {
    pub(super) fn new(
        session: UpstreamSession,
        emulator: Option<Running>,
        sizes: Sizes,
        describes: bool,
    ) -> Self {
        Self {
            session,
            emulator,
            sizes,
            describes,
            running: Mutex::new(None),
        }
    }

    fn set_running(&self, running: Option<(RequestId, Canceller)>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }

    async fn run(&self, submission: Submission) -> Result<QueryResult, Error> {
        let request_id = submission.request_id;
        let prepared = self
            .session
            .prepare(query_request(submission))
            .map_err(from_driver)?;
        self.set_running(Some((request_id, prepared.canceller())));
        let result = prepared.execute().await;
        self.set_running(None);
        result.map_err(|error| explain(error, self.emulator.as_ref()))
    }

    fn emulator_died(&self) -> bool {
        self.emulator
            .as_ref()
            .is_some_and(|emulator| !emulator.is_alive())
    }
}

#[async_trait]
impl Upstream for DriverSession {
    async fn execute(&self, submission: Submission) -> Result<Execution, Error> {
        execution(self.run(submission).await?, self.sizes.batch_bytes_max)
    }

    async fn look(&self, submission: Submission, bytes_max: usize) -> Result<Looked, Error> {
        look::read(self.run(submission).await?, bytes_max).await
    }

    async fn describe(&self, submission: Submission) -> Result<StatementKind, Error> {
        // Some that speak Snowflake's protocol run a statement to describe it, and then it would run twice.
        if !self.describes {
            return Err(Error::invalid(
                "the server is not known to describe statements without running them",
            ));
        }
        let request_id = submission.request_id;
        let mut request = query_request(submission);
        request.describe_only = true;
        request.row_limit = Some(1);
        let prepared = self.session.prepare(request).map_err(from_driver)?;
        self.set_running(Some((request_id, prepared.canceller())));
        let result = prepared.execute().await;
        self.set_running(None);
        let result = result.map_err(|error| explain(error, self.emulator.as_ref()))?;
        Ok(statement_kind(result.head().statement_type))
    }

    async fn cancel(&self, request_id: RequestId) -> Result<CancelOutcome, Error> {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match running {
            Some((id, canceller)) if id == request_id => Ok(by_id::outcome(canceller.cancel().await)),
            _ => Ok(CancelOutcome::NotRunning),
        }
    }

    async fn submit(&self, submission: Submission, time_limit: Duration) -> Result<String, Error> {
        let submitted = by_id::submit(&self.session, submission, self.sizes.submit_timeout, time_limit).await;
        submitted.map_err(|error| explain(error, self.emulator.as_ref()))
    }

    async fn observe(&self, query_id: &str) -> Result<Option<Observed>, Error> {
        let observed = by_id::observe(&self.session, query_id).await;
        observed.map_err(|error| explain(error, self.emulator.as_ref()))
    }

    async fn read(&self, query_id: &str, window: RowWindow) -> Result<Execution, Error> {
        let result = by_id::read(&self.session, query_id, window).await;
        execution(
            result.map_err(|error| explain_read(error, query_id, self.emulator.as_ref()))?,
            self.sizes.batch_bytes_max,
        )
    }

    async fn cancel_query(&self, query_id: &str) -> CancelOutcome {
        by_id::cancel(&self.session, query_id).await
    }

    fn keep_ticket(&self, keeper: TicketKeeper) {
        // The emulator of the connection `local` is our child and ends with us, its sessions too.
        if self.emulator.is_none() {
            self.session
                .keep_ticket(move |ticket| keeper(Ticket::new(ticket.text().expose())));
        }
    }

    async fn stop_abandoned(&self, request_id: RequestId) -> CancelOutcome {
        by_id::outcome(self.session.cancel(&request_id.to_string()).await)
    }

    fn is_alive(&self) -> bool {
        !self.session.is_expired() && !self.emulator_died()
    }

    async fn check(&self) -> Result<(), Error> {
        let checked = self.session.heartbeat().await;
        checked.map_err(|error| explain(error, self.emulator.as_ref()))
    }

    async fn close(&self) -> Result<(), Error> {
        if self.emulator_died() {
            return Ok(());
        }
        match self.session.close().await {
            driver::CloseOutcome::Confirmed => Ok(()),
            driver::CloseOutcome::Unconfirmed => Err(Error::new(
                Reason::Unreachable,
                "Snowflake did not confirm the logout",
            )),
        }
    }
}

pub(super) fn query_request(submission: Submission) -> QueryRequest {
    let mut request = QueryRequest::new(submission.sql);
    request.row_limit = submission.row_limit;
    request.bindings = bindings(submission.bindings);
    if let Some(tag) = submission.tag {
        request
            .parameters
            .insert(QUERY_TAG.to_owned(), driver::ParameterValue::Text(tag));
    }
    request
}

fn bindings(bindings: Vec<Binding>) -> Bindings {
    let named = bindings.iter().any(|binding| binding.name.is_some());
    if bindings.is_empty() {
        Bindings::None
    } else if named {
        Bindings::Named(
            bindings
                .into_iter()
                .map(|mut binding| (binding.name.take().unwrap_or_default(), bind_value(binding)))
                .collect(),
        )
    } else {
        Bindings::Positional(bindings.into_iter().map(bind_value).collect())
    }
}

fn bind_value(binding: Binding) -> BindValue {
    let kind = match binding.kind {
        BindingKind::Text => BindType::Text,
        BindingKind::Fixed => BindType::Fixed,
        BindingKind::Real => BindType::Real,
        BindingKind::Boolean => BindType::Boolean,
        BindingKind::Date => BindType::Date,
        BindingKind::Time => BindType::Time,
        BindingKind::TimestampNtz => BindType::TimestampNtz,
        BindingKind::TimestampLtz => BindType::TimestampLtz,
        BindingKind::TimestampTz => BindType::TimestampTz,
        BindingKind::Binary => BindType::Binary,
    };
    match binding.value {
        Some(text) => BindValue::raw(kind, text),
        None => BindValue::null(kind),
    }
}

fn execution(result: QueryResult, batch_bytes_max: usize) -> Result<Execution, Error> {
    let (encoder, arrow_schema) = BatchEncoder::new(&result.schema(), batch_bytes_max)
        .map_err(|error| Error::internal("the result's schema cannot be encoded").with_source(error))?;
    let head = result.head();
    let executed = Executed {
        query_id: head.query_id.clone(),
        kind: statement_kind(head.statement_type),
        context: context_of(&head.context),
        dml: head.dml_counts.map(dml_stats),
        row_count_total: head.rows_total.unwrap_or(0),
        arrow_schema,
    };
    Ok(Execution {
        executed,
        batches: Box::new(DriverBatches {
            result,
            encoder,
            ready: VecDeque::new(),
        }),
    })
}

/// The driver's counts in our words.
pub(super) fn dml_stats(counts: driver::DmlCounts) -> DmlStats {
    DmlStats {
        rows_inserted: counts.inserted.unwrap_or(0),
        rows_updated: counts.updated.unwrap_or(0),
        rows_deleted: counts.deleted.unwrap_or(0),
    }
}

/// Rows of a driver's result as messages.
struct DriverBatches {
    result: QueryResult,
    encoder: BatchEncoder,
    /// Messages of the latest batch that were not asked for yet.
    ready: VecDeque<Batch>,
}

#[async_trait]
impl Batches for DriverBatches {
    async fn next(&mut self) -> Result<Option<Batch>, Error> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let Some(batch) = self.result.next_batch().await.map_err(from_driver)? else {
                return Ok(None);
            };
            let messages = self.encoder.encode(&batch);
            self.ready = messages
                .map_err(|error| Error::internal("a result batch cannot be encoded").with_source(error))?
                .into();
        }
    }
}

/// The driver's context in our words.
pub(super) fn context_of(context: &driver::SessionContext) -> Context {
    Context {
        role: context.role.clone(),
        warehouse: context.warehouse.clone(),
        database: context.database.clone(),
        schema: context.schema.clone(),
    }
}

pub(super) fn statement_kind(statement_type: driver::StatementType) -> StatementKind {
    use driver::StatementKind as Theirs;
    if statement_type.0 == 0 {
        return StatementKind::Unknown;
    }
    match statement_type.kind() {
        Theirs::Select | Theirs::Explain | Theirs::Show => StatementKind::Query,
        Theirs::Insert | Theirs::Update | Theirs::Delete | Theirs::Merge | Theirs::OtherDml => {
            StatementKind::Dml
        }
        Theirs::Session | Theirs::Use => StatementKind::Session,
        Theirs::Transaction => StatementKind::Transaction,
        Theirs::Ddl => StatementKind::Ddl,
        Theirs::Call => StatementKind::Call,
        Theirs::Multi => StatementKind::Multi,
        _ => StatementKind::Other,
    }
}
