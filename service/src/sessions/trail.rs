//! The record of one statement on its way into the audit log.
//!
//! Whoever has something to say of the statement holds a share of its trail; when the last share goes, the record is
//! logged as it is by then. So no way through a session, and no way out of it, leaves a statement unlogged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;

use crate::domain::audit::{AuditFailure, AuditLog, AuditRecord, Caller, Verdict, class_of, targets_of};
use crate::domain::error::{Error, Reason};
use crate::domain::history::{Failure, Observed, QueryState};
use crate::domain::meter::Meter;
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::query::{DmlStats, Executed};
use crate::domain::statement::class::Statement;
use crate::domain::trace::{StatementTrace, Step, Tracer};
use crate::domain::write::State;

/// What is known of a statement when its record begins.
pub(super) struct Begun<'a> {
    pub(super) caller: &'a Caller,
    pub(super) session: &'a SessionName,
    pub(super) connection: &'a ConnectionName,
    pub(super) request_id: RequestId,
    pub(super) sql: &'a str,
    pub(super) statements: &'a [Statement],
}

/// Who hears of statements.
pub(super) struct Watchers {
    pub(super) audit: Arc<dyn AuditLog>,
    pub(super) meter: Arc<dyn Meter>,
    pub(super) tracer: Arc<dyn Tracer>,
}

/// The record of one statement.
pub(super) struct Trail {
    audit: Arc<dyn AuditLog>,
    meter: Arc<dyn Meter>,
    begun: Instant,
    /// Certainly changes nothing.
    is_read: bool,
    /// `None` once it is logged, or is not to be.
    open: Mutex<Option<Open>>,
}

/// A record that goes on.
struct Open {
    record: AuditRecord,
    trace: Option<Box<dyn StatementTrace>>,
}

impl Trail {
    pub(super) fn begin(watchers: Watchers, begun: Begun<'_>, now: SystemTime) -> Self {
        let Watchers { audit, meter, tracer } = watchers;
        let record = AuditRecord {
            time: now,
            caller: begun.caller.clone(),
            session: begun.session.clone(),
            connection: begun.connection.clone(),
            request_id: begun.request_id,
            query_id: String::new(),
            class: class_of(begun.statements),
            targets: targets_of(begun.statements),
            verdict: Verdict::Allowed,
            rule: String::new(),
            state: QueryState::Waiting,
            outcome: String::new(),
            row_count: 0,
            byte_count: 0,
            elapsed: std::time::Duration::ZERO,
            failure: None,
            sql: audit.trace(begun.sql),
        };
        Self {
            audit,
            meter,
            begun: Instant::now(),
            is_read: !begun.statements.is_empty() && begun.statements.iter().all(Statement::is_read),
            open: Mutex::new(Some(Open {
                record,
                trace: tracer.begin(),
            })),
        }
    }

    /// The policy lets it pass, by this rule if it needs one.
    pub(super) fn allowed(&self, rule: Option<String>) {
        self.change(|record| record.rule = rule.unwrap_or_default());
    }

    /// The policy refuses it.
    pub(super) fn refused(&self, rule: String, error: &Error) {
        self.change(|record| {
            record.verdict = Verdict::Refused;
            record.rule = rule;
        });
        self.failed(error);
    }

    /// A rule asks for a confirmation, and it waits for one. What is held may be forgotten by a service that is killed, so
    /// it is logged now, too.
    pub(super) fn held(&self, rule: &str) {
        self.change(|record| {
            record.verdict = Verdict::Held;
            rule.clone_into(&mut record.rule);
            self.audit.sent(record);
        });
    }

    /// Somebody confirms it.
    pub(super) fn confirmed(&self) {
        self.change(|record| record.verdict = Verdict::Confirmed);
    }

    /// This came of a write.
    pub(super) fn came_of(&self, outcome: State) {
        self.change(|record| outcome.as_str().clone_into(&mut record.outcome));
    }

    /// It goes to Snowflake now.
    pub(super) fn sent(&self) {
        let mut open = self.lock();
        if let Some(open) = open.as_mut()
            && open.record.state == QueryState::Waiting
        {
            open.record.state = QueryState::Running;
            if !self.is_read {
                self.audit.sent(&open.record);
            }
            self.reached(open, Step::Sent);
        }
    }

    /// Snowflake gave it an id.
    pub(super) fn taken_on(&self, query_id: &str) {
        if let Some(open) = self.lock().as_mut() {
            query_id.clone_into(&mut open.record.query_id);
            self.reached(open, Step::TakenOn);
        }
    }

    /// It ended well; its rows are on their way.
    pub(super) fn succeeded(&self, executed: &Executed) {
        if let Some(open) = self.lock().as_mut() {
            let record = &mut open.record;
            record.state = QueryState::Succeeded;
            record.query_id.clone_from(&executed.query_id);
            record.row_count = executed.dml.map_or(executed.row_count_total, changed);
            self.reached(open, Step::Executed);
        }
    }

    /// Some of its result was sent.
    pub(super) fn delivered(&self, bytes: u64) {
        self.change(|record| record.byte_count += bytes);
    }

    /// It ended well and has no result that is read.
    pub(super) fn done(&self, query_id: &str) {
        self.change(|record| {
            record.state = QueryState::Succeeded;
            query_id.clone_into(&mut record.query_id);
        });
        self.log();
    }

    /// It ended badly, or nobody can tell how. What has ended well before stays so.
    pub(super) fn failed(&self, error: &Error) {
        let keeps = self.audit.keeps_texts();
        self.change(|record| {
            if record.state.is_settled() {
                return;
            }
            let was_sent = record.state != QueryState::Waiting;
            record.state = match error.reason() {
                _ if was_sent && error.may_have_run() => QueryState::Unknown,
                Reason::Cancelled => QueryState::Cancelled,
                _ => QueryState::Failed,
            };
            if let Some(query_id) = &error.facts().query_id {
                record.query_id.clone_from(query_id);
            }
            record.failure = Some(AuditFailure::of(&Failure::of(error), keeps));
        });
        self.log();
    }

    /// Snowflake said how a submitted statement is.
    pub(super) fn observed(&self, told: &Observed) {
        if !told.state.is_settled() {
            return;
        }
        let keeps = self.audit.keeps_texts();
        self.change(|record| {
            record.state = told.state;
            record.row_count = told.dml.map_or(told.row_count_total.unwrap_or(0), changed);
            record.failure = told
                .failure
                .as_ref()
                .map(|failure| AuditFailure::of(failure, keeps));
        });
        self.log();
    }

    /// It was not a statement of its own after all: what it asks for was done before.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    fn change(&self, change: impl FnOnce(&mut AuditRecord)) {
        if let Some(open) = self.lock().as_mut() {
            change(&mut open.record);
        }
    }

    fn reached(&self, open: &mut Open, step: Step) {
        if let Some(trace) = &mut open.trace {
            trace.reached(step, self.begun.elapsed());
        }
    }

    fn log(&self) {
        let Some(Open { mut record, trace }) = self.lock().take() else {
            return;
        };
        record.state = match record.state {
            QueryState::Waiting => QueryState::Cancelled,
            QueryState::Running | QueryState::Queued => QueryState::Unknown,
            ended => ended,
        };
        record.elapsed = self.begun.elapsed();
        self.meter.ended(&record);
        if let Some(trace) = trace {
            trace.ended(&record);
        }
        self.audit.ended(record);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        // A record is whole between any two changes, so a panic elsewhere cannot have broken it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.log();
    }
}

fn changed(dml: DmlStats) -> u64 {
    dml.rows_inserted + dml.rows_updated + dml.rows_deleted
}
