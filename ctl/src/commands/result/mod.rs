//! A result on its way to the user, whether its query runs now or ran before.

mod budget;
mod output;
mod read_on;
mod summary;
mod transfer;

use super::{Run, invocation};
use crate::client::Client;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::render::{PendingFile, RenderError, ResultWriter, Sink, stdout_sink};

pub(super) use output::Output;
pub(super) use summary::{changes, rows};
pub(super) use transfer::{Source, TIMEOUT_MARGIN};

use output::Target;
use transfer::{Outcome, Shown, Transfer};

/// Rows fetched for a format that is read by eye.
pub(super) const SCREEN_ROWS: i64 = 500;

/// Prints a result as it comes, and says on stderr what is to be said about it.
pub(super) async fn print(
    client: Client,
    source: Source,
    output: &Output,
    interrupts: Interrupts,
    run: &Run,
) -> Result<(), Failure> {
    if let Some(tokens) = output.budget_tokens {
        return budget::print(client, source, tokens, output, interrupts, run).await;
    }
    // Opened before anything is asked for: a result that cannot be kept need not be made.
    let (sink, pending) = open(&output.target)?;
    let bytes = sink.counter();
    let mut writer = ResultWriter::new(output.format, output.screen, sink);
    if !output.with_header {
        writer = writer.without_header();
    }
    let transfer = Transfer {
        client,
        source,
        interrupts,
        shown: Shown {
            bytes: pending.is_some().then_some(bytes),
        },
    };
    match transfer.carry_out(writer, run).await? {
        // Whoever closed the pipe has seen enough; the dropped stream has stopped a query that was running.
        Outcome::ReaderLeft => Ok(()),
        Outcome::Finished(query, ()) => {
            if let Some(pending) = pending {
                pending.commit().map_err(RenderError::Output)?;
            }
            summary::report(&query, output, run);
            Ok(())
        }
    }
}

fn open(target: &Target) -> Result<(Sink, Option<PendingFile>), Failure> {
    match target {
        Target::Stdout => Ok((stdout_sink().map_err(RenderError::Output)?, None)),
        Target::File(path) => {
            let (pending, file) = PendingFile::create(path).map_err(|error| {
                Failure::usage(format!("cannot write `{}`", path.display())).caused_by(error)
            })?;
            Ok((Sink::new(Box::new(file)), Some(pending)))
        }
    }
}

/// A command that asks through the same session as this one.
fn there<'a>(run: &'a Run, mut words: Vec<&'a str>) -> String {
    let settings = &run.settings;
    for (flag, name) in [("--session", &settings.session), ("-c", &settings.connection)] {
        if !name.is_empty() {
            words.extend([flag, name]);
        }
    }
    invocation(run, &words)
}
