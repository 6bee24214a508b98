//! One file, or folder, per verb: read the arguments, make the calls, hand the answer to `render`.
//!
//! Four have more than one user: `statement` reads what is to be run; `result` prints results, whether of `query` or of `job`; `cancel` cancels a
//! query when its command is interrupted; `session` knows how a session is shown.

mod cancel;
mod completions;
mod connect;
mod context;
mod job;
mod query;
mod result;
mod service;
mod session;
mod statement;
mod transaction;
mod use_context;
mod version;

use snowflake_session_proto::v1::PolicyLevel;

use crate::arguments::{PolicyArguments, PolicyChoice, Verb};
use crate::config::Settings;
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::render::record::{self, Page, Record};
use crate::render::{Clock, Format, RenderError, write_stdout};
use crate::ui::Ui;

/// What a verb has to work with.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) settings: Settings,
    pub(crate) ui: Ui,
}

/// Carries out a verb.
pub(crate) fn carry_out(verb: Verb, run: &Run) -> Result<(), Failure> {
    match verb {
        Verb::Query(arguments) => query::query(arguments, run),
        Verb::Context => wait(context::context(run)),
        Verb::Begin(loss) => wait(transaction::begin(loss, run)),
        Verb::Commit => wait(transaction::commit(run)),
        Verb::Rollback => wait(transaction::rollback(run)),
        Verb::Use { part, name, loss } => wait(use_context::use_context(part, name, loss, run)),
        Verb::Connect => wait(connect::connect(run)),
        Verb::Session(verb) => wait(session::session(verb, run)),
        Verb::Job(verb) => wait(job::job(verb, run)),
        Verb::Service(verb) => service::service(verb, run),
        Verb::Completions { shell } => completions::completions(shell),
        Verb::Version => wait(version::version(run)),
    }
}

/// Runs one verb's calls on this thread: a command makes few of them, one after the other.
fn wait(verb: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Defect, "cannot start").caused_by(error))?
        .block_on(verb)
}

impl Run {
    /// What statements may do: what the verb was told, else what the environment says.
    fn policy(&self, arguments: PolicyArguments) -> PolicyLevel {
        match arguments.policy.or(self.settings.policy) {
            None => PolicyLevel::Unspecified,
            Some(PolicyChoice::ReadOnly) => PolicyLevel::ReadOnly,
            Some(PolicyChoice::Guarded) => PolicyLevel::Guarded,
            Some(PolicyChoice::Open) => PolicyLevel::Open,
        }
    }

    /// Format of verbs that print things, not results.
    fn format(&self) -> Format {
        self.settings.format.unwrap_or(Format::Table)
    }

    /// Whether JSON was asked for by name, where a verb has less to say otherwise.
    fn wants_json(&self) -> bool {
        matches!(self.settings.format, Some(Format::Json | Format::Jsonl))
    }

    /// Prints one thing.
    fn print(&self, record: Record) -> Result<(), Failure> {
        let text = record::one(self.page(), record)?;
        Ok(write_stdout(&text).map_err(RenderError::Output)?)
    }

    /// Prints a list of things.
    fn print_list(&self, records: Vec<Record>) -> Result<(), Failure> {
        let text = record::many(self.page(), records)?;
        Ok(write_stdout(&text).map_err(RenderError::Output)?)
    }

    fn page(&self) -> Page {
        Page {
            format: self.format(),
            screen: self.settings.screen,
            clock: Clock::read(),
        }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        let exit = match &error {
            // A full disk or a closed stdout is the caller's to mend.
            RenderError::Output(_) => Exit::Usage,
            RenderError::Arrow(_) | RenderError::OutOfOrder | RenderError::UnknownType(..) => Exit::Defect,
        };
        let mut failure = Failure::new(exit, error.to_string());
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            failure = failure.caused_by(cause);
            source = cause.source();
        }
        failure
    }
}
