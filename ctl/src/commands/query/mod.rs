//! `query`: run one statement and print its result as it comes, or submit it and leave.

mod source;
mod statement;

use super::result::{self, Output, Source};
use super::{Run, cancel, job, wait};
use crate::arguments::QueryArguments;
use crate::client::QueryName;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::launch;
use statement::Statement;

/// Runs or submits the statement.
pub(super) fn query(arguments: QueryArguments, run: &Run) -> Result<(), Failure> {
    let bindings = statement::bindings(arguments.binds)?;
    let output = Output::plan(arguments.output, run)?;
    let statement = Statement {
        sql: source::read(arguments.sql, arguments.file)?,
        bindings,
        request_id: uuid::Uuid::new_v4().to_string(),
        accept_loss: arguments.loss.accept_loss,
    };
    let done = if arguments.submit {
        wait(submit(&statement, run))
    } else {
        wait(answer(&statement, &output, run))
    };
    done.map_err(|failure| failure.quoting(&statement.sql))
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
            let name = QueryName {
                session: run.settings.session.clone(),
                connection: run.settings.connection.clone(),
                query: statement.request_id.clone(),
            };
            return Err(cancel::interrupted(&client, name, &mut interrupts).await);
        }
        submitted = client.submit(statement.submission(run)) => submitted?,
    };
    job::print_submitted(&submitted, run)
}
