//! Exit codes: the one place that turns a reason or a transport code into a number for scripts.

use snowflake_session_proto::v1::ErrorReason;
use tonic::Code;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All that was asked for happened.
    Done,
    /// Snowflake rejected the SQL, or the session has lost what the SQL may need.
    SqlRejected,
    /// The command line, a file it names, or the configuration is wrong.
    Usage,
    /// The service or Snowflake cannot be reached, or the login was refused.
    Unreachable,
    /// A time limit passed.
    Timeout,
    /// Policy, a budget, a limit or a missing confirmation forbids it.
    Refused,
    /// The service and sfctl speak no common protocol.
    Skew,
    /// It can be done later: a service of another version has to go first.
    Later,
    /// A defect of ours.
    Defect,
    /// Interrupted or cancelled.
    Interrupted,
    /// `doctor` has only warnings to tell. Its codes are its own: nothing went wrong with the command.
    Warnings,
    /// `doctor` found something that is broken.
    Ailing,
}

impl Exit {
    /// Number that the shell sees.
    pub(crate) fn number(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::SqlRejected => 1,
            Exit::Usage => 2,
            Exit::Unreachable | Exit::Skew => 3,
            Exit::Later => 75,
            Exit::Timeout => 4,
            Exit::Refused => 5,
            Exit::Defect => 70,
            Exit::Interrupted => 130,
            Exit::Warnings => 1,
            Exit::Ailing => 2,
        }
    }

    /// Exit for a reason that the service stated.
    pub(crate) fn of_reason(reason: ErrorReason) -> Exit {
        match reason {
            // Nothing is wrong with service or account: whoever wrote the SQL must decide, as for a mistake in it.
            ErrorReason::SqlRejected | ErrorReason::SessionLost => Exit::SqlRejected,
            ErrorReason::InvalidRequest | ErrorReason::Configuration | ErrorReason::NotFound => Exit::Usage,
            // A stopping service has with one that is not there in common that nobody answers until something is
            // started.
            ErrorReason::Unreachable | ErrorReason::LoginRefused | ErrorReason::Draining => Exit::Unreachable,
            ErrorReason::VersionSkew => Exit::Skew,
            ErrorReason::Timeout => Exit::Timeout,
            ErrorReason::Refused | ErrorReason::LimitReached => Exit::Refused,
            ErrorReason::Cancelled => Exit::Interrupted,
            ErrorReason::Internal | ErrorReason::Unspecified => Exit::Defect,
        }
    }

    /// Exit for a status without a stated reason: the transport's own, or another program's.
    pub(crate) fn of_code(code: Code) -> Exit {
        match code {
            Code::Ok => Exit::Done,
            Code::InvalidArgument | Code::NotFound | Code::AlreadyExists => Exit::Usage,
            // `Unimplemented` is an older service, `PermissionDenied` one of another user.
            Code::Unavailable
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::Unimplemented
            | Code::Aborted => Exit::Unreachable,
            Code::DeadlineExceeded => Exit::Timeout,
            Code::ResourceExhausted | Code::FailedPrecondition => Exit::Refused,
            Code::Cancelled => Exit::Interrupted,
            Code::Unknown | Code::OutOfRange | Code::Internal | Code::DataLoss => Exit::Defect,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
