//! `query`: run one statement and print its result as it comes, or submit it and leave.

use super::result::{self, Output, Source};
use super::statement::{Statement, Typed};
use super::{Run, cancel, job, wait};
use crate::arguments::QueryArguments;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::launch;

/// Runs or submits the statement.
pub(super) fn query(arguments: QueryArguments, run: &Run) -> Result<(), Failure> {
    let output = Output::plan(arguments.output, run)?;
    let statement = Statement::read(Typed {
        sql: arguments.sql,
        file: arguments.file,
        binds: arguments.binds,
        accept_loss: arguments.loss.accept_loss,
        policy: run.policy(arguments.policy),
    })?;
    let done = if arguments.submit {
        wait(submit(&statement, run))
    } else {
        wait(answer(&statement, &output, run))
    };
    done.map_err(|failure| statement.blame(failure))
}

async fn answer(statement: &Statement, output: &Output, run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    // Watched from before there is a file to clean up.
    let interrupts = Interrupts::watch()?;
    let source = Source::Execute(statement.execution(output.row_limit, run));
    result::print(client, source, output, interrupts, run).await
}

async fn submit(statement: &Statement, run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let mut interrupts = Interrupts::watch()?;
    let submitted = tokio::select! {
        biased;
        // Nobody would know the id of a query that went on now.
        () = interrupts.next() => {
            return Err(cancel::interrupted(&client, statement.name(run), &mut interrupts).await);
        }
        submitted = client.submit(statement.submission(run)) => submitted?,
    };
    job::print_submitted(&submitted, run)
}
