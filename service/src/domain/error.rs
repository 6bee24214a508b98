//! One error type, sorted by what its receiver can do.

use std::error::Error as StdError;
use std::fmt;

/// What the receiver of an error can do about it. One variant, one way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Snowflake rejected the SQL: change the SQL.
    SqlRejected,
    /// The request itself is wrong: change the request.
    InvalidRequest,
    /// The service's or the connection's configuration is wrong: change the configuration.
    Configuration,
    /// Snowflake cannot be reached, or went away during the call: look at the network, try again.
    Unreachable,
    /// Snowflake refused the login: change the credentials.
    LoginRefused,
    /// A time limit passed: give it more time or less work.
    Timeout,
    /// Policy, budget or a missing confirmation forbids it.
    Refused,
    /// The query was cancelled.
    Cancelled,
    /// State of the session was lost that cannot be restored: redo it.
    SessionLost,
    /// A limit of the service is reached: wait or raise the limit.
    LimitReached,
    /// The service is stopping: try again in a moment.
    Draining,
    /// Client and service speak different versions: restart the service.
    VersionSkew,
    /// A named thing does not exist.
    NotFound,
    /// A defect of the service: report it.
    Internal,
}

impl Reason {
    /// Its name in metrics and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SqlRejected => "sql_rejected",
            Self::InvalidRequest => "invalid_request",
            Self::Configuration => "configuration",
            Self::Unreachable => "unreachable",
            Self::LoginRefused => "login_refused",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::SessionLost => "session_lost",
            Self::LimitReached => "limit_reached",
            Self::Draining => "draining",
            Self::VersionSkew => "version_skew",
            Self::NotFound => "not_found",
            Self::Internal => "internal",
        }
    }
}

/// Facts about a failure, for programs; every one is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Snowflake's error code, for example `002003`.
    pub snowflake_code: Option<String>,
    /// The SQLSTATE, for example `42S02`.
    pub sql_state: Option<String>,
    /// Identity that Snowflake gave the query.
    pub query_id: Option<String>,
    /// 1-based line of the SQL text.
    pub line: Option<u32>,
    /// 0-based position in that line.
    pub position: Option<u32>,
    /// What to do, one sentence.
    pub hint: Option<String>,
    /// Session in which it happened.
    pub session: Option<String>,
    /// Connection of that session.
    pub connection: Option<String>,
    /// What was lost, one thing a line.
    pub lost: Option<String>,
    /// The rule of the policy that refuses it.
    pub rule: Option<String>,
    /// Of a result that was cut: how many of its rows are before the first that was not sent.
    pub row_offset: Option<u64>,
}

/// A failure: what failed (for people), why (for programs), and the inside cause (for the log).
///
/// `Display` is the outside text. The inside cause is reached through `source` and never leaves the
/// machine: it is logged where the error is handled.
#[derive(Debug)]
pub struct Error {
    reason: Reason,
    message: String,
    facts: Box<Facts>,
    may_have_run: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with its outside text: lowercase, no final period, fits after "failed to".
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            facts: Box::default(),
            may_have_run: false,
            source: None,
        }
    }

    /// A request that is wrong in itself.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::InvalidRequest, message)
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Reason::Internal, message)
    }

    /// A result that is cut while it is read, because `why`: with what it takes to read on from another run of the service,
    /// or over another connection.
    pub fn cut_result(why: &str, query_id: &str, row_offset: u64) -> Self {
        let error = Self::new(
            Reason::Draining,
            format!("{why}; the result was not read to its end, {row_offset} of its rows were"),
        );
        if query_id.is_empty() {
            return error.with_hint("run the statement again when the service is back");
        }
        error.with_facts(Facts {
            query_id: Some(query_id.to_owned()),
            row_offset: Some(row_offset),
            hint: Some(format!(
                "`sfctl job result {query_id} --offset {row_offset}` reads the rest; nothing runs again"
            )),
            ..Facts::default()
        })
    }

    /// Adds what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.facts.hint = Some(hint.into());
        self
    }

    /// Adds the inside cause, which is logged but not sent.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Replaces the facts.
    pub fn with_facts(mut self, facts: Facts) -> Self {
        self.facts = Box::new(facts);
        self
    }

    /// Says that nobody can tell whether the statement had an effect, so that it must not be sent again unasked.
    pub fn with_doubt(mut self) -> Self {
        self.may_have_run = true;
        self
    }

    /// Takes that back: what may have run was nothing of the user's.
    pub fn without_doubt(mut self) -> Self {
        self.may_have_run = false;
        self
    }

    /// Adds to the outside text: another fragment behind a semicolon.
    pub fn and(mut self, more: &str) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    /// Gives it another reason.
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// Says in which session and over which connection it happened.
    pub fn in_session(mut self, session: &str, connection: &str) -> Self {
        self.facts.session = Some(session.to_owned());
        self.facts.connection = Some(connection.to_owned());
        self
    }

    /// What the receiver can do.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// True unless it is certain that the statement had no effect and will have none.
    pub fn may_have_run(&self) -> bool {
        self.may_have_run
    }

    /// The facts for programs.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// A chain of errors in one line, `what: because: because`, for logs.
pub struct Chain<'a>(pub &'a dyn StdError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
