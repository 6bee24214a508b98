//! `query`: run one statement and print its result as it comes.

mod plan;
mod source;
mod summary;
mod transfer;

use super::{Run, wait};
use crate::arguments::QueryArguments;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::launch;
use crate::render::{PendingFile, RenderError, ResultWriter, Sink, stdout_sink};
use plan::{Plan, Target};
use transfer::{Outcome, Transfer};

/// Runs the statement.
pub(super) fn query(arguments: QueryArguments, run: &Run) -> Result<(), Failure> {
    let plan = Plan::make(arguments, run)?;
    wait(answer(&plan, run)).map_err(|failure| failure.quoting(&plan.sql))
}

async fn answer(plan: &Plan, run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    // Watched from before there is a file to clean up. It is opened before the query is sent: a result that
    // cannot be kept need not be asked for.
    let interrupts = Interrupts::watch()?;
    let (sink, pending) = open(&plan.target)?;
    let bytes = sink.counter();
    let writer = ResultWriter::new(plan.format, plan.screen, sink);
    let transfer = Transfer {
        client,
        request: plan.request(run),
        interrupts,
        bytes,
        shows_progress: pending.is_some(),
    };
    match transfer.carry_out(writer, run).await? {
        // Whoever closed the pipe has seen enough; the dropped stream has stopped the query.
        Outcome::ReaderLeft => Ok(()),
        Outcome::Finished(query) => {
            if let Some(pending) = pending {
                pending.commit().map_err(RenderError::Output)?;
            }
            summary::report(&query, plan, run);
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
