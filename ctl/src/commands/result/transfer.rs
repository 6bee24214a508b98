//! A result under way: events in, rows out, and what may come between.
//!
//! Three parties: a task reads the service's events, a thread turns batches into text, and between them is
//! a queue of [`BATCHES_QUEUED_MAX`], so that a slow reader of ours slows the service down instead of filling
//! memory. This file's own part waits for whichever comes first: the end, an interrupt, the time limit.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::{ExecuteQueryRequest, QuerySummary, ReadQueryResultsRequest};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::{Run, cancel};
use super::summary;
use crate::client::{Client, QueryName, ResultEvents};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::interrupt::{Interrupts, at};
use crate::render::{RenderError, ResultWriter};
use crate::ui::Ui;

/// Batches that wait for the writer.
const BATCHES_QUEUED_MAX: usize = 2;

/// Time beyond `--timeout` for the service to report it, before we stop waiting for the service.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(5);

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
    /// Counter of the bytes written.
    pub(super) bytes: Arc<AtomicU64>,
    /// Whether it is worth saying how far it is.
    pub(super) shows_progress: bool,
}

/// How a transfer ended well.
pub(super) enum Outcome {
    /// All rows are written.
    Finished(Box<QuerySummary>),
    /// The reader of our output left before the end.
    ReaderLeft,
}

/// What the writer is told.
enum Piece {
    Schema(Bytes),
    Batch(Bytes),
    /// The result is complete. Without it the writer throws away what it holds.
    End,
}

/// Why the reading task ended without a summary.
enum ReadError {
    Failed(Failure),
    /// The writer is gone and knows why.
    WriterEnded,
}

/// A result on its way: the two parties, and what is needed to stop them.
struct Underway {
    client: Client,
    /// The query to be cancelled when this ends early, if it is ours.
    query: Option<QueryName>,
    interrupts: Interrupts,
    reading: JoinHandle<Result<QuerySummary, ReadError>>,
    written: oneshot::Receiver<Result<bool, RenderError>>,
    ui: Ui,
}

impl Transfer {
    /// Asks for the result and sees it through.
    pub(super) async fn carry_out(self, writer: ResultWriter, run: &Run) -> Result<Outcome, Failure> {
        let Transfer {
            client,
            source,
            interrupts,
            bytes,
            shows_progress,
        } = self;
        let deadline = run
            .settings
            .timeout
            .map(|limit| Instant::now() + limit + TIMEOUT_MARGIN);
        let rows = Arc::new(AtomicI64::new(0));
        let (pieces, queue) = mpsc::channel(BATCHES_QUEUED_MAX);
        let underway = Underway {
            interrupts,
            query: source.own_query(),
            written: spawn_writer(writer, queue)?,
            reading: tokio::spawn(read(client.clone(), source, pieces, Arc::clone(&rows), run.ui)),
            client,
            ui: run.ui,
        };
        let outcome = underway.end(deadline);
        if !shows_progress {
            return outcome.await;
        }
        let outcome = tokio::select! {
            outcome = outcome => outcome,
            never = show_progress(&rows, &bytes, run.ui) => match never {},
        };
        run.ui.end_progress();
        outcome
    }
}

impl Underway {
    /// Waits for the end, an interrupt or the time limit, whichever comes first.
    async fn end(mut self, deadline: Option<Instant>) -> Result<Outcome, Failure> {
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
                let complete = writer_outcome(written)?;
                Ok(if complete { Outcome::Finished(Box::new(query)) } else { Outcome::ReaderLeft })
            }
        }
    }

    /// Stops what is ours to stop and says what came of it.
    async fn stop(&mut self) -> Failure {
        match self.query.take() {
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

    async fn open(self, client: &Client) -> Result<ResultEvents, Failure> {
        match self {
            Source::Execute(request) => client.execute(request).await,
            Source::Read(request) => client.read_results(request).await,
        }
    }
}

async fn show_progress(rows: &AtomicI64, bytes: &AtomicU64, ui: Ui) -> Infallible {
    let mut ticks = interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        ui.progress(&progress_line(
            rows.load(Ordering::Relaxed),
            bytes.load(Ordering::Relaxed),
        ));
    }
}

/// Reads the events and hands the rows to the writer.
async fn read(
    client: Client,
    source: Source,
    pieces: mpsc::Sender<Piece>,
    rows: Arc<AtomicI64>,
    ui: Ui,
) -> Result<QuerySummary, ReadError> {
    let send = async |piece| pieces.send(piece).await.map_err(|_| ReadError::WriterEnded);
    let mut events = source.open(&client).await.map_err(ReadError::Failed)?;
    loop {
        match events.next().await.map_err(ReadError::Failed)? {
            Some(Event::Accepted(accepted)) => ui.detail(&format!(
                "accepted as {} in session {}, connection {}",
                accepted.request_id, accepted.session, accepted.connection
            )),
            Some(Event::Schema(schema)) => send(Piece::Schema(schema.arrow_schema)).await?,
            Some(Event::Batch(batch)) => {
                rows.fetch_add(batch.row_count, Ordering::Relaxed);
                send(Piece::Batch(batch.arrow_batch)).await?;
            }
            Some(Event::Summary(summary)) => {
                let received = rows.load(Ordering::Relaxed);
                if received != summary.row_count {
                    let what = format!("{received} of {} rows arrived", summary.row_count);
                    return Err(ReadError::Failed(
                        Failure::new(Exit::Defect, "the result is incomplete").caused_by(what),
                    ));
                }
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

/// Writes on a thread of its own, so that rendering and reading overlap. True when all was written.
fn spawn_writer(
    mut writer: ResultWriter,
    mut queue: mpsc::Receiver<Piece>,
) -> Result<oneshot::Receiver<Result<bool, RenderError>>, Failure> {
    let (done, written) = oneshot::channel();
    let work = move || {
        while let Some(piece) = queue.blocking_recv() {
            match piece {
                Piece::Schema(message) => writer.schema(message)?,
                Piece::Batch(message) => writer.batch(message)?,
                Piece::End => return writer.finish().map(|()| true),
            }
        }
        Ok(false)
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

/// What came of writing: whether all of it was, with a closed pipe as a reader that left.
fn writer_outcome(
    ended: Result<Result<bool, RenderError>, oneshot::error::RecvError>,
) -> Result<bool, Failure> {
    match ended {
        Ok(Ok(complete)) => Ok(complete),
        Ok(Err(RenderError::Output(error))) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
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
