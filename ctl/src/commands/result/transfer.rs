//! A result under way: events in, rows out, and what may come between.
//!
//! Three parties: a task reads the service's events, a thread turns batches into text, and between them is
//! a queue of [`BATCHES_QUEUED_MAX`], so that a slow reader of ours slows the service down instead of filling
//! memory. This file's own part waits for whichever comes first: the end, an interrupt, the time limit.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::{ExecuteQueryRequest, Query, QuerySummary, ReadQueryResultsRequest};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::{Run, cancel, job};
use super::read_on::{Course, Lost};
use super::summary;
use crate::client::{Client, QueryName, ResultEvents};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::interrupt::{Interrupts, at};
use crate::render::{Clock, RenderError, ResultTaker};
use crate::ui::Ui;

/// Batches that wait for the writer.
const BATCHES_QUEUED_MAX: usize = 2;

/// Time beyond `--timeout` for the service to report it, before we stop waiting for the service.
pub(crate) const TIMEOUT_MARGIN: Duration = Duration::from_secs(5);

/// Time between two progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Where a result comes from.
#[derive(Clone)]
pub(crate) enum Source {
    /// A statement that runs for it: whoever stops the transfer stops the query.
    Execute(ExecuteQueryRequest),
    /// A query that runs by itself or ran before: it goes on whatever happens here.
    Read(ReadQueryResultsRequest),
}

/// A result about to be asked for.
pub(super) struct Transfer {
    pub(super) client: Client,
    pub(super) source: Source,
    pub(super) interrupts: Interrupts,
    pub(super) shown: Shown,
}

/// What is shown while the transfer is under way.
pub(super) struct Shown {
    /// Counter of the bytes written to a file, which take time and cannot be seen.
    pub(super) bytes: Option<Arc<AtomicU64>>,
}

/// How a transfer ended well.
pub(super) enum Outcome<Kept> {
    /// All rows are written, and this is left in hand.
    Finished(Box<QuerySummary>, Kept),
    /// The reader of our output left before the end.
    ReaderLeft,
}

/// What the writer is told.
enum Piece {
    Schema(Bytes),
    Batch(Bytes),
    /// The result is complete. Without it the writer throws away what it holds, unless rows before are out already.
    End,
}

/// Why the reading task ended without a summary.
enum ReadError {
    Failed(Failure),
    /// The service left in the middle of the result, and this is why it is not read on.
    GivenUp(Box<Course>, Failure),
    /// The writer is gone and knows why.
    WriterEnded,
}

/// A result on its way: the two parties, and what is needed to stop them.
struct Underway<Kept> {
    client: Client,
    /// The query to be cancelled when this ends early, if it is ours.
    query: Option<QueryName>,
    interrupts: Interrupts,
    reading: JoinHandle<Result<QuerySummary, ReadError>>,
    written: oneshot::Receiver<Written<Kept>>,
    progress: Arc<Progress>,
    ui: Ui,
}

impl Transfer {
    /// Asks for the result and sees it through.
    pub(super) async fn carry_out<Taker: ResultTaker>(
        self,
        taker: Taker,
        run: &Run,
    ) -> Result<Outcome<Taker::Kept>, Failure> {
        let Transfer {
            client,
            source,
            interrupts,
            shown,
        } = self;
        let deadline = run
            .settings
            .timeout
            .map(|limit| Instant::now() + limit + TIMEOUT_MARGIN);
        let progress = Arc::new(Progress::default());
        let waiting = source.awaited().filter(|_| run.ui.shows_progress());
        let watching = waiting.map(|name| watch(client.clone(), name, Arc::clone(&progress)));
        let (pieces, queue) = mpsc::channel(BATCHES_QUEUED_MAX);
        let query = source.own_query();
        let reading = tokio::spawn(read(
            client.clone(),
            source,
            pieces,
            Arc::clone(&progress),
            run.clone(),
        ));
        // Lets the request out, so that the writer's thread comes to be while the service works.
        tokio::task::yield_now().await;
        let underway = Underway {
            interrupts,
            query,
            written: spawn_writer(taker, queue)?,
            reading,
            client,
            progress: Arc::clone(&progress),
            ui: run.ui,
        };
        let outcome = underway.end(deadline, shown.bytes.is_some(), run);
        if watching.is_none() && shown.bytes.is_none() {
            return outcome.await;
        }
        let outcome = tokio::select! {
            outcome = outcome => outcome,
            never = show_progress(&progress, shown.bytes.as_deref(), run.ui) => match never {},
            never = async {
                if let Some(watching) = watching {
                    watching.await;
                }
                std::future::pending::<Infallible>().await
            } => match never {},
        };
        run.ui.end_progress();
        outcome
    }
}

impl<Kept> Underway<Kept> {
    /// Waits for the end, an interrupt or the time limit, whichever comes first.
    async fn end(
        mut self,
        deadline: Option<Instant>,
        to_file: bool,
        run: &Run,
    ) -> Result<Outcome<Kept>, Failure> {
        let read = tokio::select! {
            biased;
            () = self.interrupts.next() => {
                self.ui.end_progress();
                let stopped = self.stop().await;
                self.reading.abort();
                return Err(stopped);
            }
            () = at(deadline) => {
                let stopped = self.stop().await;
                self.reading.abort();
                let what = "the time limit passed and the service did not answer";
                return Err(Failure::new(Exit::Timeout, what).caused_by(stopped.what));
            }
            read = &mut self.reading => read,
        };
        let query = match read {
            Ok(Ok(query)) => query,
            Ok(Err(ReadError::Failed(failure))) => return Err(failure),
            Ok(Err(ReadError::GivenUp(course, why))) => {
                let are_kept = self.what_came_is_written(deadline).await && !to_file;
                return Err(course.given_up(&why, are_kept, run));
            }
            Ok(Err(ReadError::WriterEnded)) => {
                return writer_outcome(self.written.await).map(|_| Outcome::ReaderLeft);
            }
            Err(error) => {
                return Err(Failure::new(Exit::Defect, "reading the result failed").caused_by(error));
            }
        };
        tokio::select! {
            biased;
            // Snowflake is done; only our output is cut short.
            () = self.interrupts.next() => {
                Err(Failure::new(Exit::Interrupted, "interrupted while writing the result"))
            }
            written = &mut self.written => {
                let kept = writer_outcome(written)?;
                Ok(kept.map_or(Outcome::ReaderLeft, |kept| Outcome::Finished(Box::new(query), kept)))
            }
        }
    }

    /// Lets the writer end with what it was given, so that reading on can go on from behind it; false when it keeps nothing.
    async fn what_came_is_written(&mut self, deadline: Option<Instant>) -> bool {
        tokio::select! {
            biased;
            () = self.interrupts.next() => false,
            () = at(deadline) => false,
            written = &mut self.written => matches!(written, Ok(Ok(Ended::BrokenOff { is_kept: true }))),
        }
    }

    /// Stops what is ours to stop and says what came of it.
    async fn stop(&mut self) -> Failure {
        // What is read on has run, and goes on nowhere.
        let is_read_on = self.progress.is_read_on.load(Ordering::Relaxed);
        match self.query.take().filter(|_| !is_read_on) {
            Some(query) => {
                self.ui.note("cancelling the query");
                cancel::interrupted(&self.client, query, &mut self.interrupts).await
            }
            None => Failure::new(
                Exit::Interrupted,
                "stopped before the end of the result; the query is not affected",
            ),
        }
    }
}

impl Source {
    /// The query that exists only for this transfer.
    fn own_query(&self) -> Option<QueryName> {
        match self {
            Source::Execute(request) => Some(QueryName {
                session: request.session.clone(),
                connection: request.connection.clone(),
                query: request.request_id.clone(),
            }),
            Source::Read(_) => None,
        }
    }

    /// Rows of the result before those that are asked for.
    pub(super) fn row_offset(&self) -> i64 {
        match self {
            Source::Execute(_) => 0,
            Source::Read(request) => request.row_offset,
        }
    }

    /// The query that may still have to end before there is a result, and tells how it is.
    fn awaited(&self) -> Option<QueryName> {
        match self {
            Source::Execute(_) => None,
            Source::Read(request) => Some(QueryName {
                session: request.session.clone(),
                connection: request.connection.clone(),
                query: request.query.clone(),
            }),
        }
    }

    async fn open(self, client: &Client) -> Result<ResultEvents, Failure> {
        match self {
            Source::Execute(request) => client.execute(request).await,
            Source::Read(request) => client.read_results(request).await,
        }
    }
}

/// How far a transfer is.
#[derive(Default)]
struct Progress {
    rows: AtomicI64,
    /// Whether the result has begun to arrive.
    has_begun: AtomicBool,
    /// Whether another run of the service was asked for its rest.
    is_read_on: AtomicBool,
    /// How the query is whose result is waited for.
    query: Mutex<Option<Query>>,
}

impl Progress {
    /// What is to be said now.
    fn line(&self, bytes: Option<&AtomicU64>) -> Option<String> {
        if !self.has_begun.load(Ordering::Relaxed) {
            let query = self.query.lock().ok()?;
            if let Some(query) = query.as_ref() {
                return (!job::has_ended(query.state())).then(|| job::progress_line(query, Clock::read()));
            }
        }
        Some(progress_line(
            self.rows.load(Ordering::Relaxed),
            bytes?.load(Ordering::Relaxed),
        ))
    }
}

async fn show_progress(progress: &Progress, bytes: Option<&AtomicU64>, ui: Ui) -> Infallible {
    let mut ticks = interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(line) = progress.line(bytes) {
            ui.progress(&line);
        }
    }
}

/// Notes how the query is whose result is waited for. Whatever goes wrong here, the reading will tell.
async fn watch(client: Client, name: QueryName, progress: Arc<Progress>) {
    let Ok(mut states) = client.watch(name).await else {
        return;
    };
    while let Ok(Some(query)) = states.next().await {
        if let Ok(mut seen) = progress.query.lock() {
            *seen = Some(query);
        }
    }
}

/// Reads the events and hands the rows to the writer.
async fn read(
    client: Client,
    source: Source,
    pieces: mpsc::Sender<Piece>,
    progress: Arc<Progress>,
    run: Run,
) -> Result<QuerySummary, ReadError> {
    let send = async |piece| pieces.send(piece).await.map_err(|_| ReadError::WriterEnded);
    let mut course = Course::of(&source);
    let mut events = source.open(&client).await.map_err(ReadError::Failed)?;
    loop {
        let event = match events.next().await {
            Ok(event) => event,
            Err(failure) if course.is_refused(&failure) => {
                return Err(ReadError::GivenUp(Box::new(course), failure));
            }
            Err(failure) => {
                events = match course.read_on(failure, &run).await {
                    Ok(events) => events,
                    Err(Lost::Ended(failure)) => return Err(ReadError::Failed(failure)),
                    Err(Lost::GivenUp(why)) => return Err(ReadError::GivenUp(Box::new(course), why)),
                };
                progress.is_read_on.store(true, Ordering::Relaxed);
                continue;
            }
        };
        match event {
            Some(Event::Accepted(accepted)) => {
                course.accepted(&accepted);
                run.ui.detail(&format!(
                    "accepted as {} in session {}, connection {}",
                    accepted.request_id, accepted.session, accepted.connection
                ));
            }
            Some(Event::Schema(schema)) => {
                // What is printed now may go to the screen on which the progress stands.
                progress.has_begun.store(true, Ordering::Relaxed);
                if progress.query.lock().is_ok_and(|query| query.is_some()) {
                    run.ui.end_progress();
                }
                if course.begins(&schema).map_err(ReadError::Failed)? {
                    send(Piece::Schema(schema.arrow_schema)).await?;
                }
            }
            Some(Event::Batch(batch)) => {
                if course.takes(batch.row_count) {
                    progress.rows.fetch_add(batch.row_count, Ordering::Relaxed);
                    send(Piece::Batch(batch.arrow_batch)).await?;
                }
            }
            Some(Event::Summary(summary)) => {
                let summary = course.ends(summary).map_err(ReadError::Failed)?;
                send(Piece::End).await?;
                return Ok(summary);
            }
            None => {
                return Err(ReadError::Failed(Failure::unreachable(
                    "the service ended the result before its end",
                )));
            }
        }
    }
}

/// How a taker's thread ended.
enum Ended<Kept> {
    /// All is written, and this is left in hand.
    Whole(Kept),
    /// The result broke off.
    BrokenOff {
        /// Whether the rows that came are written.
        is_kept: bool,
    },
}

/// What a taker's thread answers.
type Written<Kept> = Result<Ended<Kept>, RenderError>;

/// Writes on a thread of its own, so that rendering and reading overlap.
fn spawn_writer<Taker: ResultTaker>(
    mut taker: Taker,
    mut queue: mpsc::Receiver<Piece>,
) -> Result<oneshot::Receiver<Written<Taker::Kept>>, Failure> {
    let (done, written) = oneshot::channel();
    let work = move || {
        while let Some(piece) = queue.blocking_recv() {
            match piece {
                Piece::Schema(message) => taker.schema(message)?,
                Piece::Batch(message) => taker.batch(message)?,
                Piece::End => return taker.finish().map(Ended::Whole),
            }
        }
        let is_kept = taker.break_off()?;
        Ok(Ended::BrokenOff { is_kept })
    };
    std::thread::Builder::new()
        .name("render".to_owned())
        .spawn(move || {
            // The receiver is gone when the process is about to end.
            let _ = done.send(work());
        })
        .map_err(|error| Failure::new(Exit::Defect, "cannot start a thread").caused_by(error))?;
    Ok(written)
}

/// What came of writing: what was kept, or nothing where the reader of our output left.
fn writer_outcome<Kept>(
    ended: Result<Written<Kept>, oneshot::error::RecvError>,
) -> Result<Option<Kept>, Failure> {
    match ended {
        Ok(Ok(Ended::Whole(kept))) => Ok(Some(kept)),
        Ok(Ok(Ended::BrokenOff { .. })) => Ok(None),
        Ok(Err(RenderError::Output(error))) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(None),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Failure::new(Exit::Defect, "rendering the result failed")),
    }
}

fn progress_line(rows: i64, bytes: u64) -> String {
    format!(
        "{}, {}.{} MB",
        summary::rows(rows),
        bytes / 1_000_000,
        bytes / 100_000 % 10
    )
}
