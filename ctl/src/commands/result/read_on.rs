//! Going on with a result whose service left in the middle of it.
//!
//! What has begun to arrive has run: its query has an id, under which the rest is read from the next run of the service,
//! from the row that comes next. Nothing runs again. A service that stops says how far it came; of one that is killed we
//! know it ourselves.

use std::time::Duration;

use bytes::Bytes;
use snowflake_session_proto::v1::{QueryAccepted, QuerySummary, ReadQueryResultsRequest, ResultSchema};
use tokio::time::{Instant, sleep};

use super::super::Run;
use super::there;
use super::transfer::Source;
use crate::client::dial::dial;
use crate::client::{ResultEvents, duration};
use crate::exit_code::Exit;
use crate::failure::{Failure, Parting};
use crate::launch;

/// Most time for the next run of the service to be there.
const NEXT_RUN_WAIT_MAX: Duration = Duration::from_secs(15);

/// Time between two tries.
const TRY_INTERVAL: Duration = Duration::from_millis(50);

/// How far a result has come.
pub(super) struct Course {
    session: String,
    connection: String,
    /// Identity of the query; empty until the result begins.
    query_id: String,
    schema: Bytes,
    row_offset: i64,
    row_limit: i64,
    received: i64,
    /// Rows of the stream that is read now.
    of_stream: i64,
    /// How the service left, once it did: then another run of it is asked.
    left: Option<String>,
}

impl Course {
    pub(super) fn of(source: &Source) -> Self {
        let (session, connection, row_offset, row_limit) = match source {
            Source::Execute(request) => (&request.session, &request.connection, 0, request.row_limit),
            Source::Read(request) => (
                &request.session,
                &request.connection,
                request.row_offset,
                request.row_limit,
            ),
        };
        Self {
            session: session.clone(),
            connection: connection.clone(),
            query_id: String::new(),
            schema: Bytes::new(),
            row_offset,
            row_limit,
            received: 0,
            of_stream: 0,
            left: None,
        }
    }

    pub(super) fn accepted(&mut self, accepted: &QueryAccepted) {
        self.session.clone_from(&accepted.session);
        self.connection.clone_from(&accepted.connection);
    }

    /// Takes the columns; false where they are known already.
    pub(super) fn begins(&mut self, schema: &ResultSchema) -> Result<bool, Failure> {
        if self.left.is_none() {
            self.query_id.clone_from(&schema.query_id);
            self.schema = schema.arrow_schema.clone();
            return Ok(true);
        }
        if self.schema != schema.arrow_schema {
            let what = "the rest of the result has other columns than its beginning";
            return Err(Failure::unreachable(what).hint("run the statement again"));
        }
        Ok(false)
    }

    /// Takes rows; false where they are beyond what was asked for.
    pub(super) fn takes(&mut self, rows: i64) -> bool {
        self.of_stream += rows;
        if self.is_full() {
            return false;
        }
        self.received += rows;
        true
    }

    fn is_full(&self) -> bool {
        self.row_limit > 0 && self.received >= self.row_limit
    }

    /// Checks that all rows came, and makes the summary one of the whole.
    pub(super) fn ends(&self, mut summary: QuerySummary) -> Result<QuerySummary, Failure> {
        if self.of_stream != summary.row_count {
            return Err(
                Failure::new(Exit::Defect, "the result is incomplete").caused_by(format!(
                    "{} of {} rows arrived",
                    self.of_stream, summary.row_count
                )),
            );
        }
        if self.left.is_some() {
            summary.row_count = self.received;
            summary.truncated = self.row_offset + self.received < summary.row_count_total;
        }
        Ok(summary)
    }

    /// Reads on after a failure, when that is one of the service's leaving and the query is known; else it is the end.
    pub(super) async fn read_on(&mut self, left: Failure, run: &Run) -> Result<ResultEvents, Lost> {
        let parting = match left.parting {
            Some(parting) if !self.query_id.is_empty() => parting,
            _ => return Err(Lost::Ended(left)),
        };
        run.ui.end_progress();
        run.ui.note(&format!(
            "the service left after {} rows of the result; reading on when it is back",
            self.received
        ));
        self.left = Some(left.what);
        let limit = run.settings.timeout.unwrap_or(NEXT_RUN_WAIT_MAX);
        let deadline = Instant::now() + limit.min(NEXT_RUN_WAIT_MAX);
        loop {
            match self.try_on(parting, run).await {
                Ok(events) => {
                    self.of_stream = 0;
                    return Ok(events);
                }
                Err(Tried::NotYet(_)) if Instant::now() < deadline => sleep(TRY_INTERVAL).await,
                Err(Tried::NotYet(why) | Tried::Refused(why)) => return Err(Lost::GivenUp(why)),
            }
        }
    }

    async fn try_on(&self, parting: Parting, run: &Run) -> Result<ResultEvents, Tried> {
        let client = if parting == Parting::Gone && run.settings.autostart {
            launch::reach(&run.settings, &run.ui)
                .await
                .map_err(Tried::Refused)?
        } else {
            // Whoever stopped it may want it to stay so; whoever restarts it starts it.
            let dialled = dial(&run.settings).await;
            dialled.map_err(|error| {
                if error.is_final() {
                    Tried::Refused(error.into())
                } else {
                    Tried::NotYet(error.into())
                }
            })?
        };
        // Of a result that is complete but for its end, a row more has to be asked for; 0 would be all.
        let row_limit = match self.row_limit {
            0 => 0,
            limit => (limit - self.received).max(1),
        };
        let request = ReadQueryResultsRequest {
            session: self.session.clone(),
            connection: self.connection.clone(),
            query: self.query_id.clone(),
            row_offset: self.row_offset + self.received,
            row_limit,
            timeout: run.settings.timeout.and_then(duration),
        };
        client.read_results(request).await.map_err(|failure| {
            // It was the run that is about to leave.
            if failure.parting.is_some() {
                Tried::NotYet(failure)
            } else {
                Tried::Refused(failure)
            }
        })
    }

    /// Says what there is and what is missing; `are_kept` tells whether the rows that came are where the user has them.
    pub(super) fn given_up(&self, why: &Failure, are_kept: bool, run: &Run) -> Failure {
        let kept = if are_kept { self.received } else { 0 };
        let mut failure = Failure::unreachable("the service left before the end of the result");
        failure.causes.extend(self.left.clone());
        failure
            .causes
            .extend([&why.what].into_iter().chain(&why.causes).cloned());
        let lost = if are_kept { "" } else { ", none of them kept" };
        failure
            .facts
            .push(format!("rows received: {}{lost}", self.received));
        failure.facts.push(format!("query id: {}", self.query_id));
        let offset = (self.row_offset + kept).to_string();
        let limit = match self.row_limit {
            0 => "all".to_owned(),
            limit => (limit - kept).max(1).to_string(),
        };
        let query = &self.query_id;
        let words = ["job", "result", query, "--offset", &offset, "--limit", &limit];
        let rest = there(run, words.to_vec());
        // A time that passed, a limit or a policy: the result is still there.
        if matches!(why.exit, Exit::Timeout | Exit::Refused | Exit::Interrupted) {
            failure.exit = why.exit;
        }
        failure.hint(match why.exit {
            Exit::Usage | Exit::SqlRejected => {
                "the rest cannot be read any more; run the statement again".to_owned()
            }
            _ => {
                let what = if are_kept { "the rest" } else { "the result" };
                format!("`{rest}` reads {what} when the service is back; nothing runs again")
            }
        })
    }

    /// True when it is the next run of the service that failed, for another reason than that it left, too.
    pub(super) fn is_refused(&self, failure: &Failure) -> bool {
        self.left.is_some() && failure.parting.is_none()
    }
}

/// Why a result does not go on.
pub(super) enum Lost {
    /// It ended for a reason of its own.
    Ended(Failure),
    /// The service left, and this is why the rest is not read.
    GivenUp(Failure),
}

/// Why the rest is not read.
enum Tried {
    /// Nobody is there who could.
    NotYet(Failure),
    /// Somebody said no.
    Refused(Failure),
}
