//! A write on its way through its session.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::looks::Sampled;
use crate::domain::context::Context;
use crate::domain::error::Error;
use crate::domain::names::{ConnectionName, SessionName};
use crate::domain::policy::Concern;
use crate::domain::query::{Executed, Submission};
use crate::domain::statement::Effect;
use crate::domain::statement::class::Link;
use crate::domain::upstream::Execution;
use crate::domain::write::memory::{Fate, Written};
use crate::domain::write::staging::{Place, Staging};
use crate::domain::write::token::Token;
use crate::domain::write::undo::{Past, Undoable};
use crate::domain::write::{Held, Mode, Report, State};
use crate::sessions::history::Entry;
use crate::sessions::interrupt::Events;
use crate::sessions::oversight::Gate;

/// A write and where its events go.
pub(in crate::sessions) struct QueuedWrite {
    pub(in crate::sessions) submission: Submission,
    pub(in crate::sessions) gate: Gate,
    pub(in crate::sessions) effects: Vec<Effect>,
    pub(in crate::sessions) asked: Asked,
    pub(in crate::sessions) timeout: Duration,
    pub(in crate::sessions) events: Events,
    pub(in crate::sessions) entry: Entry,
    /// The write that it takes back, while its statement is not made yet.
    pub(in crate::sessions) undoes: Option<Past>,
    pub(in crate::sessions) progress: Progress,
}

/// What was asked for besides the statement.
#[derive(Debug, Clone)]
pub(in crate::sessions) struct Asked {
    pub(in crate::sessions) mode: Mode,
    /// Most rows that the request allows.
    pub(in crate::sessions) rows_max: Option<u64>,
    pub(in crate::sessions) confirmed: bool,
    /// Most rows of a sample.
    pub(in crate::sessions) sample_rows: u64,
    /// What was lost is acknowledged.
    pub(in crate::sessions) accept_loss: bool,
    /// It takes something back, which is a concern of its own.
    pub(in crate::sessions) is_undo: bool,
}

/// How far it is.
#[derive(Default)]
pub(in crate::sessions) struct Progress {
    /// Its way, once it is decided.
    pub(in crate::sessions) staging: Option<Staging>,
    /// The statement's own result, until its rows are delivered.
    pub(in crate::sessions) execution: Option<Execution>,
    /// What Snowflake said of the statement.
    pub(in crate::sessions) executed: Option<Executed>,
    /// The statement that made it visible, by Snowflake's id.
    pub(in crate::sessions) visible_since: Option<String>,
    pub(in crate::sessions) sampled: Sampled,
    pub(in crate::sessions) notices: Vec<String>,
    /// The first thing that went wrong.
    pub(in crate::sessions) failure: Option<Error>,
    /// Where it ran.
    pub(in crate::sessions) context: Context,
    /// It goes on after it was held: its session is not asked what must happen first.
    pub(in crate::sessions) is_resumed: bool,
}

/// A write that waits for a confirmation.
pub(in crate::sessions) struct HeldWrite {
    pub(in crate::sessions) token: Token,
    pub(in crate::sessions) write: Box<QueuedWrite>,
    pub(in crate::sessions) expires: Instant,
    /// Somebody has confirmed it or given it up, or its time is over, and that waits for its turn.
    pub(in crate::sessions) is_settling: bool,
    /// What it was when its transaction is gone.
    pub(in crate::sessions) fate: Fate,
}

impl QueuedWrite {
    /// Begins from the beginning.
    pub(in crate::sessions) fn restart(&mut self) {
        self.progress = Progress::default();
    }

    /// It runs in a transaction that was begun for it.
    pub(in crate::sessions) fn has_own_transaction(&self) -> bool {
        let staging = self.progress.staging.as_ref();
        staging.is_some_and(|staging| staging.place() == Place::Own)
    }

    /// It runs in a transaction that was open before.
    pub(in crate::sessions) fn has_joined(&self) -> bool {
        let staging = self.progress.staging.as_ref();
        staging.is_some_and(|staging| staging.place() == Place::Joined)
    }

    pub(in crate::sessions) fn has_run(&self) -> bool {
        self.progress.staging.as_ref().is_some_and(Staging::has_run)
    }

    /// The first failure counts: what follows it are its consequences.
    pub(in crate::sessions) fn failed(&mut self, error: Error) {
        self.progress.failure.get_or_insert(error);
    }

    fn links(&self) -> impl Iterator<Item = &Link> {
        let statements = self.gate.statements().iter();
        statements.flat_map(|statement| &statement.links)
    }

    /// Object that it changes, as the text names it; empty when there is not exactly one.
    fn target(&self) -> String {
        let mut targets = self.links().flat_map(|link| &link.targets);
        match (targets.next(), targets.next()) {
            (Some(target), None) => target.to_string(),
            _ => String::new(),
        }
    }

    /// How it can be taken back.
    fn undoable(&self) -> Undoable {
        Undoable::of(self.gate.statements(), &self.progress.context)
    }

    /// What came of it so far.
    pub(in crate::sessions) fn report(
        &self,
        state: State,
        concerns: Vec<Concern>,
        place: &Surroundings,
    ) -> Report {
        let progress = &self.progress;
        let executed = progress.executed.clone().unwrap_or_default();
        let sampled = &progress.sampled;
        let visible = progress.visible_since.as_deref();
        Report {
            state,
            token: None,
            expire_time: None,
            concerns,
            query_id: executed.query_id,
            kind: executed.kind,
            dml: executed.dml,
            rows_max: progress.staging.as_ref().and_then(Staging::rows_max),
            before: sampled.before.clone(),
            after: sampled.after.clone(),
            key_columns: sampled.key_columns(),
            sample_omitted: sampled.omitted.clone(),
            undo_sql: visible.map_or_else(String::new, |visible| self.undoable().line(visible)),
            session: place.session.clone(),
            connection: place.connection.clone(),
            context: place.context.clone(),
            transaction_open: place.transaction_open,
            joined: self.has_joined(),
            notices: progress.notices.clone(),
            elapsed: place.elapsed,
            target: self.target(),
        }
    }

    /// The write as it is remembered.
    pub(in crate::sessions) fn written(&self, report: &Report) -> Written {
        Written {
            request_id: self.submission.request_id,
            report: if report.token.is_some() {
                report.clone()
            } else {
                report.without_samples()
            },
            undoable: self.undoable(),
            visible_since: self.progress.visible_since.clone(),
        }
    }

    /// The write as its session shows it while it waits.
    pub(in crate::sessions) fn held(&self, expire_time: SystemTime, transaction_open: bool) -> Held {
        let executed = self.progress.executed.as_ref();
        Held {
            sql: self.entry.record().map(|record| record.sql).unwrap_or_default(),
            ran: self.has_run(),
            joined: self.has_joined() || transaction_open && !self.has_run(),
            rows: executed
                .and_then(|executed| executed.dml.as_ref())
                .map_or(0, crate::domain::query::DmlStats::rows),
            expire_time,
        }
    }
}

/// Where a write is, for its report.
pub(in crate::sessions) struct Surroundings {
    pub(in crate::sessions) session: SessionName,
    pub(in crate::sessions) connection: ConnectionName,
    pub(in crate::sessions) context: Context,
    pub(in crate::sessions) transaction_open: bool,
    pub(in crate::sessions) elapsed: Duration,
}
