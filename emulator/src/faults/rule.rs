//! What a rule says once it has been read.

use std::num::NonZeroU64;
use std::time::Duration;

use regex::Regex;

use super::schedule::Schedule;

/// One rule: where, when, what.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) text: String,
    pub(super) aim: Aim,
    pub(super) schedule: Schedule,
}

/// What a rule applies to, with what happens there.
#[derive(Clone, Debug)]
pub(super) enum Aim {
    Connection(ConnectFault),
    Request(Filter, RequestFault),
}

/// What happens to a connection before its first request is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    /// It is served only after so long.
    Delay(Duration),
    /// It is reset.
    Reset,
    /// It stays open and nothing is ever answered.
    Stall,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFault {
    /// Before or after it is handled.
    pub phase: Phase,
    /// What.
    pub action: Action,
}

/// When in a request's life its fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Instead of handling it, or before that for a delay.
    Before,
    /// After handling it: a statement has run, and only its answer suffers.
    After,
}

/// A fault of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A wait; then all goes on.
    Delay(Duration),
    /// No answer ever, on a connection that stays open.
    Stall,
    /// A reset of the connection instead of an answer.
    Reset,
    /// An HTTP status instead of an answer.
    Status {
        /// From 400 to 599.
        status: u16,
        /// The answer's `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// A refusal in Snowflake's envelope, with HTTP status 200, instead of an answer.
    Code {
        /// Six digits.
        code: String,
        /// Ends the session that asked, for real.
        end_session: bool,
    },
    /// The answer's head and so many bytes of its body, then the end of the connection. Always after.
    Cut(u64),
    /// The answer's body at so many bytes a second. Always after.
    Throttle(NonZeroU64),
}

/// Which requests a rule applies to; what is not said does not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) path: Option<PathPattern>,
    /// Upper case.
    pub(super) method: Option<String>,
    pub(super) sql: Option<Regex>,
    pub(super) session: Option<u64>,
}

/// A request as rules look at it.
pub trait Request {
    /// Method, upper case.
    fn method(&self) -> &str;
    /// Path, without the query string.
    fn path(&self) -> &str;
    /// Text of the statement that it submits.
    fn sql(&self) -> Option<&str>;
    /// Number of the session whose token it carries.
    fn session(&self) -> Option<u64>;
}

impl Filter {
    /// True when the rule applies; what is dear to find out is asked for last.
    pub(super) fn matches(&self, request: &dyn Request) -> bool {
        self.path
            .as_ref()
            .is_none_or(|pattern| pattern.matches(request.path()))
            && self
                .method
                .as_ref()
                .is_none_or(|method| method == request.method())
            && self
                .session
                .is_none_or(|session| request.session() == Some(session))
            && self
                .sql
                .as_ref()
                .is_none_or(|sql| request.sql().is_some_and(|text| sql.is_match(text)))
    }
}

/// Which paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathPattern {
    /// This one alone.
    Exact(&'static str),
    /// Those that begin so.
    Prefix(String),
    /// Those that begin and end so, with anything between.
    Around(String, String),
}

impl PathPattern {
    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(whole) => path == *whole,
            Self::Prefix(start) => path.starts_with(start.as_str()),
            Self::Around(start, end) => path
                .strip_prefix(start.as_str())
                .is_some_and(|rest| rest.ends_with(end.as_str())),
        }
    }
}

impl Rule {
    /// The rule as written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_paths() {
        let around = PathPattern::Around("/queries/".to_owned(), "/result".to_owned());
        assert!(around.matches("/queries/1/result"));
        assert!(!around.matches("/queries/1/abort-request"));
        assert!(
            !PathPattern::Around("/ab".to_owned(), "b/c".to_owned()).matches("/ab/c"),
            "the two ends must not overlap"
        );
        let prefix = PathPattern::Prefix("/queries".to_owned());
        assert!(prefix.matches("/queries/v1/query-request"));
        assert!(!prefix.matches("/session"));
        assert!(!PathPattern::Exact("/session").matches("/session/heartbeat"));
    }
}
