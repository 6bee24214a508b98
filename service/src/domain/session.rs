//! The states of a session and the ways between them.
//!
//! ```text
//!            login            logged in          statement
//!   New ──────────────▶ Connecting ──────▶ Idle ◀──────────▶ Busy
//!    ▲                   │      ▲           │                  │
//!    └── login failed ───┘      │ next use  │ upstream lost    │
//!                               └─────── Disconnected ◀────────┘
//!                                    any state ──▶ Closing
//! ```
//!
//! The type holds what a session *is*; the task that owns it carries out what it says.

use crate::domain::context::Context;
use crate::domain::error::{Error, Reason};
use crate::domain::names::{ConnectionName, SessionName};
use crate::domain::query::{Executed, StatementKind};
use crate::domain::statement::{Effect, Holding};
use crate::domain::upstream::Identity;

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
    /// The user must hear something first; the statement is not run.
    Refuse(Error),
}

/// A session: its name, where it is, and what it holds upstream.
#[derive(Debug, Clone)]
pub struct Session {
    name: SessionName,
    connection: ConnectionName,
    phase: Phase,
    context: Context,
    identity: Identity,
    /// Each statement is a transaction of its own unless one was begun.
    autocommit: bool,
    held: Held,
    lost: Option<Held>,
    last_query_id: String,
}

/// What lives upstream and would be gone with the upstream session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    transaction: bool,
    temporary_objects: bool,
    variables: bool,
    parameters: bool,
}

impl Held {
    fn describe(self) -> Option<String> {
        let parts: Vec<&str> = [
            (
                self.transaction,
                "an open transaction (its changes are rolled back)",
            ),
            (self.temporary_objects, "temporary objects"),
            (self.variables, "session variables"),
            (self.parameters, "session parameters"),
        ]
        .into_iter()
        .filter_map(|(held, words)| held.then_some(words))
        .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl Session {
    /// A session that was not used yet.
    pub fn new(name: SessionName, connection: ConnectionName) -> Self {
        Self {
            name,
            connection,
            phase: Phase::New,
            context: Context::default(),
            identity: Identity::default(),
            autocommit: true,
            held: Held::default(),
            lost: None,
            last_query_id: String::new(),
        }
    }

    /// Says what must happen before a statement can run. What was lost is said once; asking again goes on.
    pub fn next_step(&mut self) -> Step {
        if let Some(loss) = self.lost.take().and_then(Held::describe) {
            let message = format!(
                "session {} was lost together with {loss}; nothing was run",
                self.name
            );
            return Step::Refuse(
                Error::new(Reason::SessionLost, message)
                    .with_hint("redo what is still needed; the next statement runs in a new upstream session with the same role, warehouse, database and schema"),
            );
        }
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

    /// The login succeeded: returns the statements that bring the new upstream session to the context that
    /// the session had.
    pub fn connected(&mut self, identity: Identity, context: Context, autocommit: bool) -> Vec<String> {
        self.autocommit = autocommit;
        let restore = self.context.restore_from(&context);
        if restore.is_empty() {
            self.context = context;
        }
        self.identity = identity;
        self.phase = Phase::Idle;
        restore
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

    /// A statement succeeded.
    pub fn finished(&mut self, effect: Effect, executed: &Executed) {
        self.phase = Phase::Idle;
        self.context = executed.context.clone();
        if !executed.query_id.is_empty() {
            self.last_query_id.clone_from(&executed.query_id);
        }
        if executed.kind == StatementKind::Ddl {
            // Snowflake commits before and after each DDL statement.
            self.held.transaction = false;
        }
        if executed.kind == StatementKind::Dml && !self.autocommit {
            self.held.transaction = true;
        }
        match effect {
            Effect::None => {}
            Effect::Begin => self.held.transaction = true,
            Effect::End => self.held.transaction = false,
            Effect::Hold(Holding::TemporaryObject) => self.held.temporary_objects = true,
            Effect::Hold(Holding::Variable) => self.held.variables = true,
            Effect::Hold(Holding::Parameter) => self.held.parameters = true,
            Effect::SetAutocommit(autocommit) => {
                self.autocommit = autocommit;
                self.held.parameters = true;
            }
        }
    }

    /// A statement failed; the upstream session goes on.
    pub fn failed(&mut self, error: &Error) {
        self.phase = Phase::Idle;
        if let Some(query_id) = &error.facts().query_id {
            self.last_query_id.clone_from(query_id);
        }
    }

    /// The upstream session is gone, with everything it held.
    pub fn upstream_lost(&mut self) {
        self.phase = Phase::Disconnected;
        let held = std::mem::take(&mut self.held);
        if held != Held::default() {
            self.lost = Some(held);
        }
    }

    /// The session ends: says whether a transaction is to be rolled back.
    pub fn closing(&mut self) -> bool {
        self.phase = Phase::Closing;
        self.held.transaction
    }

    /// Its name.
    pub fn name(&self) -> &SessionName {
        &self.name
    }

    /// Its connection.
    pub fn connection(&self) -> &ConnectionName {
        &self.connection
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Where its statements run, as last reported.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Who it is logged in as.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// True while a transaction is open.
    pub fn transaction_open(&self) -> bool {
        self.held.transaction
    }

    /// Snowflake's identity of its latest query; empty if there was none.
    pub fn last_query_id(&self) -> &str {
        &self.last_query_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let mut session = Session::new(SessionName::default_name(), ConnectionName::local());
        assert!(matches!(session.next_step(), Step::Login));
        session.connecting();
        assert_eq!(
            session.connected(identity(), context("DB"), true),
            Vec::<String>::new()
        );
        session
    }

    fn identity() -> Identity {
        Identity {
            user: "ME".into(),
            ..Identity::default()
        }
    }

    fn context(database: &str) -> Context {
        Context {
            database: Some(database.into()),
            ..Context::default()
        }
    }

    fn executed(kind: StatementKind) -> Executed {
        Executed {
            kind,
            context: context("DB"),
            query_id: "q1".into(),
            ..Executed::default()
        }
    }

    #[test]
    fn a_statement_runs_after_one_login() {
        let mut session = session();
        assert!(matches!(session.next_step(), Step::Run));
        session.started();
        assert_eq!(session.phase(), Phase::Busy);
        session.finished(Effect::None, &executed(StatementKind::Query));
        assert_eq!((session.phase(), session.last_query_id()), (Phase::Idle, "q1"));
    }

    #[test]
    fn transactions_open_and_end() {
        let mut session = session();
        for (effect, kind, open) in [
            (Effect::Begin, StatementKind::Transaction, true),
            (Effect::None, StatementKind::Dml, true),
            (Effect::End, StatementKind::Transaction, false),
            (Effect::Begin, StatementKind::Transaction, true),
            (Effect::None, StatementKind::Ddl, false),
        ] {
            session.finished(effect, &executed(kind));
            assert_eq!(session.transaction_open(), open, "{effect:?} {kind:?}");
        }
        session.finished(Effect::Begin, &executed(StatementKind::Transaction));
        session.failed(&Error::new(Reason::SqlRejected, "no"));
        assert!(session.transaction_open(), "an error does not end a transaction");
        assert!(session.closing());
    }

    #[test]
    fn without_autocommit_a_change_opens_a_transaction() {
        let mut session = session();
        session.finished(Effect::SetAutocommit(false), &executed(StatementKind::Session));
        for (effect, kind, open) in [
            (Effect::None, StatementKind::Query, false),
            (Effect::None, StatementKind::Dml, true),
            (Effect::End, StatementKind::Transaction, false),
            (Effect::SetAutocommit(true), StatementKind::Session, false),
            (Effect::None, StatementKind::Dml, false),
        ] {
            session.finished(effect, &executed(kind));
            assert_eq!(session.transaction_open(), open, "{effect:?} {kind:?}");
        }
    }

    #[test]
    fn a_loss_is_said_once_then_the_context_is_restored() {
        let mut session = session();
        session.finished(Effect::Begin, &executed(StatementKind::Transaction));
        session.finished(Effect::Hold(Holding::Variable), &executed(StatementKind::Session));
        session.upstream_lost();
        assert_eq!(session.phase(), Phase::Disconnected);
        let Step::Refuse(error) = session.next_step() else {
            panic!("the loss was not said")
        };
        assert_eq!(error.reason(), Reason::SessionLost);
        assert_eq!(
            error.to_string(),
            "session default was lost together with an open transaction (its changes are rolled back), session variables; nothing was run"
        );
        assert!(matches!(session.next_step(), Step::Login));
        session.connecting();
        assert_eq!(
            session.connected(identity(), context("OTHER"), true),
            ["USE DATABASE DB"]
        );
        assert!(!session.transaction_open());
    }

    #[test]
    fn a_loss_of_nothing_is_not_worth_a_word() {
        let mut session = session();
        session.upstream_lost();
        assert!(matches!(session.next_step(), Step::Login));
    }

    #[test]
    fn a_failed_login_can_be_tried_again() {
        let mut session = Session::new(SessionName::default_name(), ConnectionName::local());
        session.connecting();
        session.login_failed();
        assert_eq!(session.phase(), Phase::New);
        assert!(matches!(session.next_step(), Step::Login));
    }
}
