//! The audit log: who ran what, what the policy said, and what came of it. Never bindings, never rows.
//!
//! A record is made when a statement is accepted or refused, and logged when its end is known. One that may change
//! something is logged when it is sent, too, so that a service that is killed leaves a trace of it.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::domain::error::{Error, Reason};
use crate::domain::history::{Failure, QueryState};
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::statement::class::{Link, Object, Statement};

/// Who asks for something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// User id of the client's process.
    pub uid: Option<u32>,
    /// Process id of the client.
    pub pid: Option<i32>,
    /// Of a client of another machine: the name in its certificate by which it was let in, `uri:spiffe://corp/etl` for
    /// example; else empty.
    pub identity: String,
    /// Of such a client: where it calls from; else empty.
    pub address: String,
    /// The client program and its version, as it says itself.
    pub client: String,
    /// Session of the agent that it works for, as it says itself.
    pub agent: String,
}

impl Caller {
    /// Longest names, in characters.
    const CLIENT_MAX: usize = 64;
    const AGENT_MAX: usize = 128;

    /// Takes what a client says of itself: cut, and without characters that could make something else of a log.
    pub fn new(uid: Option<u32>, pid: Option<i32>, client: &str, agent: &str) -> Self {
        let tame = |text: &str, max| {
            let is_tame = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\') || *c == ' ';
            text.chars().filter(is_tame).take(max).collect::<String>()
        };
        Self {
            uid,
            pid,
            identity: String::new(),
            address: String::new(),
            client: tame(client, Self::CLIENT_MAX),
            agent: tame(agent, Self::AGENT_MAX),
        }
    }

    /// The same caller, calling from another machine.
    pub fn from_afar(self, identity: String, address: String) -> Self {
        Self {
            identity,
            address,
            ..self
        }
    }

    /// Who it is in one word, as far as somebody else than itself says so: for logs.
    pub fn peer(&self) -> String {
        match self.uid {
            _ if !self.identity.is_empty() => self.identity.clone(),
            Some(uid) => format!("uid:{uid}"),
            None => String::new(),
        }
    }
}

/// What the policy decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may run.
    Allowed,
    /// Somebody confirmed what it asks for.
    Confirmed,
    /// It asked for a confirmation, and nobody gave one.
    Held,
    /// It was not run.
    Refused,
}

impl Verdict {
    /// Its name, as in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Confirmed => "confirmed",
            Self::Held => "held",
            Self::Refused => "refused",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Allowed, Self::Confirmed, Self::Held, Self::Refused]
            .into_iter()
            .find(|verdict| verdict.as_str() == text)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What the log keeps of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqlTrace {
    /// A hash by which equal texts can be recognised, in hexadecimal digits.
    pub hash: String,
    /// The text, or its head, if it is kept.
    pub text: String,
}

/// Why a statement failed, as far as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFailure {
    /// What could have been done about it.
    pub reason: Reason,
    /// Snowflake's code, or empty.
    pub code: String,
    /// SQLSTATE, or empty.
    pub sql_state: String,
    /// What happened; empty where it is Snowflake's word on a text that is not kept, which may quote it.
    pub message: String,
}

impl AuditFailure {
    /// What is kept of an error.
    pub fn of(failure: &Failure, keeps_texts: bool) -> Self {
        let quotes = failure.reason == Reason::SqlRejected || failure.facts.snowflake_code.is_some();
        Self {
            reason: failure.reason,
            code: failure.facts.snowflake_code.clone().unwrap_or_default(),
            sql_state: failure.facts.sql_state.clone().unwrap_or_default(),
            message: if quotes && !keeps_texts {
                String::new()
            } else {
                failure.message.clone()
            },
        }
    }
}

/// One statement in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When it was accepted or refused.
    pub time: SystemTime,
    /// Who asked.
    pub caller: Caller,
    /// Session in which it ran or was to run.
    pub session: SessionName,
    /// Connection of that session.
    pub connection: ConnectionName,
    /// Identity of the request.
    pub request_id: RequestId,
    /// Identity that Snowflake gave the query; empty when it has none.
    pub query_id: String,
    /// What it was understood to be.
    pub class: String,
    /// What it changes, as the text names it.
    pub targets: Vec<String>,
    /// What the policy decided.
    pub verdict: Verdict,
    /// The rule that refused it, asked for a confirmation, or let it pass; else empty.
    pub rule: String,
    /// How far it is.
    pub state: QueryState,
    /// What came of a write; empty for other statements and for writes that failed.
    pub outcome: String,
    /// Rows of its result, or rows changed.
    pub row_count: u64,
    /// Bytes of Arrow data sent to the client.
    pub byte_count: u64,
    /// Time from acceptance to the end.
    pub elapsed: Duration,
    /// Why it failed.
    pub failure: Option<AuditFailure>,
    /// What is kept of its text.
    pub sql: SqlTrace,
}

impl AuditRecord {
    /// How it ended, in one word for metrics and traces.
    pub fn status(&self) -> &'static str {
        let reason = self.failure.as_ref().map(|failure| failure.reason);
        match self.state {
            _ if self.verdict == Verdict::Refused => "refused",
            QueryState::Succeeded => "succeeded",
            QueryState::Cancelled => "cancelled",
            QueryState::Failed if reason == Some(Reason::Timeout) => "timed_out",
            QueryState::Failed => "failed",
            QueryState::Unknown | QueryState::Waiting | QueryState::Queued | QueryState::Running => "unknown",
        }
    }
}

/// Where records go. Nothing here waits.
pub trait AuditLog: Send + Sync + 'static {
    /// What is kept of a text.
    fn trace(&self, sql: &str) -> SqlTrace;

    /// True when texts are kept, and so may be what quotes them.
    fn keeps_texts(&self) -> bool;

    /// Logs a statement that is about to be sent and may change something.
    fn sent(&self, record: &AuditRecord);

    /// Logs a statement whose end is known, or will not be.
    fn ended(&self, record: AuditRecord);
}

/// Which records are looked for; what is set narrows the search.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only statements of this session.
    pub session: Option<SessionName>,
    /// Only statements over this connection.
    pub connection: Option<ConnectionName>,
    /// Only statements of this agent.
    pub agent: Option<String>,
    /// Only those in whose query id, request id, error, targets, rule or text this is found, in any case.
    pub text: Option<String>,
    /// Only those that the policy decided so.
    pub verdict: Option<Verdict>,
    /// Only those that ended so.
    pub state: Option<QueryState>,
    /// Only those accepted at this time or later.
    pub since: Option<SystemTime>,
    /// Only those accepted before this time.
    pub until: Option<SystemTime>,
}

impl AuditFilter {
    /// True for a record that is looked for.
    pub fn finds(&self, record: &AuditRecord) -> bool {
        let agent = self
            .agent
            .as_ref()
            .is_none_or(|agent| *agent == record.caller.agent);
        self.session
            .as_ref()
            .is_none_or(|session| *session == record.session)
            && self
                .connection
                .as_ref()
                .is_none_or(|connection| *connection == record.connection)
            && agent
            && self.verdict.is_none_or(|verdict| verdict == record.verdict)
            && self.state.is_none_or(|state| state == record.state)
            && self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
            && self.text.as_ref().is_none_or(|text| holds(record, text))
    }
}

fn holds(record: &AuditRecord, text: &str) -> bool {
    let text = text.to_lowercase();
    let message = record.failure.as_ref().map_or("", |failure| &failure.message);
    let code = record.failure.as_ref().map_or("", |failure| &failure.code);
    let request_id = record.request_id.to_string();
    [
        record.query_id.as_str(),
        &request_id,
        message,
        code,
        &record.rule,
        &record.class,
        &record.sql.text,
        &record.sql.hash,
    ]
    .into_iter()
    .chain(record.targets.iter().map(String::as_str))
    .any(|field| field.to_lowercase().contains(&text))
}

/// Some records, the latest first.
#[derive(Debug, Clone, Default)]
pub struct AuditPage {
    /// The records.
    pub records: Vec<AuditRecord>,
    /// Where to go on; `None` at the end. A page may be short, or empty, and still not be the last one.
    pub next: Option<String>,
}

/// Where records are found again.
#[async_trait]
pub trait AuditSearch: Send + Sync + 'static {
    /// Looks for at most `max` records, before the place where an earlier page ended.
    async fn search(
        &self,
        filter: AuditFilter,
        before: Option<String>,
        max: usize,
    ) -> Result<AuditPage, Error>;
}

/// Logs nothing and finds nothing: for tests and tools.
pub struct NoAudit;

#[async_trait]
impl AuditSearch for NoAudit {
    async fn search(&self, _: AuditFilter, _: Option<String>, _: usize) -> Result<AuditPage, Error> {
        Ok(AuditPage::default())
    }
}

impl AuditLog for NoAudit {
    fn trace(&self, _: &str) -> SqlTrace {
        SqlTrace::default()
    }

    fn keeps_texts(&self) -> bool {
        false
    }

    fn sent(&self, _: &AuditRecord) {}

    fn ended(&self, _: AuditRecord) {}
}

/// Most targets of a statement that are told.
const TARGETS_MAX: usize = 32;
/// Longest name of a target or list of classes, in characters.
const NAME_MAX: usize = 300;

/// What statements are, for the log: the classes of their links.
pub fn class_of(statements: &[Statement]) -> String {
    let links = statements.iter().flat_map(|statement| &statement.links);
    let classes: Vec<String> = links
        .take(TARGETS_MAX)
        .map(|link| link.class.to_string())
        .collect();
    match classes.as_slice() {
        [] => "unknown".to_owned(),
        classes => cut(&classes.join(" ->> ")),
    }
}

/// What statements change or call, for the log.
pub fn targets_of(statements: &[Statement]) -> Vec<String> {
    let links = statements.iter().flat_map(|statement| &statement.links);
    let of_link = |link: &Link| {
        let targets = link.targets.iter().map(Object::to_string);
        let procedure = link.procedure.iter().map(ToString::to_string);
        let effects = link.effects.iter().map(ToString::to_string);
        targets.chain(procedure).chain(effects).collect::<Vec<_>>()
    };
    links
        .flat_map(of_link)
        .take(TARGETS_MAX)
        .map(|name| cut(&name))
        .collect()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= NAME_MAX {
        return text.to_owned();
    }
    text.chars().take(NAME_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::Facts;
    use crate::domain::statement::class::classify;

    #[test]
    fn what_clients_say_is_tamed() {
        let long = "x".repeat(200);
        for (said, kept) in [
            ("sfctl/0.1.0", "sfctl/0.1.0"),
            ("a\nb\u{1b}[31m\"\\é", "ab[31m"),
            ("two words", "two words"),
            (&*long, &long[..64]),
        ] {
            assert_eq!(Caller::new(None, None, said, "").client, kept);
        }
        assert_eq!(Caller::new(None, None, "", &long).agent.len(), 128);
    }

    #[test]
    fn classes_and_targets_are_told() {
        for (sql, class, targets) in [
            ("select 1", "read query", &[][..]),
            ("delete from db.s.t", "write delete", &["DB.S.T"]),
            ("call a.p()", "call procedure", &["A.P"]),
            (
                "show tables ->> drop table t",
                "read show ->> ddl drop table",
                &["T"],
            ),
            ("select system$wait(1)", "call function", &["SYSTEM$WAIT"]),
            ("", "unknown", &[]),
        ] {
            let statements = classify(sql);
            assert_eq!(class_of(&statements), class, "{sql}");
            assert_eq!(targets_of(&statements), targets, "{sql}");
        }
    }

    #[test]
    fn snowflakes_words_are_kept_with_the_texts_only() {
        let facts = Facts {
            snowflake_code: Some("100038".into()),
            ..Facts::default()
        };
        let theirs =
            Error::new(Reason::SqlRejected, "Numeric value 'secret' is not recognized").with_facts(facts);
        let ours = Error::new(Reason::Refused, "policy read-only runs nothing");
        for (error, keeps, message) in [
            (&theirs, false, ""),
            (&theirs, true, "Numeric value 'secret' is not recognized"),
            (&ours, false, "policy read-only runs nothing"),
        ] {
            let kept = AuditFailure::of(&Failure::of(error), keeps);
            assert_eq!(kept.message, message);
        }
    }
}
