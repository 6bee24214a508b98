//! A session as the rooms above see it: a mailbox in front of the thread that owns it.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use super::control::Control;
use super::instance::{Shared, lock};
use super::worker::Worker;
use super::{
    ContextSnapshot, ParameterValue, Parameters, QueryId, Rows, SessionSpec, SqlError, StatementOutput,
    Submission,
};

/// Most statements that wait for their turn in one session.
const QUEUE_MAX: usize = 256;

/// Stack of a session's thread: the parser and the lowering recurse into deep statements.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// One logged-in session.
///
/// Statements run one after another in the order they come. Dropping the session closes it.
pub struct Session {
    id: u64,
    jobs: SyncSender<Job>,
    control: Arc<Control>,
    shared: Arc<Shared>,
    published: Arc<Mutex<Published>>,
}

/// What a session shows of itself, as of its last statement.
#[derive(Default)]
pub(super) struct Published {
    pub(super) context: ContextSnapshot,
    pub(super) parameters: Parameters,
}

/// What a session's thread is asked to do.
pub(super) enum Job {
    /// Run a submission and answer.
    Run(Box<Submission>, Reply),
    /// End.
    Close(oneshot::Sender<()>),
}

/// Where the answer to a submission goes.
pub(super) type Reply = oneshot::Sender<Result<Running, SqlError>>;

/// An answer, and a sign that is dropped when the last row was sent.
pub(super) struct Running {
    pub(super) output: StatementOutput,
    pub(super) watch: Option<Watch>,
}

/// Lets somebody notice that nobody reads the rows any more.
pub(super) struct Watch {
    pub(super) rows: tokio::sync::mpsc::Sender<Result<arrow_array::RecordBatch, SqlError>>,
    pub(super) done: oneshot::Receiver<()>,
}

impl Session {
    pub(super) fn open(shared: Arc<Shared>, spec: SessionSpec) -> Result<Self, SqlError> {
        let mut connection = shared
            .engine
            .connect()
            .map_err(|error| super::from_engine(&error))?;
        let control = Arc::new(Control::new(connection.interrupter()));
        let id = shared.register(&control)?;
        let published = Arc::new(Mutex::new(Published::default()));
        let state =
            super::login::state(id, spec, connection.as_mut()).inspect_err(|_| shared.unregister(id))?;
        let worker = Worker::new(
            Arc::clone(&shared),
            Arc::clone(&control),
            connection,
            state,
            Arc::clone(&published),
        );
        let (jobs, inbox) = mpsc::sync_channel(QUEUE_MAX);
        std::thread::Builder::new()
            .name(format!("session-{id}"))
            .stack_size(STACK_BYTES)
            .spawn(move || worker.work(&inbox))
            .map_err(|error| {
                shared.unregister(id);
                SqlError::internal(error)
            })?;
        Ok(Self {
            id,
            jobs,
            control,
            shared,
            published,
        })
    }

    /// Identity, unique within the instance.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where the session is, as of its last finished statement.
    pub fn context(&self) -> ContextSnapshot {
        lock(&self.published).context.clone()
    }

    /// All parameters in effect, upper-case names, in their order.
    pub fn parameters(&self) -> Vec<(String, ParameterValue)> {
        let parameters = lock(&self.published).parameters.all();
        parameters
            .into_iter()
            .map(|parameter| (parameter.name.to_owned(), parameter.value))
            .collect()
    }

    /// Runs a submission when its turn comes, to its end or to where its rows begin to stream.
    ///
    /// Dropping the stream of rows stops the statement. Fails with Snowflake's error, with 000604 after
    /// [`Session::cancel`], and with 000630 after `STATEMENT_TIMEOUT_IN_SECONDS`.
    pub async fn run(&self, submission: Submission) -> Result<StatementOutput, SqlError> {
        let query_id = submission.query_id;
        let timeout = self.timeout(&submission.parameters);
        let (reply, answer) = oneshot::channel();
        self.control.submitted(query_id);
        self.jobs
            .try_send(Job::Run(Box::new(submission), reply))
            .map_err(|error| {
                self.control.withdrawn(query_id);
                match error {
                    TrySendError::Full(_) => SqlError::new(
                        "000617",
                        "57014",
                        format!("The session has {QUEUE_MAX} statements waiting; this one was refused."),
                    ),
                    TrySendError::Disconnected(_) => closed(),
                }
            })?;
        let running = match timeout {
            None => answer.await,
            Some(limit) => {
                let mut answer = answer;
                if let Ok(answered) = tokio::time::timeout(limit, &mut answer).await {
                    answered
                } else {
                    self.control.stop(query_id, Some(timed_out(limit)));
                    self.shared.locks.wake();
                    answer.await
                }
            }
        };
        let Running { output, watch } = running.map_err(|_| closed())??;
        if let Some(watch) = watch {
            tokio::spawn(watch_rows(watch, Arc::clone(&self.control), query_id, timeout));
        }
        Ok(output)
    }

    /// Stops a statement that runs or waits; false when it does neither.
    pub fn cancel(&self, query_id: QueryId) -> bool {
        let known = self.control.stop(query_id, None);
        if known {
            self.shared.locks.wake();
        }
        known
    }

    /// Stops what runs, rolls back what is open, and ends the session.
    pub async fn close(&self) {
        self.control.stop_running();
        self.shared.locks.wake();
        let (done, closed) = oneshot::channel();
        let mut job = Job::Close(done);
        // The queue may be full of statements that were never going to run.
        loop {
            match self.jobs.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(returned)) => {
                    job = returned;
                    self.control.stop_running();
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        // An error means that the thread ended first, which is what was wanted.
        let _ = closed.await;
    }

    fn timeout(&self, statement: &BTreeMap<String, ParameterValue>) -> Option<Duration> {
        const NAME: &str = "STATEMENT_TIMEOUT_IN_SECONDS";
        let seconds = match statement.get(NAME) {
            Some(ParameterValue::Integer(seconds)) => *seconds,
            Some(ParameterValue::Text(text)) => text.parse().unwrap_or(0),
            _ => lock(&self.published).parameters.integer(NAME),
        };
        u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The thread ends when the mailbox is gone; what still runs must not keep it.
        self.control.stop_running();
        self.shared.locks.wake();
    }
}

/// Stops a statement whose rows nobody reads any more, or whose time is over.
async fn watch_rows(watch: Watch, control: Arc<Control>, query_id: QueryId, timeout: Option<Duration>) {
    let Watch { rows, done } = watch;
    let limit = timeout.unwrap_or(Duration::MAX);
    tokio::select! {
        _ = done => {}
        () = rows.closed() => {
            control.stop(query_id, None);
        }
        () = tokio::time::sleep(limit) => {
            control.stop(query_id, Some(timed_out(limit)));
        }
    }
}

fn timed_out(limit: Duration) -> SqlError {
    SqlError::new(
        "000630",
        "57014",
        format!(
            "Statement reached its statement or warehouse timeout of {} second(s) and was canceled.",
            limit.as_secs()
        ),
    )
}

fn closed() -> SqlError {
    SqlError::new(
        "390111",
        "08003",
        "Session no longer exists. New login required to access the service.",
    )
}

impl Running {
    /// An answer whose rows are all there.
    pub(super) fn ready(output: StatementOutput) -> Self {
        debug_assert!(
            matches!(output.rows, Rows::Ready(_)),
            "rows that stream need a watch"
        );
        Self { output, watch: None }
    }
}
