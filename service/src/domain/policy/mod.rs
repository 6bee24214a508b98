//! What a statement may do: levels, the rules of the configuration, and the decision.
//!
//! A [`Level`] says what kinds of statements run as they are, which need a confirmation, and which are refused
//! ([`decide`] has the table). Rules refine it: what `deny` names is refused at every level; what `allow` names
//! passes where the level alone would refuse it or ask. The two are strict in opposite directions. A deny rule
//! matches unless it is certain that it does not: names that only Snowflake could resolve match, code that the
//! text does not show might do what is denied, and a statement that is not understood might be anything. An
//! allow rule matches only what certainly is what it names, whole: each link, each object, each call that acts.
//!
//! Everything here is decided from the text of a statement as [`class`](super::statement::class) understands it,
//! the configuration, and the session's context as far as it is known. Whoever asks may ask Snowflake what the
//! statement is ([`asks_server`], [`is_misread`]) before it runs.

mod decision;
mod level;
mod pattern;
mod resolve;
mod rule;

use std::collections::HashMap;
use std::sync::Arc;

pub use decision::{
    Concern, Decision, Door, Refusal, asks_server, changes_rows, commits_by_itself, decide,
    depends_on_context, is_misread, refuse_misread,
};
pub use level::{HeldBy, Level, Limit};
pub use resolve::SessionFacts;
pub use rule::Rule;

use crate::domain::names::ConnectionName;

/// What the statements over a connection may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The most that a session or a request can ask for.
    pub level: Level,
    /// What passes although the level would refuse it or ask.
    pub allow: Vec<Rule>,
    /// What is refused at every level.
    pub deny: Vec<Rule>,
    /// Most rows that a write may change without a confirmation.
    pub rows_max: u64,
    /// Which statements Snowflake is asked about before they run.
    pub ask_server: AskServer,
}

/// Which statements Snowflake is asked about before they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskServer {
    /// None.
    Never,
    /// Those that are not certainly reads.
    Writes,
    /// All.
    Always,
}

/// The policies of all connections.
#[derive(Debug, Clone)]
pub struct Policies {
    /// That of connections without one of their own.
    pub general: Arc<Policy>,
    /// Those of single connections.
    pub connections: HashMap<ConnectionName, Arc<Policy>>,
}

impl Policy {
    /// Everything is allowed, nobody is asked: for tests and tools that bring no configuration.
    pub fn open() -> Self {
        Self {
            level: Level::Open,
            allow: Vec::new(),
            deny: Vec::new(),
            rows_max: u64::MAX,
            ask_server: AskServer::Never,
        }
    }

    /// True when it has rules at all.
    pub fn has_rules(&self) -> bool {
        !self.allow.is_empty() || !self.deny.is_empty()
    }
}

impl Policies {
    /// The same policy for every connection.
    pub fn all(policy: Policy) -> Self {
        Self {
            general: Arc::new(policy),
            connections: HashMap::new(),
        }
    }

    /// The policy of a connection.
    pub fn of(&self, connection: &ConnectionName) -> &Arc<Policy> {
        self.connections.get(connection).unwrap_or(&self.general)
    }
}

#[cfg(test)]
mod tests;
