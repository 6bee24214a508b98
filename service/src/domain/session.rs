//! The states of a session and the ways between them.
//!
//! ```text
//!            login            logged in          statement
//!   New ──────────────▶ Connecting ──────▶ Idle ◀──────────▶ Busy
//!    ▲                   │      ▲           │                  │
//!    └── login failed ───┘      │ next use  │ upstream gone    │
//!                               └─────── Disconnected ◀────────┘
//!                                    any state ──▶ Closing
//! ```
//!
//! The type holds what a session *is*; the task that owns it carries out what it says. What the session is made
//! of is in its [`Journal`]. While the journal names losses, statements are refused unless they accept them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::domain::carry::{Carried, InFlight, Ticket};
use crate::domain::context::Context;
use crate::domain::error::{Error, Reason};
use crate::domain::journal::Journal;
use crate::domain::journal::record::Record;
use crate::domain::journal::restore::RestoreStep;
use crate::domain::loss::{self, Loss, LossKind};
use crate::domain::names::{ConnectionName, SessionName};
use crate::domain::policy::{Level, SessionFacts};
use crate::domain::query::Executed;
use crate::domain::statement::{AUTOCOMMIT, Effect};
use crate::domain::upstream::Identity;
use crate::domain::write::Held;

mod held;
mod transaction;

pub use transaction::ASK_TRANSACTION;
use transaction::Doubt;

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Made, not logged in yet.
    New,
    /// Logging in.
    Connecting,
    /// Logged in, nothing runs.
    Idle,
    /// A statement runs.
    Busy,
    /// The upstream session is gone; the next use logs in again.
    Disconnected,
    /// Ending.
    Closing,
}

/// What must happen before a statement can run.
#[derive(Debug)]
pub enum Step {
    /// Nothing.
    Run,
    /// A login.
    Login,
    /// Snowflake must say whether a transaction is open.
    AskTransaction,
    /// The user must hear something first; the statement is not run.
    Refuse(Error),
}

/// A session: its name, where it is, and what it holds upstream.
#[derive(Debug, Clone)]
pub struct Session {
    name: SessionName,
    connection: ConnectionName,
    idle_limit: Option<Duration>,
    /// The most that its statements may do, if it has a limit of its own.
    policy: Option<Level>,
    phase: Phase,
    identity: Identity,
    login_time: Option<SystemTime>,
    /// Each statement is a transaction of its own unless one was begun: now (`None` when nobody heard how the
    /// statement ended that was to change it), and after the login.
    autocommit: Option<bool>,
    autocommit_at_login: bool,
    /// Shared with those who look at the session; a change makes a new one.
    journal: Arc<Journal>,
    /// Why it is not known whether a transaction is open.
    doubt: Option<Doubt>,
    /// The write that waits for a confirmation.
    held: Option<Held>,
    last_query_id: String,
}

impl Session {
    /// A session that was not used yet. `idle_limit` is how long it may be unused, if it has a limit of its own.
    pub fn new(name: SessionName, connection: ConnectionName, idle_limit: Option<Duration>) -> Self {
        Self {
            name,
            connection,
            idle_limit,
            policy: None,
            phase: Phase::New,
            identity: Identity::default(),
            login_time: None,
            autocommit: Some(true),
            autocommit_at_login: true,
            journal: Arc::default(),
            doubt: None,
            held: None,
            last_query_id: String::new(),
        }
    }

    /// The same session with a level of its own.
    #[must_use]
    pub fn with_policy(mut self, policy: Option<Level>) -> Self {
        self.policy = policy;
        self
    }

    /// A session as it was kept.
    pub fn from_record(record: Record) -> Self {
        let mut session =
            Self::new(record.name, record.connection, record.idle_limit).with_policy(record.policy);
        if record.identity != Identity::default() {
            session.phase = Phase::Disconnected;
        }
        session.identity = record.identity;
        session.journal = Arc::new(record.journal);
        session.last_query_id = record.last_query_id;
        session
    }

    /// What is to be kept of it.
    pub fn record(&self, create_time: SystemTime, last_use_time: SystemTime) -> Record {
        Record {
            name: self.name.clone(),
            connection: self.connection.clone(),
            idle_limit: self.idle_limit,
            policy: self.policy,
            create_time,
            last_use_time,
            identity: self.identity.clone(),
            last_query_id: self.last_query_id.clone(),
            journal: Journal::clone(&self.journal),
        }
    }

    /// Says what must happen before the session can be used, which a login alone is not. With `accept_loss` what
    /// was lost is acknowledged and forgotten.
    pub fn next_step(&mut self, accept_loss: bool) -> Step {
        if accept_loss && !self.journal.losses.is_empty() {
            self.change().losses.clear();
        }
        if !self.journal.losses.is_empty() {
            return Step::Refuse(loss::refusal(&self.name, &self.journal.losses));
        }
        match self.next_login_step() {
            Step::Run if self.doubt.is_some() => Step::AskTransaction,
            step => step,
        }
    }

    /// Says what must happen before the session is logged in. Losses do not stand in the way of that.
    pub fn next_login_step(&self) -> Step {
        match self.phase {
            Phase::Idle | Phase::Busy => Step::Run,
            Phase::New | Phase::Disconnected | Phase::Connecting => Step::Login,
            Phase::Closing => Step::Refuse(
                Error::new(Reason::NotFound, format!("session {} is being closed", self.name))
                    .with_hint("run the statement again to use a new session of this name"),
            ),
        }
    }

    /// A login begins.
    pub fn connecting(&mut self) {
        self.phase = Phase::Connecting;
    }

    /// The login succeeded at `now`: returns the statements that bring the new upstream session to where the
    /// session was; [`restored`](Self::restored) ends this.
    pub fn connected(
        &mut self,
        identity: Identity,
        context: Context,
        autocommit: bool,
        now: SystemTime,
    ) -> Vec<RestoreStep> {
        let steps = self.journal.restore_from(&context);
        self.autocommit = Some(autocommit);
        self.autocommit_at_login = autocommit;
        self.identity = identity;
        self.login_time = Some(now);
        if steps.is_empty() {
            self.reported(context);
            self.phase = Phase::Idle;
        }
        steps
    }

    /// The statements of [`connected`](Self::connected) ended: where the session is now, and what Snowflake
    /// refused to bring back, each with the cause.
    pub fn restored(&mut self, context: Option<Context>, refused: Vec<(LossKind, String, String)>) {
        if !refused.is_empty() {
            let journal = self.change();
            for (kind, name, cause) in refused {
                match kind {
                    LossKind::Parameter => drop(journal.parameters.remove(&name)),
                    LossKind::Variable => drop(journal.variables.remove(&name)),
                    LossKind::Context if name.starts_with("secondary roles") => {
                        journal.secondary_roles = None;
                    }
                    LossKind::Context
                    | LossKind::Transaction
                    | LossKind::Write
                    | LossKind::TemporaryObject => {}
                }
                journal.add_loss(kind, name, &cause);
            }
        }
        if let Some(context) = context {
            self.reported(context);
        }
        if let Some(Some(value)) = self.journal.parameters.get(AUTOCOMMIT) {
            self.autocommit = value.truth().or(self.autocommit);
        }
        self.phase = Phase::Idle;
    }

    /// It goes on with the upstream session that an earlier process has left, of which `carried` speaks. Its record says
    /// the rest, unless a statement was in flight: then it is asked what became of the transaction.
    pub fn adopted(&mut self, carried: &Carried) {
        self.login_time = Some(carried.login_time);
        self.autocommit = carried.autocommit;
        self.autocommit_at_login = carried.autocommit_at_login;
        self.phase = Phase::Idle;
        if carried.in_flight != InFlight::Nothing {
            self.doubt_after_adoption();
        }
    }

    /// What the next process has to know of the upstream session, but the ticket; `None` without one.
    pub fn to_carry(&self, last_use_time: SystemTime) -> Option<Carried> {
        Some(Carried {
            session: self.name.clone(),
            connection: self.connection.clone(),
            login_time: self.login_time?,
            last_use_time,
            autocommit: self.autocommit,
            autocommit_at_login: self.autocommit_at_login,
            in_flight: if self.transaction_is_doubtful() {
                InFlight::Statement(None)
            } else {
                InFlight::Nothing
            },
            unconfirmed: self.held.as_ref().is_some_and(|held| held.ran),
            ticket: Ticket::new(""),
        })
    }

    /// The login failed.
    pub fn login_failed(&mut self) {
        let was_logged_in = self.identity != Identity::default();
        self.phase = if was_logged_in {
            Phase::Disconnected
        } else {
            Phase::New
        };
    }

    /// A statement begins.
    pub fn started(&mut self) {
        self.phase = Phase::Busy;
    }

    /// A statement succeeded at `now`. Returns what the user should hear besides, whole sentences.
    pub fn finished(&mut self, effects: &[Effect], executed: &Executed, now: SystemTime) -> Vec<String> {
        self.phase = Phase::Idle;
        if !executed.query_id.is_empty() {
            self.last_query_id.clone_from(&executed.query_id);
        }
        if !effects.is_empty() {
            let journal = self.change();
            for effect in effects {
                journal.note(effect);
            }
        }
        self.reported(executed.context.clone());
        self.transaction_after(effects, executed.kind, now)
    }

    /// A statement was submitted, and Snowflake gave it an id. What it makes is held from now on: nobody here sees
    /// the moment when it does.
    pub fn submitted(&mut self, effects: &[Effect], query_id: &str) {
        query_id.clone_into(&mut self.last_query_id);
        if effects
            .iter()
            .any(|effect| matches!(effect, Effect::MakeTemporary(_)))
        {
            let journal = self.change();
            for effect in effects {
                journal.note(effect);
            }
        }
    }

    /// A statement failed or was interrupted; the upstream session goes on.
    pub fn failed(&mut self, effects: &[Effect], error: &Error) {
        self.phase = Phase::Idle;
        if let Some(query_id) = &error.facts().query_id {
            self.last_query_id.clone_from(query_id);
        }
        if error.may_have_run() && !effects.is_empty() {
            let journal = self.change();
            for effect in effects {
                journal.note_doubtful(effect);
            }
        }
        self.doubt_after_failure(effects, error);
    }

    /// The upstream session is gone, with everything it held. `cause` is a fragment such as `it had expired`.
    pub fn upstream_lost(&mut self, cause: &str) {
        self.phase = match self.phase {
            Phase::New => Phase::New,
            _ => Phase::Disconnected,
        };
        self.doubt = None;
        self.login_time = None;
        if self.journal.holds_irreplaceable() {
            self.change().lose(cause);
        }
        if self.held.as_ref().is_some_and(|held| held.ran || held.joined) {
            self.held = None;
        }
    }

    /// Forgets all but name, connection, idle limit and policy.
    pub fn reset(&mut self) {
        *self =
            Self::new(self.name.clone(), self.connection.clone(), self.idle_limit).with_policy(self.policy);
    }

    /// The session ends: says whether a transaction is to be rolled back.
    pub fn closing(&mut self) -> bool {
        self.phase = Phase::Closing;
        self.may_have_transaction()
    }

    /// Its name.
    pub fn name(&self) -> &SessionName {
        &self.name
    }

    /// Its connection.
    pub fn connection(&self) -> &ConnectionName {
        &self.connection
    }

    /// How long it may be unused, if it has a limit of its own.
    pub fn idle_limit(&self) -> Option<Duration> {
        self.idle_limit
    }

    /// The most that its statements may do, if it has a limit of its own.
    pub fn policy(&self) -> Option<Level> {
        self.policy
    }

    /// What the policy has to know of it. While it is not logged in, its context is what it will be brought back to.
    pub fn facts(&self) -> SessionFacts<'_> {
        SessionFacts {
            database: self.journal.context.database.as_deref(),
            schema: self.journal.context.schema.as_deref(),
            search_path: self.journal.parameters.contains_key("SEARCH_PATH"),
        }
    }

    /// True when the user has set the tag of its queries.
    pub fn has_query_tag(&self) -> bool {
        self.journal.parameters.contains_key("QUERY_TAG")
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What it holds, as far as is known.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Who it is logged in as.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// When its upstream session logged in, if it has one.
    pub fn login_time(&self) -> Option<SystemTime> {
        self.login_time
    }

    /// What was lost and not acknowledged.
    pub fn losses(&self) -> &[Loss] {
        &self.journal.losses
    }

    /// True when each statement is certainly a transaction of its own unless one was begun.
    pub fn autocommit(&self) -> bool {
        self.autocommit == Some(true)
    }

    /// Snowflake's identity of its latest query; empty if there was none.
    pub fn last_query_id(&self) -> &str {
        &self.last_query_id
    }

    /// The journal, to be changed.
    fn change(&mut self) -> &mut Journal {
        Arc::make_mut(&mut self.journal)
    }

    /// Snowflake reported a context.
    fn reported(&mut self, context: Context) {
        if self.journal.context != context {
            self.change().context = context;
        }
    }
}

#[cfg(test)]
#[path = "session/tests.rs"]
mod tests;
