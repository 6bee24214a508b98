//! Why a command failed, in the parts that reach the screen.

use std::error::Error;

use crate::excerpt::Excerpt;
use crate::exit_code::Exit;

/// A failed command: what failed, what caused it, what to do, and how the process ends.
///
/// Every part is one sentence without a final period, except texts quoted from Snowflake.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What failed.
    pub(crate) what: String,
    /// What caused it, nearest first.
    pub(crate) causes: Vec<String>,
    /// Facts for whoever looks into it, lines as they are: identities, what is certain.
    pub(crate) facts: Vec<String>,
    /// What to do about it, a line for each way.
    pub(crate) hint: Option<String>,
    /// Where in the SQL text Snowflake saw the mistake.
    pub(crate) place: Place,
    /// How the service left, if it is that which failed.
    pub(crate) parting: Option<Parting>,
}

/// How a service left during a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// It said that it stops.
    Said,
    /// The connection broke.
    Gone,
}

/// The innermost cause of a transport's error; the layers around it say only that there was one.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

/// What is known of the place of a mistake.
#[derive(Debug)]
pub(crate) enum Place {
    Unknown,
    At(SqlPosition),
    /// With its line, once the text is at hand.
    Shown(Box<Excerpt>),
}

/// A place in an SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SqlPosition {
    /// Line, from 1.
    pub(crate) line: u32,
    /// Characters before the place in its line, where it is known.
    pub(crate) position: Option<u32>,
}

impl Failure {
    /// A failure with nothing but its own sentence.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            causes: Vec::new(),
            facts: Vec::new(),
            hint: None,
            place: Place::Unknown,
            parting: None,
        }
    }

    /// A mistake in the command line or in what it names.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The service cannot be reached.
    pub(crate) fn unreachable(what: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, what)
    }

    /// Adds a cause, one line as far as we can tell.
    pub(crate) fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Sets what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Shows the place of the mistake, if there is one, in the text that was sent.
    pub(crate) fn quoting(mut self, sql: &str, origin: Option<&str>) -> Self {
        if let Place::At(at) = self.place {
            self.place = Excerpt::find(sql, at, origin)
                .map_or(Place::Unknown, |excerpt| Place::Shown(Box::new(excerpt)));
        }
        self
    }
}
