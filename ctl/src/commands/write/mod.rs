//! `write`: change something in a way that can be looked at before it counts, or go on with an earlier write.

mod record;
mod screen;

use std::io::BufRead;
use std::time::Duration;

use snowflake_session_proto::v1::prepare_write_response::Event;
use snowflake_session_proto::v1::{PrepareUndoRequest, Write, WriteMode, WriteState};
use tokio::time::Instant;

use super::result::{SCREEN_ROWS, TIMEOUT_MARGIN};
use super::statement::{Statement, Typed};
use super::{Run, cancel, wait};
use crate::arguments::WriteArguments;
use crate::client::{self, Client, QueryName, WriteEvents};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::interrupt::{Interrupts, at};
use crate::launch;
use crate::render::{RenderError, Sample, write_stdout};

/// Time beyond `--timeout` for what a write does around its statement: the transaction and the samples.
const WRITE_MARGIN: Duration = Duration::from_secs(30);

/// Longest line that is read as a token, in bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

/// What a write is to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// That it counts.
    Effect,
    /// That it is seen and leaves nothing behind.
    DryRun,
    /// That it is given up.
    Abandon,
}

/// A write and what its own statement answered.
struct Written {
    write: Write,
    aim: Aim,
    /// Rows of the statement's result, where it has one that says more than how many rows it changed.
    result: Option<Sample>,
}

/// Carries out one of the forms of the verb.
pub(super) fn write(arguments: WriteArguments, run: &Run) -> Result<Exit, Failure> {
    let earlier = &arguments.earlier;
    if let Some(token) = &earlier.confirm {
        let token = read_token(token)?;
        return wait(confirm(token, run));
    }
    if let Some(token) = &earlier.abandon {
        let token = read_token(token)?;
        return wait(abandon(token, run));
    }
    if let Some(query) = earlier.undo.clone() {
        return wait(undo(query, arguments, run));
    }
    let aim = if arguments.dry_run {
        Aim::DryRun
    } else {
        Aim::Effect
    };
    let mode = match (arguments.dry_run, arguments.no_transaction, arguments.hold) {
        (true, ..) => WriteMode::DryRun,
        (_, true, _) => WriteMode::NoTransaction,
        (_, _, true) => WriteMode::Hold,
        _ => WriteMode::Unspecified,
    };
    let statement = Statement::read(Typed {
        sql: arguments.sql,
        file: arguments.file,
        binds: arguments.binds,
        accept_loss: arguments.loss.accept_loss,
        policy: run.policy(arguments.policy),
    })?;
    let mut message = statement.preparation(run);
    message.mode = mode.into();
    message.rows_max = arguments.max_rows;
    message.confirmed = arguments.yes;
    message.sample_rows = arguments.sample.unwrap_or(0);
    let prepared = wait(async {
        let client = launch::reach(&run.settings, &run.ui).await?;
        let interrupts = Interrupts::watch()?;
        let events = client.prepare_write(message);
        let name = statement.name(run);
        see_through(&client, events, name, interrupts, aim, run).await
    });
    prepared.map_err(|failure| statement.blame(failure))
}

async fn undo(query: String, arguments: WriteArguments, run: &Run) -> Result<Exit, Failure> {
    let aim = if arguments.dry_run {
        Aim::DryRun
    } else {
        Aim::Effect
    };
    let message = PrepareUndoRequest {
        session: run.settings.session.clone(),
        connection: run.settings.connection.clone(),
        query,
        table: arguments.earlier.table.unwrap_or_default(),
        timeout: run.settings.timeout.and_then(client::duration),
        request_id: uuid::Uuid::new_v4().to_string(),
        accept_loss: arguments.loss.accept_loss,
        dry_run: arguments.dry_run,
        confirmed: arguments.yes,
        policy: run.policy(arguments.policy).into(),
        sample_rows: arguments.sample.unwrap_or(0),
    };
    let client = launch::reach(&run.settings, &run.ui).await?;
    let interrupts = Interrupts::watch()?;
    let name = QueryName {
        session: message.session.clone(),
        connection: message.connection.clone(),
        query: message.request_id.clone(),
    };
    see_through(&client, client.prepare_undo(message), name, interrupts, aim, run).await
}

async fn confirm(token: String, run: &Run) -> Result<Exit, Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let mut interrupts = Interrupts::watch()?;
    let write = tokio::select! {
        biased;
        // A commit that is under way cannot be taken back.
        () = interrupts.next() => {
            let what = "interrupted while the write was confirmed; it may be done";
            return Err(Failure::new(Exit::Interrupted, what)
                .hint("`sfctl context` shows whether it is still held, `sfctl job history` what came of it"));
        }
        write = client.confirm_write(token, WRITE_MARGIN) => write?,
    };
    tell(
        Written {
            write,
            aim: Aim::Effect,
            result: None,
        },
        run,
    )
}

async fn abandon(token: String, run: &Run) -> Result<Exit, Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let write = client.abandon_write(token).await?;
    tell(
        Written {
            write,
            aim: Aim::Abandon,
            result: None,
        },
        run,
    )
}

/// Waits for what comes of a write, an interrupt or the time limit, whichever comes first, and tells it.
async fn see_through(
    client: &Client,
    events: impl Future<Output = Result<WriteEvents, Failure>>,
    name: QueryName,
    mut interrupts: Interrupts,
    aim: Aim,
    run: &Run,
) -> Result<Exit, Failure> {
    let limit = run
        .settings
        .timeout
        .map(|limit| limit + WRITE_MARGIN + TIMEOUT_MARGIN);
    let deadline = limit.map(|limit| Instant::now() + limit);
    let written = tokio::select! {
        biased;
        () = interrupts.next() => {
            run.ui.note("cancelling the write");
            return Err(rolled_back(cancel::interrupted(client, name, &mut interrupts).await));
        }
        () = at(deadline) => {
            let stopped = cancel::interrupted(client, name, &mut interrupts).await;
            let what = "the time limit passed and the service did not answer";
            return Err(rolled_back(Failure::new(Exit::Timeout, what).caused_by(stopped.what)));
        }
        written = collect(events, aim, run) => written?,
    };
    tell(written, run)
}

/// Says what becomes of a write that is stopped on its way.
fn rolled_back(mut failure: Failure) -> Failure {
    failure.hint =
        Some("a write that is stopped is rolled back; `sfctl context` shows what is open".to_owned());
    failure
}

/// Reads the events of a write to their end.
async fn collect(
    events: impl Future<Output = Result<WriteEvents, Failure>>,
    aim: Aim,
    run: &Run,
) -> Result<Written, Failure> {
    let mut events = events.await?;
    let mut result: Option<Sample> = None;
    loop {
        match events.next().await? {
            Some(Event::Accepted(accepted)) => run.ui.detail(&format!(
                "accepted as {} in session {}, connection {}",
                accepted.request_id, accepted.session, accepted.connection
            )),
            Some(Event::Schema(schema)) => {
                result = Some(Sample::start(schema.arrow_schema, SCREEN_ROWS as usize)?);
            }
            Some(Event::Batch(batch)) => match &mut result {
                Some(rows) => rows.add(batch.arrow_batch)?,
                None => return Err(RenderError::OutOfOrder.into()),
            },
            Some(Event::Write(write)) => return Ok(Written { write, aim, result }),
            None => {
                return Err(Failure::unreachable("the service ended the write before its end")
                    .hint("`sfctl context` shows whether it is held"));
            }
        }
    }
}

/// Tells what came of a write: the data on stdout, the rest on stderr; and what it means for a script.
fn tell(mut written: Written, run: &Run) -> Result<Exit, Failure> {
    let exit = exit(written.write.state(), written.aim)?;
    if written.write.dml.is_some() {
        // Its only row says once more how many rows were changed.
        written.result = None;
    }
    if run.format().is_for_people() {
        let shown = screen::data(&written, run)?;
        write_stdout(&shown).map_err(RenderError::Output)?;
    } else {
        run.print(record::everything(&written, run)?)?;
    }
    screen::say(&written, run);
    Ok(exit)
}

/// What the state of a write means for a script that wanted this.
fn exit(state: WriteState, aim: Aim) -> Result<Exit, Failure> {
    Ok(match (state, aim) {
        (WriteState::Committed | WriteState::Joined, _) => Exit::Done,
        (WriteState::RolledBack, Aim::DryRun | Aim::Abandon) | (WriteState::Abandoned, Aim::Abandon) => {
            Exit::Done
        }
        // It did not come to what was asked for, and why is said.
        (WriteState::Held | WriteState::Waiting | WriteState::RolledBack | WriteState::Abandoned, _) => {
            Exit::Refused
        }
        (WriteState::Unspecified, _) => {
            return Err(Failure::new(
                Exit::Defect,
                "the service did not say what came of the write",
            ));
        }
    })
}

/// The token that was typed, or the line of stdin that `-` stands for, so that it need not be seen in a list of
/// processes.
fn read_token(typed: &str) -> Result<String, Failure> {
    let token = if typed == "-" {
        let mut line = String::new();
        std::io::Read::take(std::io::stdin().lock(), TOKEN_BYTES_MAX)
            .read_line(&mut line)
            .map_err(|error| Failure::usage("cannot read the token from stdin").caused_by(error))?;
        line
    } else {
        typed.to_owned()
    };
    match token.trim() {
        "" => Err(Failure::usage("the token is empty").hint(
            "the token was printed when the write was held; `sfctl context` shows whether it still is",
        )),
        token => Ok(token.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_told_whether_it_came_to_what_was_asked_for() {
        use WriteState as S;
        for (state, effect, dry_run, abandon) in [
            (S::Committed, Exit::Done, Exit::Done, Exit::Done),
            (S::Joined, Exit::Done, Exit::Done, Exit::Done),
            (S::Held, Exit::Refused, Exit::Refused, Exit::Refused),
            (S::Waiting, Exit::Refused, Exit::Refused, Exit::Refused),
            (S::RolledBack, Exit::Refused, Exit::Done, Exit::Done),
            (S::Abandoned, Exit::Refused, Exit::Refused, Exit::Done),
        ] {
            let found = [Aim::Effect, Aim::DryRun, Aim::Abandon].map(|aim| exit(state, aim).unwrap());
            assert_eq!(found, [effect, dry_run, abandon], "{state:?}");
        }
        assert_eq!(exit(S::Unspecified, Aim::Effect).unwrap_err().exit, Exit::Defect);
    }
}
