//! One query that is remembered: its identities, how far it is, and what came of it.
//!
//! ```text
//!            sent              taken up again
//!  Waiting ───────▶ Running ◀──────────────▶ Queued
//!     │                │                        │
//!     │                ├──▶ Succeeded ◀─────────┤
//!     ├────────────────┼──▶ Failed ◀────────────┤
//!     ├────────────────┼──▶ Cancelled ◀─────────┤
//!     │                └──▶ Unknown ◀───────────┘    (asked of Snowflake again, it may become any of these)
//! ```

use std::time::SystemTime;

use crate::domain::error::{Error, Facts, Reason};
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::query::{DmlStats, Executed, StatementKind};
use crate::domain::statement;

/// How far a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryState {
    /// Waits for its turn in the session.
    Waiting,
    /// Snowflake has it and waits for a warehouse or for locks.
    Queued,
    /// Runs.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Was cancelled.
    Cancelled,
    /// Was sent, but nobody here saw how it ended.
    Unknown,
}

impl QueryState {
    /// True while somebody here waits for its end.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Waiting | Self::Queued | Self::Running)
    }

    /// True once its end is known.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// An error that is kept, to be told as often as somebody asks. The inside cause is not kept: it was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the receiver can do.
    pub reason: Reason,
    /// The outside text.
    pub message: String,
    /// The facts.
    pub facts: Facts,
    /// Nobody can tell whether the statement had an effect.
    pub may_have_run: bool,
}

impl Failure {
    /// Keeps an error.
    pub fn of(error: &Error) -> Self {
        Self {
            reason: error.reason(),
            message: error.to_string(),
            facts: error.facts().clone(),
            may_have_run: error.may_have_run(),
        }
    }

    /// The same error again.
    pub fn error(&self) -> Error {
        let error = Error::new(self.reason, self.message.clone()).with_facts(self.facts.clone());
        if self.may_have_run {
            error.with_doubt()
        } else {
            error
        }
    }
}

/// A query that is about to be remembered.
#[derive(Debug)]
pub struct NewQuery {
    /// Identity of the request.
    pub request_id: RequestId,
    /// Session in which it runs.
    pub session: SessionName,
    /// Connection of that session.
    pub connection: ConnectionName,
    /// The SQL text, of which only the head is kept.
    pub sql: String,
    /// Hash of text and bindings, to tell whether a repeated request is the same.
    pub fingerprint: u64,
    /// True when it goes on without its client.
    pub submitted: bool,
    /// When it was accepted.
    pub create_time: SystemTime,
}

/// What Snowflake's monitoring, or a result, says of a query. What it does not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// How far it is; never waiting or unknown.
    pub state: QueryState,
    /// The SQL text.
    pub sql: Option<String>,
    /// When it began.
    pub start_time: Option<SystemTime>,
    /// When it ended.
    pub end_time: Option<SystemTime>,
    /// What kind of statement it is.
    pub kind: StatementKind,
    /// Rows of its result.
    pub row_count_total: Option<u64>,
    /// Rows changed.
    pub dml: Option<DmlStats>,
    /// Why it failed or was cancelled.
    pub failure: Option<Failure>,
}

/// A query that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryRecord {
    /// Number among all queries of this service: later ones are higher.
    pub serial: u64,
    /// Identity of the request; `None` for a query of somebody else.
    pub request_id: Option<RequestId>,
    /// Identity that Snowflake gave it, once it has one.
    pub query_id: Option<String>,
    /// Session in which it ran, or through which it was asked for.
    pub session: SessionName,
    /// Connection of that session.
    pub connection: ConnectionName,
    /// How far it is.
    pub state: QueryState,
    /// Head of the SQL text on one line; empty when it is not known.
    pub sql: String,
    /// True when it was submitted.
    pub submitted: bool,
    /// When it was accepted; `None` for a query of somebody else.
    pub create_time: Option<SystemTime>,
    /// When it was sent.
    pub start_time: Option<SystemTime>,
    /// When it ended.
    pub end_time: Option<SystemTime>,
    /// What kind of statement it is.
    pub kind: StatementKind,
    /// Rows of its result.
    pub row_count_total: Option<u64>,
    /// Rows changed.
    pub dml: Option<DmlStats>,
    /// Why it failed, was cancelled, or is unknown.
    pub failure: Option<Failure>,
    /// Place among those that wait, from 1; 0 when it does not wait.
    pub queue_position: usize,
    /// Hash of text and bindings; `None` when it is not known any more.
    pub fingerprint: Option<u64>,
}

/// Characters of an SQL text that are kept.
const HEAD_LENGTH: usize = 120;

/// The head of a text on one line.
fn head(sql: &str) -> String {
    let mut head = String::new();
    for word in statement::shown(sql).split_whitespace() {
        if !head.is_empty() {
            head.push(' ');
        }
        head.push_str(word);
        if head.chars().count() > HEAD_LENGTH {
            let cut: String = head.chars().take(HEAD_LENGTH).collect();
            return format!("{}…", cut.trim_end());
        }
    }
    head
}

impl QueryRecord {
    pub(super) fn new(new: NewQuery, serial: u64) -> Self {
        Self {
            serial,
            request_id: Some(new.request_id),
            query_id: None,
            session: new.session,
            connection: new.connection,
            state: QueryState::Waiting,
            sql: head(&new.sql),
            submitted: new.submitted,
            create_time: Some(new.create_time),
            start_time: None,
            end_time: None,
            kind: StatementKind::Unknown,
            row_count_total: None,
            dml: None,
            failure: None,
            queue_position: 0,
            fingerprint: Some(new.fingerprint),
        }
    }

    /// A query that nobody here submitted, as Snowflake told it.
    pub fn foreign(
        query_id: &str,
        session: SessionName,
        connection: ConnectionName,
        told: &Observed,
    ) -> Self {
        let mut record = Self {
            serial: 0,
            request_id: None,
            query_id: Some(query_id.to_owned()),
            session,
            connection,
            state: QueryState::Unknown,
            sql: String::new(),
            submitted: false,
            create_time: None,
            start_time: None,
            end_time: None,
            kind: StatementKind::Unknown,
            row_count_total: None,
            dml: None,
            failure: None,
            queue_position: 0,
            fingerprint: None,
        };
        record.observed(told);
        record
    }

    /// It was sent to Snowflake.
    pub fn sent(&mut self, now: SystemTime) -> bool {
        if self.state != QueryState::Waiting {
            return false;
        }
        self.state = QueryState::Running;
        self.start_time = Some(now);
        true
    }

    /// Snowflake took it on and gave it an id.
    pub fn taken_on(&mut self, query_id: &str) -> bool {
        self.query_id = Some(query_id.to_owned());
        true
    }

    /// It ended well.
    pub fn succeeded(&mut self, executed: &Executed, now: SystemTime) -> bool {
        if self.state.is_settled() {
            return false;
        }
        self.settle(QueryState::Succeeded, now);
        if !executed.query_id.is_empty() {
            self.query_id = Some(executed.query_id.clone());
        }
        self.kind = executed.kind;
        self.row_count_total = Some(executed.row_count_total);
        self.dml = executed.dml;
        self.failure = None;
        true
    }

    /// It ended badly, or nobody can tell how when the error says so.
    pub fn failed(&mut self, error: &Error, now: SystemTime) -> bool {
        if self.state.is_settled() {
            return false;
        }
        let was_sent = self.state != QueryState::Waiting;
        let state = match error.reason() {
            _ if was_sent && error.may_have_run() => QueryState::Unknown,
            Reason::Cancelled => QueryState::Cancelled,
            _ => QueryState::Failed,
        };
        self.settle(state, now);
        if let Some(query_id) = &error.facts().query_id {
            self.query_id = Some(query_id.clone());
        }
        self.failure = Some(Failure::of(error));
        true
    }

    /// Nobody here will see its end any more.
    pub fn left(&mut self, why: &Error, now: SystemTime) -> bool {
        if !self.state.is_under_way() {
            return false;
        }
        if self.state == QueryState::Waiting {
            return self.failed(why, now);
        }
        self.state = QueryState::Unknown;
        self.failure = Some(Failure {
            may_have_run: true,
            ..Failure::of(why)
        });
        true
    }

    fn settle(&mut self, state: QueryState, now: SystemTime) {
        self.state = state;
        self.end_time = Some(now);
    }

    /// Snowflake said how it is. What has ended does not change any more.
    pub fn observed(&mut self, told: &Observed) -> bool {
        if self.state.is_settled() {
            return false;
        }
        let before = self.clone();
        self.state = told.state;
        if let (true, Some(sql)) = (self.sql.is_empty(), &told.sql) {
            self.sql = head(sql);
        }
        self.start_time = told.start_time.or(self.start_time);
        self.end_time = told.end_time.filter(|_| told.state.is_settled());
        if told.kind != StatementKind::Unknown {
            self.kind = told.kind;
        }
        self.row_count_total = told.row_count_total.or(self.row_count_total);
        self.dml = told.dml.or(self.dml);
        self.failure.clone_from(&told.failure);
        *self != before
    }
}

/// How somebody names a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryRef {
    /// The latest of the session.
    Last,
    /// By request id or by Snowflake's id: 1 to 128 letters, digits, `-` or `_`.
    Id(String),
}

impl QueryRef {
    const LENGTH_MAX: usize = 128;

    /// Reads what somebody wrote.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match text {
            "last" => Ok(Self::Last),
            "" => Err(Error::invalid("no query was named")
                .with_hint("name it by its id, or `last` for the latest of the session")),
            _ if text.len() <= Self::LENGTH_MAX && text.bytes().all(allowed) => Ok(Self::Id(text.to_owned())),
            _ => Err(Error::invalid("the name of the query is no id")
                .with_hint("name it by the id that Snowflake or this service gave it, or `last`")),
        }
    }

    pub(super) fn names(&self, record: &QueryRecord) -> bool {
        match self {
            Self::Last => true,
            Self::Id(id) => {
                let is_request = |known: RequestId| id.parse().is_ok_and(|id: RequestId| id == known);
                record.query_id.as_deref() == Some(id) || record.request_id.is_some_and(is_request)
            }
        }
    }
}

impl std::fmt::Display for QueryRef {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Last => formatter.write_str("last"),
            Self::Id(id) => formatter.write_str(id),
        }
    }
}
