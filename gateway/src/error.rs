//! What the gateway can fail with, by what its caller can do.

use std::time::Duration;

/// A failure of the gateway or of the way upstream. Never holds a body, a token or a signed address.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// No usable answer, retries included.
    #[error("{endpoint} cannot be reached: {reason}")]
    Unreachable {
        /// Scheme, host and port.
        endpoint: String,
        /// What the last attempt met.
        reason: String,
        /// Attempts made.
        attempts: u32,
    },
    /// The caller's time, or the longest silence allowed, is over.
    #[error("no answer within {} s", .after.as_secs_f32())]
    TimedOut {
        /// The time that was allowed.
        after: Duration,
    },
    /// The upstream session is gone and could not be renewed.
    #[error("the session is no longer valid: {message}")]
    SessionExpired {
        /// The server's code, when it sent one.
        code: Option<String>,
        /// The server's words, or ours.
        message: String,
    },
    /// The server refused the request itself with an HTTP status that retrying does not change.
    #[error("{endpoint} refused the request with HTTP status {status}")]
    Refused {
        /// Scheme, host and port.
        endpoint: String,
        /// The status.
        status: u16,
    },
    /// The answer is not what the protocol says, or passes a limit.
    #[error("unexpected answer: {message}")]
    Protocol {
        /// What was unexpected.
        message: String,
    },
    /// The gateway cannot be started with these settings.
    #[error("{message}")]
    Configuration {
        /// What is wrong.
        message: String,
    },
}

impl GatewayError {
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::Protocol {
            message: message.into(),
        }
    }
}

/// Why a login did not give a session.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginFailure {
    /// The server said no.
    #[error("{message}")]
    Refused {
        /// The server's code, for example `390100`.
        code: Option<String>,
        /// SQLSTATE, when sent.
        sql_state: Option<String>,
        /// The server's words.
        message: String,
    },
    /// The login never got an answer of its own.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The login request never arrived at the gateway.
    #[error("the login request was not sent")]
    NotSent,
}
