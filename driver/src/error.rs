//! What can go wrong, sorted by what the receiver can do about it.

use std::time::Duration;

use snowflake_session_gateway::{Fate, GatewayError, ServerFailure};

/// The result of a driver call.
pub type Result<T, E = DriverError> = std::result::Result<T, E>;

/// Why a call failed, by what the caller can do.
///
/// The texts follow the house rule: lowercase, no final period, fit to stand after "failed to"; a source is never
/// repeated in the text of its wrapper. No variant ever holds a credential, a bound value or a row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// Snowflake rejected or failed the statement. Change the SQL; the session goes on.
    #[error(transparent)]
    Sql(Box<SqlError>),

    /// Snowflake answered the login and said no. Change the credentials or the account.
    #[error("Snowflake refused the login: {message}")]
    LoginRefused {
        /// Snowflake's code as text, for example `390100`, when it sent one.
        code: Option<String>,
        /// SQLSTATE when it sent one, for example `28000`.
        sql_state: Option<String>,
        /// Snowflake's own words.
        message: String,
    },

    /// No usable answer came from the endpoint, retries included. Check the network, the account name or the server.
    #[error("{endpoint} cannot be reached: {reason}")]
    Unreachable {
        /// Scheme, host and port that were tried.
        endpoint: String,
        /// What the last attempt met, without request contents.
        reason: String,
        /// How many attempts were made.
        attempts: u32,
        /// Whether the statement may have run.
        fate: Fate,
    },

    /// The upstream session is gone and cannot be renewed. Connect again; its transaction, temporary tables and
    /// variables are lost.
    #[error("the Snowflake session is no longer valid: {message}")]
    SessionExpired {
        /// Snowflake's code, for example `390114`, when it sent one.
        code: Option<String>,
        /// Snowflake's own words, or ours when it said nothing.
        message: String,
        /// Whether the statement may have run before the session was found gone. Usually it did not: Snowflake looks at
        /// the session first.
        fate: Fate,
    },

    /// The time the caller allowed is over. The statement may still be running: cancel it by its request id.
    #[error("no answer within {} s", .after.as_secs_f32())]
    Timeout {
        /// The allowed time.
        after: Duration,
        /// Snowflake's id of the query when it was known by then.
        query_id: Option<String>,
    },

    /// The statement was cancelled, by a [`Canceller`](crate::Canceller) or by someone else.
    #[error("the query was cancelled")]
    Cancelled {
        /// Snowflake's id of the query, unless it was cancelled before it was sent.
        query_id: Option<String>,
    },

    /// The statement ran, and Snowflake does not keep its outcome any more: the answer was lost and came too late to be
    /// asked for again. Look at what it should have done before sending it once more.
    #[error("the statement ran, but Snowflake no longer keeps its outcome")]
    OutcomeLost {
        /// Snowflake's id of the query when it was told.
        query_id: Option<String>,
    },

    /// The settings, options or bindings cannot be used as they are. Nothing was sent.
    #[error("{message}")]
    Configuration {
        /// What is wrong, naming the key and where it came from.
        message: String,
        /// What to do, when there is something better to say than the message.
        hint: Option<String>,
    },

    /// The statement asks for something that this driver does not do (file transfer, for example).
    #[error("{what} is not supported")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Snowflake's id of the query, when one was made.
        query_id: Option<String>,
    },

    /// A value cannot be held by the type of its column in the normal form (see [`crate::normal_form`]).
    #[error("column {column} has a value that {reason}")]
    Value {
        /// Name of the column.
        column: String,
        /// Which limit it breaks.
        reason: String,
    },

    /// The other side broke the protocol, or a limit of ours was passed. Retrying will not help.
    #[error("unexpected answer from Snowflake: {message}")]
    Protocol {
        /// What was unexpected; never the body itself.
        message: String,
    },

    /// A file named by the settings could not be read.
    #[error("{what}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// A statement that Snowflake rejected or failed, in Snowflake's own terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// Code as six digits of text, for example `002003`.
    pub code: String,
    /// SQLSTATE, for example `42S02`.
    pub sql_state: Option<String>,
    /// Snowflake's text, which may have several lines.
    pub message: String,
    /// Id of the failed query, when Snowflake gave one.
    pub query_id: Option<String>,
    /// Line of the error in the SQL text, counted from 1.
    pub line: Option<u64>,
    /// Column of the error in that line, counted from 0 as Snowflake does.
    pub position: Option<u64>,
}

impl DriverError {
    /// Snowflake's id of the query that this error is about, when there is one.
    pub fn query_id(&self) -> Option<&str> {
        match self {
            Self::Sql(error) => error.query_id.as_deref(),
            Self::Timeout { query_id, .. }
            | Self::Cancelled { query_id }
            | Self::OutcomeLost { query_id }
            | Self::Unsupported { query_id, .. } => query_id.as_deref(),
            _ => None,
        }
    }

    /// True when the upstream session cannot be used any more, so that the caller has to connect again.
    pub fn is_session_lost(&self) -> bool {
        matches!(self, Self::SessionExpired { .. })
    }

    /// True unless it is certain that the statement had no effect and will have none.
    ///
    /// False means that the same statement may be sent again, also in a new session: it never reached the server, or the
    /// server refused it. True means that it must not be: it ran, or is running, or nobody can tell. A read by query id
    /// says true too, because the query it reads has been sent.
    ///
    /// An error of Snowflake's own ([`Sql`](Self::Sql), [`Cancelled`](Self::Cancelled)) says false, because a failed
    /// statement leaves nothing behind. The exception is a text of several statements, whose first ones may stand.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Unreachable { fate, .. } | Self::SessionExpired { fate, .. } => *fate == Fate::MayHaveRun,
            Self::Timeout { .. } | Self::OutcomeLost { .. } | Self::Value { .. } | Self::Protocol { .. } => {
                true
            }
            Self::Sql(_)
            | Self::LoginRefused { .. }
            | Self::Cancelled { .. }
            | Self::Configuration { .. }
            | Self::Unsupported { .. }
            | Self::Io { .. } => false,
        }
    }

    /// Builds a [`DriverError::Protocol`].
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::Protocol {
            message: message.into(),
        }
    }
}

/// What a failure of the gateway means to the caller of the driver.
pub(crate) fn from_gateway(error: GatewayError) -> DriverError {
    match error {
        GatewayError::Unreachable {
            endpoint,
            reason,
            attempts,
            fate,
        } => DriverError::Unreachable {
            endpoint,
            reason,
            attempts,
            fate,
        },
        GatewayError::TimedOut { after } => DriverError::Timeout {
            after,
            query_id: None,
        },
        GatewayError::SessionExpired { code, message, fate } => {
            DriverError::SessionExpired { code, message, fate }
        }
        GatewayError::Refused {
            endpoint,
            status,
            fate,
        } => DriverError::Unreachable {
            endpoint,
            reason: format!("HTTP status {status}"),
            attempts: 1,
            fate,
        },
        GatewayError::Configuration { message } => DriverError::Configuration { message, hint: None },
        GatewayError::Protocol { message } => DriverError::Protocol { message },
        other => DriverError::Protocol {
            message: other.to_string(),
        },
    }
}

/// What the server's own error means: a cancellation, or an error in the SQL.
pub(crate) fn from_server(failure: ServerFailure, query_id: Option<String>) -> DriverError {
    if failure.is_cancellation() {
        return DriverError::Cancelled { query_id };
    }
    DriverError::Sql(Box::new(SqlError {
        code: failure.code,
        sql_state: failure.sql_state,
        message: failure.message,
        query_id,
        line: failure.line,
        position: failure.position,
    }))
}
