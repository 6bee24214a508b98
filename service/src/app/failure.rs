//! Why the process ends, and with which exit code.

use std::fmt;

use crate::config::Faults;
use crate::domain::error::Chain;
use crate::platform::PlatformError;

/// Defect of ours.
const EX_SOFTWARE: u8 = 70;
/// The operating system would not.
const EX_OSERR: u8 = 71;
/// Try again later.
const EX_TEMPFAIL: u8 = 75;
/// Configuration error: not worth a restart.
const EX_CONFIG: u8 = 78;

/// Why the process ends: a text for people, a code for programs.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
    in_use: bool,
}

impl Failure {
    pub(super) fn new(code: u8, message: String) -> Self {
        Self {
            code,
            message,
            in_use: false,
        }
    }

    pub(super) fn defect(message: String) -> Self {
        Self::new(EX_SOFTWARE, message)
    }

    pub(super) fn temporary(message: String) -> Self {
        Self::new(EX_TEMPFAIL, message)
    }

    /// Exit code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// True when another service holds what this one needs.
    pub(super) fn is_in_use(&self) -> bool {
        self.in_use
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::new(EX_CONFIG, faults.to_string())
    }
}

impl From<PlatformError> for Failure {
    fn from(error: PlatformError) -> Self {
        let in_use = matches!(error, PlatformError::InUse { .. });
        let code = match error {
            _ if error.is_configuration() => EX_CONFIG,
            _ if in_use => EX_TEMPFAIL,
            _ => EX_OSERR,
        };
        Self {
            code,
            message: Chain(&error).to_string(),
            in_use,
        }
    }
}
