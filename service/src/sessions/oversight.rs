//! What watches over the sessions: policies, the audit log, the meter, the tag of queries.

use std::fmt::Write as _;
use std::sync::Arc;

use super::WallClock;
use super::trail::{Begun, Trail, Watchers};
use crate::domain::audit::{AuditLog, Caller, NoAudit};
use crate::domain::error::Error;
use crate::domain::meter::{Meter, NoMeter};
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::policy::{
    AskServer, Concern, Decision, Door, Level, Limit, Policies, Policy, Refusal, SessionFacts, asks_server,
    decide, depends_on_context, is_misread, refuse_misread,
};
use crate::domain::query::StatementKind;
use crate::domain::session::Session;
use crate::domain::statement::class::{Class, Statement};
use crate::domain::trace::{NoTracer, Tracer};
use crate::domain::write::RowsMax;

/// What watches over the sessions.
pub struct Oversight {
    /// What statements may do.
    pub policies: Policies,
    /// Who is told of them.
    pub audit: Arc<dyn AuditLog>,
    /// Who counts them.
    pub meter: Arc<dyn Meter>,
    /// Who tells of them to those outside.
    pub tracer: Arc<dyn Tracer>,
    /// Queries are tagged with who asked for them.
    pub query_tag: bool,
}

impl Oversight {
    /// Everything is allowed and nothing is logged: for tests and tools.
    pub fn none() -> Self {
        Self {
            policies: Policies::all(Policy::open()),
            audit: Arc::new(NoAudit),
            meter: Arc::new(NoMeter),
            tracer: Arc::new(NoTracer),
            query_tag: false,
        }
    }

    /// The most that the statements of a session may do.
    pub(super) fn limit(&self, own: Option<Level>, connection: &ConnectionName) -> Limit {
        Limit::of_session(own, self.policies.of(connection).level)
    }

    /// Begins the record of a statement.
    pub(super) fn begin_trail(&self, begun: Begun<'_>, clock: &WallClock) -> Arc<Trail> {
        let watchers = Watchers {
            audit: Arc::clone(&self.audit),
            meter: Arc::clone(&self.meter),
            tracer: Arc::clone(&self.tracer),
        };
        Arc::new(Trail::begin(watchers, begun, (clock)()))
    }

    /// The tag of a query.
    pub(super) fn tag(&self, caller: &Caller, session: &SessionName) -> Option<String> {
        if !self.query_tag {
            return None;
        }
        // Names of sessions and what is kept of a caller need no escapes.
        let mut tag = format!(r#"{{"client":"{}","session":"{session}""#, caller.client);
        if !caller.agent.is_empty() {
            let _ = write!(tag, r#","agent":"{}""#, caller.agent);
        }
        tag.push('}');
        Some(tag)
    }
}

/// What a statement must pass before it is sent.
#[derive(Clone)]
pub(super) struct Gate {
    policy: Arc<Policy>,
    limit: Limit,
    door: Door,
    statements: Arc<[Statement]>,
    /// What must be confirmed, of a statement that is staged.
    concerns: Vec<Concern>,
    /// The decision waits for the session's context.
    undecided: bool,
    /// Snowflake is still to be asked what the statement is.
    unasked: bool,
    /// It is refused because it is not understood, unless Snowflake does not understand it either: then it has a slip
    /// of the pen, and Snowflake's word on that helps more.
    suspicion: Option<Refusal>,
}

/// Snowflake's code for a text that is no SQL.
const SYNTAX_ERROR: &str = "001003";

impl Gate {
    /// Decides about a statement that comes by this door, as far as that can be done without its session's context. Returns the
    /// rule by which it passes, if it needs one.
    pub(super) fn new(
        policy: &Arc<Policy>,
        limit: Limit,
        door: Door,
        statements: &Arc<[Statement]>,
    ) -> Result<(Self, Option<String>), Refusal> {
        let mut gate = Self {
            policy: Arc::clone(policy),
            limit,
            door,
            statements: Arc::clone(statements),
            concerns: Vec::new(),
            undecided: depends_on_context(policy, statements),
            unasked: asks_server(policy, limit, statements),
            suspicion: None,
        };
        let rule = if gate.undecided {
            None
        } else {
            gate.pass(&SessionFacts::default())?
        };
        Ok((gate, rule))
    }

    /// Decides what had to wait until the session is logged in; `None` when nothing had to.
    pub(super) fn enter(&mut self, session: &Session, trail: &Trail) -> Result<(), Refusal> {
        if !std::mem::take(&mut self.undecided) {
            return Ok(());
        }
        trail.allowed(self.pass(&session.facts())?);
        Ok(())
    }

    /// Decides; a refusal of what is not understood waits for Snowflake's word.
    fn pass(&mut self, facts: &SessionFacts<'_>) -> Result<Option<String>, Refusal> {
        match self.decide(facts) {
            Err(refusal) if self.may_be_a_slip(&refusal) => {
                self.suspicion = Some(refusal);
                self.unasked = true;
                Ok(None)
            }
            decided => decided,
        }
    }

    /// Another statement goes through: what the first one was for is now known.
    pub(super) fn replace(&mut self, statements: Arc<[Statement]>) {
        self.unasked = asks_server(&self.policy, self.limit, &statements);
        self.statements = statements;
        self.undecided = true;
        self.suspicion = None;
    }

    /// The statement, as far as it is understood.
    pub(super) fn statements(&self) -> &Arc<[Statement]> {
        &self.statements
    }

    /// What must be confirmed before a staged statement counts.
    pub(super) fn concerns(&self) -> &[Concern] {
        &self.concerns
    }

    /// Most rows that a staged statement may change without a confirmation; `asked` is what its request allows.
    pub(super) fn rows_max(&self, asked: Option<u64>) -> RowsMax {
        match (asked, self.limit.level) {
            (Some(rows), _) => RowsMax::Asked(rows),
            (None, Level::Open) => RowsMax::None,
            (None, Level::Guarded | Level::ReadOnly) => RowsMax::Configured(self.policy.rows_max),
        }
    }

    fn may_be_a_slip(&self, refusal: &Refusal) -> bool {
        let mut links = self.statements.iter().flat_map(|statement| &statement.links);
        self.policy.ask_server != AskServer::Never
            && refusal.rule == self.limit.level.as_str()
            && links.any(|link| link.class == Class::Unknown)
    }

    fn decide(&mut self, facts: &SessionFacts<'_>) -> Result<Option<String>, Refusal> {
        match decide(&self.policy, self.limit, self.door, &self.statements, facts) {
            Decision::Allow(rule) => {
                self.concerns.clear();
                Ok(rule)
            }
            Decision::Confirm(concerns) if self.door == Door::Write => {
                self.concerns = concerns;
                Ok(None)
            }
            Decision::Confirm(concerns) => Err(concerns
                .first()
                .map_or_else(Refusal::unconfirmed, Concern::refusal)),
            Decision::Refuse(refusal) => Err(refusal),
        }
    }

    /// True when Snowflake is to be asked first what the statement is.
    pub(super) fn asks_server(&self) -> bool {
        self.unasked
    }

    /// Snowflake said what the statement is.
    pub(super) fn told(&mut self, kind: StatementKind) -> Result<(), Refusal> {
        self.unasked = false;
        if let Some(refusal) = self.suspicion.take() {
            return Err(refusal);
        }
        if !is_misread(&self.statements, kind) {
            return Ok(());
        }
        match refuse_misread(&self.policy, self.limit, &self.statements, kind) {
            Some(refusal) => {
                tracing::error!(
                    ?kind,
                    rule = refusal.rule,
                    "a statement was misread; it was not run"
                );
                Err(refusal)
            }
            None => Ok(()),
        }
    }

    /// Snowflake cannot say what the statement is before it runs, or says that it cannot run. What it does not compile
    /// by itself is what we take it for, and what it rejects it will reject again; only what would be refused ends here,
    /// without a refusal when Snowflake's word is to be told instead.
    pub(super) fn not_told(&mut self, error: &Error) -> Result<(), Option<Refusal>> {
        self.unasked = false;
        match self.suspicion.take() {
            None => Ok(()),
            Some(_) if error.facts().snowflake_code.as_deref() == Some(SYNTAX_ERROR) => Err(None),
            Some(refusal) => Err(Some(refusal)),
        }
    }

    /// What the user should hear when Snowflake says of a read that has run that it was none.
    pub(super) fn notice_after(&self, kind: StatementKind) -> Option<String> {
        let was_read = self.statements.iter().all(Statement::is_read);
        if !was_read || !is_misread(&self.statements, kind) {
            return None;
        }
        tracing::error!(
            ?kind,
            "a statement was taken for a read, and Snowflake says that it was none"
        );
        Some(
            "Snowflake says that this statement was no read, as which it was taken: look at what it did, and please report it"
                .to_owned(),
        )
    }
}

/// Notes a refusal and makes the error of it.
pub(super) fn refused(trail: &Trail, refusal: Refusal) -> Error {
    let rule = refusal.rule.clone();
    let error = Error::from(refusal);
    trail.refused(rule, &error);
    error
}

/// A request that is about nothing that a user wrote.
pub(super) fn drawn_request_id() -> RequestId {
    RequestId::new(uuid::Uuid::new_v4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_json() {
        let oversight = Oversight {
            query_tag: true,
            ..Oversight::none()
        };
        let session = SessionName::default_name();
        let caller = Caller::new(None, None, "sfctl/0.1.0", "");
        assert_eq!(
            oversight.tag(&caller, &session).as_deref(),
            Some(r#"{"client":"sfctl/0.1.0","session":"default"}"#)
        );
        let caller = Caller::new(None, None, "x\"y\\", "a\u{7}b");
        let tag = oversight.tag(&caller, &session).unwrap();
        let read: serde_json::Value = serde_json::from_str(&tag).unwrap();
        assert_eq!((&read["client"], &read["agent"]), (&"xy".into(), &"ab".into()));
        assert_eq!(Oversight::none().tag(&caller, &session), None);
    }
}
