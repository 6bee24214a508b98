//! `job wait`: how a query is, until it has ended.

use std::time::Duration;

use snowflake_session_proto::v1::{Query, QueryState};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::{Run, result};
use super::record;
use crate::client::{Client, QueryName, query_failure};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::interrupt::{Interrupts, at};
use crate::render::{Clock, measured, running};

/// Time between two progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Waits for the end of a query. Whatever ends the waiting before does not end the query.
pub(super) async fn until_ended(
    client: &Client,
    name: QueryName,
    interrupts: &mut Interrupts,
    run: &Run,
) -> Result<Query, Failure> {
    let id = name.query.clone();
    let deadline = run.settings.timeout.map(|limit| Instant::now() + limit);
    let ended = tokio::select! {
        biased;
        () = interrupts.next() => Err(detached(Exit::Interrupted, "stopped waiting", &id)),
        () = at(deadline) => Err(detached(Exit::Timeout, "the time limit passed", &id)),
        ended = watch(client, name, run) => ended,
    };
    run.ui.end_progress();
    ended
}

/// What the end of a query means for the command that waited for it: what running it would have meant.
pub(super) fn conclude(query: &Query) -> Result<(), Failure> {
    let id = || format!("query id: {}", record::id(query));
    let mut failure = match query.state() {
        QueryState::Succeeded => return Ok(()),
        _ if query.error.is_some() => return Err(query_failure(query)),
        QueryState::Cancelled => Failure::new(Exit::Interrupted, "the query was cancelled"),
        QueryState::Failed => Failure::new(Exit::SqlRejected, "the query failed"),
        _ => Failure::unreachable("it is not known how the query ended")
            .caused_by("the connection was lost before Snowflake said so"),
    };
    failure.facts.push(id());
    Err(failure)
}

/// How a query ended well, in words.
pub(super) fn success(query: &Query) -> String {
    let mut said = format!("query {} succeeded", record::id(query));
    if let Some(elapsed) = record::elapsed(query, Clock::read()) {
        said.push_str(" in ");
        said.push_str(&measured(elapsed));
    }
    let changes = query.dml.as_ref().map(result::changes).unwrap_or_default();
    let outcome = match query.row_count_total {
        _ if !changes.is_empty() => changes.join(", "),
        Some(count) => result::rows(count),
        None => return said,
    };
    format!("{said}, {outcome}")
}

async fn watch(client: &Client, name: QueryName, run: &Run) -> Result<Query, Failure> {
    let id = name.query.clone();
    let mut seen: Option<Query> = None;
    let mut states = client.watch(name).await?;
    let mut ticks = interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            state = states.next() => match state.map_err(|failure| still_there(failure, &id))? {
                Some(query) if has_ended(query.state()) => return Ok(query),
                Some(query) => seen = Some(query),
                None => {
                    let failure = Failure::unreachable("the service stopped telling how the query is");
                    return Err(still_there(failure, &id));
                }
            },
            _ = ticks.tick() => {
                if let Some(query) = &seen {
                    run.ui.progress(&progress_line(query, Clock::read()));
                }
            }
        }
    }
}

pub(in super::super) fn has_ended(state: QueryState) -> bool {
    match state {
        QueryState::Succeeded | QueryState::Failed | QueryState::Cancelled | QueryState::Unknown => true,
        QueryState::Unspecified | QueryState::Waiting | QueryState::Queued | QueryState::Running => false,
    }
}

pub(in super::super) fn progress_line(query: &Query, clock: Clock) -> String {
    let mut line = match (query.state(), query.queue_position) {
        (QueryState::Queued, _) => "queued at Snowflake".to_owned(),
        (state, 0) => record::state(state).to_owned(),
        (state, position) => format!(
            "{}, number {position} in the session's queue",
            record::state(state)
        ),
    };
    if let Some(elapsed) = record::elapsed(query, clock) {
        line.push_str(", ");
        line.push_str(&running(elapsed));
    }
    line
}

/// The waiting is over before the query is.
fn detached(exit: Exit, why: &str, id: &str) -> Failure {
    Failure::new(exit, format!("{why}; the query goes on")).hint(format!(
        "`sfctl job wait {id}` waits again, `sfctl job cancel {id}` stops it"
    ))
}

/// Adds to a failure that hit the waiting only how to go on.
fn still_there(mut failure: Failure, id: &str) -> Failure {
    if failure.exit == Exit::Unreachable {
        failure.hint = Some(format!(
            "the query may go on at Snowflake; `sfctl job wait {id}` waits again"
        ));
    }
    failure
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use snowflake_session_proto::v1::{ErrorReason, QueryError};

    use super::*;

    fn query(state: QueryState, queue_position: i32) -> Query {
        Query {
            query_id: "01ab".to_owned(),
            state: state.into(),
            queue_position,
            create_time: Some(Timestamp {
                seconds: 1_000,
                nanos: 0,
            }),
            ..Query::default()
        }
    }

    #[test]
    fn progress_names_state_place_and_time() {
        let clock = Clock::stopped(1_080, 0);
        for (state, position, line) in [
            (
                QueryState::Waiting,
                2,
                "waiting, number 2 in the session's queue, 1m 20s",
            ),
            (QueryState::Queued, 0, "queued at Snowflake, 1m 20s"),
            (QueryState::Running, 0, "running, 1m 20s"),
        ] {
            assert_eq!(progress_line(&query(state, position), clock), line);
        }
    }

    #[test]
    fn an_end_without_an_error_has_its_exit_code() {
        for (state, exit) in [
            (QueryState::Cancelled, Exit::Interrupted),
            (QueryState::Failed, Exit::SqlRejected),
            (QueryState::Unknown, Exit::Unreachable),
        ] {
            let failure = conclude(&query(state, 0)).unwrap_err();
            assert_eq!(
                (failure.exit, &failure.facts[..]),
                (exit, &["query id: 01ab".to_owned()][..])
            );
        }
        assert!(conclude(&query(QueryState::Succeeded, 0)).is_ok());
    }

    #[test]
    fn an_end_with_an_error_is_that_error() {
        let mut failed = query(QueryState::Failed, 0);
        failed.error = Some(QueryError {
            reason: ErrorReason::Timeout.into(),
            message: "it took too long".to_owned(),
            snowflake_code: "000630".to_owned(),
            sql_state: "57014".to_owned(),
            hint: String::new(),
        });
        let failure = conclude(&failed).unwrap_err();
        assert_eq!(failure.exit, Exit::Timeout);
        assert_eq!(failure.causes, ["000630 (57014): it took too long"]);
    }
}
