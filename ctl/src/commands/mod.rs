//! One file, or folder, per verb: read the arguments, make the calls, hand the answer to `render`.
//!
//! Five have more than one user: `statement` reads what is to be run; `result` prints results, whether of `query` or of
//! `job`; `cancel` cancels a query when its command is interrupted; `session` knows how a session is shown; `log_files`
//! reads the service's log.

mod cancel;
mod completions;
mod config;
mod connect;
mod context;
mod doctor;
mod emulator;
mod job;
mod log_files;
mod man;
mod query;
mod result;
mod service;
mod session;
mod skew;
mod statement;
mod transaction;
mod use_context;
mod version;
mod write;

use snowflake_session_proto::v1::PolicyLevel;

pub(crate) use doctor::proxies_of;

use crate::arguments::{Late, PolicyArguments, PolicyChoice, Verb};
use crate::config::{Screen, Settings};
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

/// Carries out a verb. An exit that is not a failure was said by the verb itself.
pub(crate) fn carry_out(verb: Verb, run: &Run) -> Result<Exit, Failure> {
    match verb {
        Verb::Query(Late(arguments)) => query::query(arguments, run),
        Verb::Write(Late(arguments)) => return write::write(*arguments, run),
        Verb::Context => wait(context::context(run)),
        Verb::Begin(Late(loss)) => wait(transaction::begin(loss, run)),
        Verb::Commit => wait(transaction::commit(run)),
        Verb::Rollback => wait(transaction::rollback(run)),
        Verb::Use { part, name, loss } => wait(use_context::use_context(part, name, loss, run)),
        Verb::Connect => wait(connect::connect(run)),
        Verb::Session(Late(verb)) => wait(session::session(verb, run)),
        Verb::Job(Late(verb)) => wait(job::job(verb, run)),
        Verb::Emulator(Late(verb)) => emulator::emulator(verb, run),
        Verb::Service(Late(verb)) => service::service(verb, run),
        Verb::Config(Late(verb)) => wait(config::config(verb, run)),
        Verb::Doctor(Late(arguments)) => return wait(doctor::doctor(arguments, run)),
        Verb::Completions { shell } => completions::completions(shell),
        Verb::Man { directory } => man::man(&directory),
        Verb::Version => wait(version::version(run)),
    }
    .map(|()| Exit::Done)
}

/// Adds to a failure to reach the service what its manager knows about that, and to one of versions what is to be done.
pub(crate) fn explained(failure: Failure, run: &Run) -> Failure {
    if failure.exit == Exit::Skew {
        return match wait(skew::resolve(run)) {
            Ok(Some(better)) | Err(better) => better,
            Ok(None) => failure,
        };
    }
    let settings = &run.settings;
    // The managers of this machine know nothing of another's service.
    if failure.exit != Exit::Unreachable || settings.remote.is_some() {
        return failure;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(crate::launch::explain(settings, failure)),
        Err(_) => failure,
    }
}

/// Runs one verb's calls on this thread: a command makes few of them, one after the other.
fn wait<T>(verb: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Defect, "cannot start").caused_by(error))?
        .block_on(verb)
}

/// A command line of ours that reaches the same service, ready to be pasted into a shell.
fn invocation(run: &Run, words: &[&str]) -> String {
    let mut line = "sfctl".to_owned();
    let socket = run.settings.socket.to_string_lossy();
    let mut chosen: Vec<&str> = Vec::new();
    match &run.settings.remote {
        Some(remote) => chosen.extend(remote.flags.iter().map(String::as_str)),
        None if run.settings.socket_named => chosen.extend(["--socket", &socket]),
        None => {}
    }
    for word in words.iter().chain(&chosen) {
        line.push(' ');
        line.push_str(&quoted(word));
    }
    line
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

impl Run {
    /// Refuses what is only for the service of this machine.
    fn only_here(&self, what: &str) -> Result<(), Failure> {
        match &self.settings.remote {
            None => Ok(()),
            Some(remote) => Err(Failure::usage(format!(
                "{what} is for the service of this machine, not for {remote}"
            ))
            .hint("run it on that machine, or without `--server` and SFCTL_SERVER")),
        }
    }

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
        self.format().fits(self.settings.screen)?;
        let text = record::one(self.page(), record)?;
        Ok(write_stdout(&text).map_err(RenderError::Output)?)
    }

    /// Prints a list of things.
    fn print_list(&self, records: Vec<Record>) -> Result<(), Failure> {
        self.format().fits(self.settings.screen)?;
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

impl Format {
    /// Keeps bytes that are no text from a terminal.
    fn fits(self, screen: Screen) -> Result<(), Failure> {
        if self.is_binary() && screen.terminal {
            let what = format!("{} is not for a terminal", self.name());
            return Err(Failure::usage(what).hint("write it to a file with `-o FILE`, or to a pipe"));
        }
        Ok(())
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        let exit = match &error {
            // A full disk or a closed stdout is the caller's to mend.
            RenderError::Output(_) => Exit::Usage,
            RenderError::Arrow(_)
            | RenderError::Parquet(_)
            | RenderError::OutOfOrder
            | RenderError::UnknownType(..) => Exit::Defect,
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

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them() {
        for (word, shown) in [
            ("01ab-4e5f", "01ab-4e5f"),
            ("/run/user/7/x.sock", "/run/user/7/x.sock"),
            ("", "''"),
            ("two words", "'two words'"),
            ("$(touch x)", "'$(touch x)'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
