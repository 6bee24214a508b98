//! What the gateway can fail with, by what its caller can do.

use std::time::Duration;

/// What a failure leaves known about the statement it belongs to.
///
/// This is the difference between "send it again" and "never send it again": the server recognises a repeated request id
/// within a session, but nothing recognises a statement that is sent once more in a new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It certainly did not run: no connection was opened for it, or every answer to it was a refusal.
    NotRun,
    /// It left for the server and no answer tells what became of it. It may have run, or be running.
    MayHaveRun,
}

impl Fate {
    /// The fate after two attempts under one request id.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Self::NotRun { other } else { self }
    }
}

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
        /// Whether one of the attempts may have run the statement.
        fate: Fate,
    },
    /// The caller's time is over. The statement may be running.
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
        /// Whether the statement may have run before the session was found gone.
        fate: Fate,
    },
    /// The server refused the request itself with an HTTP status that retrying does not change.
    #[error("{endpoint} refused the request with HTTP status {status}")]
    Refused {
        /// Scheme, host and port.
        endpoint: String,
        /// The status.
        status: u16,
        /// Whether an earlier attempt may have run the statement; the refused one did not.
        fate: Fate,
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
    /// What is known about the statement that failed with this error.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Unreachable { fate, .. }
            | Self::SessionExpired { fate, .. }
            | Self::Refused { fate, .. } => *fate,
            Self::TimedOut { .. } | Self::Protocol { .. } => Fate::MayHaveRun,
            Self::Configuration { .. } => Fate::NotRun,
        }
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::Protocol {
            message: message.into(),
        }
    }

    /// The same failure as that of a request with this fate, for failures that were met on its behalf: in a renewal, in
    /// a poll, in an earlier attempt.
    pub(crate) fn about(self, about: Fate) -> Self {
        match self {
            Self::Unreachable {
                endpoint,
                reason,
                attempts,
                ..
            } => Self::Unreachable {
                endpoint,
                reason,
                attempts,
                fate: about,
            },
            Self::SessionExpired { code, message, .. } => Self::SessionExpired {
                code,
                message,
                fate: about,
            },
            Self::Refused { endpoint, status, .. } => Self::Refused {
                endpoint,
                status,
                fate: about,
            },
            other => other,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_doubtful_attempt_makes_the_statement_doubtful() {
        use Fate::{MayHaveRun, NotRun};
        assert_eq!(NotRun.and(NotRun), NotRun);
        assert_eq!(NotRun.and(MayHaveRun), MayHaveRun);
        assert_eq!(MayHaveRun.and(NotRun), MayHaveRun);
    }
}
