//! `job`: queries that go on by themselves: list them, wait for them, read their results, cancel them; and the
//! history of all.

mod history;
mod record;
mod wait;

use snowflake_session_proto::v1::{CancelOutcome, Query, ReadQueryResultsRequest};

use super::cancel::CANCEL_WAIT_MAX;
use super::result::{self, Output, Source};
use super::{Run, session};
use crate::arguments::{JobVerb, OutputArguments};
use crate::client::{self, Client, QueryName};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::launch;
use crate::render::{Clock, RenderError, write_stdout};

pub(super) use record::kind;
pub(super) use wait::{has_ended, progress_line};

/// Carries out one of the verbs.
pub(super) async fn job(verb: JobVerb, run: &Run) -> Result<(), Failure> {
    match verb {
        JobVerb::List { all_queries } => list(!all_queries, run).await,
        JobVerb::Show { id } => {
            let query = reach(run).await?.query(named(id, run)).await?;
            run.print(record::everything(&query, Clock::read()))
        }
        JobVerb::Wait { id, result: false } => {
            let client = reach(run).await?;
            let mut interrupts = Interrupts::watch()?;
            let ended = wait::until_ended(&client, named(id, run), &mut interrupts, run).await?;
            wait::conclude(&ended)?;
            if run.wants_json() {
                run.print(record::everything(&ended, Clock::read()))?;
            }
            run.ui.note(&wait::success(&ended));
            Ok(())
        }
        JobVerb::Wait { id, result: true } => {
            let output = Output::plan(OutputArguments::default(), run)?;
            let client = reach(run).await?;
            let mut interrupts = Interrupts::watch()?;
            let mut name = named(id, run);
            let ended = wait::until_ended(&client, name.clone(), &mut interrupts, run).await?;
            wait::conclude(&ended)?;
            // `last` may be another query by now.
            record::id(&ended).clone_into(&mut name.query);
            let source = read(name, 0, &output, run);
            result::print(client, source, &output, interrupts, run).await
        }
        JobVerb::Result { id, offset, output } => {
            let output = Output::plan(output, run)?;
            let client = reach(run).await?;
            let interrupts = Interrupts::watch()?;
            let source = read(named(id, run), offset, &output, run);
            result::print(client, source, &output, interrupts, run).await
        }
        JobVerb::History(arguments) => history::history(arguments, run).await,
        JobVerb::Cancel { id } => cancel(id, run).await,
    }
}

/// Says which query was submitted: its id alone, or all about it for programs that ask for JSON.
pub(super) fn print_submitted(query: &Query, run: &Run) -> Result<(), Failure> {
    let id = record::id(query);
    if run.wants_json() {
        run.print(record::everything(query, Clock::read()))?;
    } else {
        write_stdout(format!("{id}\n").as_bytes()).map_err(RenderError::Output)?;
    }
    run.ui.note(&format!(
        "submitted in session {}; `sfctl job wait {id}` waits for it",
        query.session
    ));
    Ok(())
}

async fn reach(run: &Run) -> Result<Client, Failure> {
    launch::reach(&run.settings, &run.ui).await
}

fn named(id: String, run: &Run) -> QueryName {
    QueryName {
        session: run.settings.session.clone(),
        connection: run.settings.connection.clone(),
        query: id,
    }
}

fn read(name: QueryName, row_offset: i64, output: &Output, run: &Run) -> Source {
    Source::Read(ReadQueryResultsRequest {
        session: name.session,
        connection: name.connection,
        query: name.query,
        row_offset,
        row_limit: output.row_limit,
        timeout: run.settings.timeout.and_then(client::duration),
    })
}

async fn list(submitted_only: bool, run: &Run) -> Result<(), Failure> {
    let client = reach(run).await?;
    let queries = client.queries(&run.settings.session, submitted_only).await?;
    if queries.is_empty() {
        run.ui.note(if submitted_only { "no jobs" } else { "no queries" });
    }
    let clock = Clock::read();
    run.print_list(if run.format().is_for_people() {
        record::lines(&queries, clock)
    } else {
        queries
            .iter()
            .map(|query| record::everything(query, clock))
            .collect()
    })
}

async fn cancel(id: Option<String>, run: &Run) -> Result<(), Failure> {
    let client = reach(run).await?;
    let mut name = named(id.unwrap_or_default(), run);
    if name.query.is_empty() {
        // What runs is asked of one session; a connection stands for the session of its name.
        name.session = session::named(&client, None, run).await?;
    }
    let wait_max = run.settings.timeout.unwrap_or(CANCEL_WAIT_MAX);
    let cancelled = client.cancel(name, wait_max).await?;
    let id = match (cancelled.query_id.as_str(), cancelled.request_id.as_str()) {
        ("", "") => String::new(),
        ("", request) => format!(" {request}"),
        (query, _) => format!(" {query}"),
    };
    match cancelled.outcome() {
        CancelOutcome::Confirmed => {
            run.ui
                .note(&format!("query{id} is cancelled, Snowflake confirmed it"));
            Ok(())
        }
        CancelOutcome::NotRunning => {
            run.ui.note(&if id.is_empty() {
                "no query was running".to_owned()
            } else {
                format!("query{id} was not running")
            });
            Ok(())
        }
        CancelOutcome::Unconfirmed | CancelOutcome::Unspecified => Err(Failure::new(
            Exit::Timeout,
            format!("Snowflake did not confirm in time that query{id} is cancelled"),
        )
        .hint("`sfctl job list --all-queries` shows whether it goes on")),
    }
}
