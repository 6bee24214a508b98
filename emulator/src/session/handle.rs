//! A session as the rooms above see it: a mailbox in front of the thread that owns it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use snowflake_emulator_engine::EngineConnection;
use tokio::sync::oneshot;

use super::branches::{Branches, Standing};
use super::control::Control;
use super::instance::{Shared, lock};
use super::state::State;
use super::worker::Worker;
use crate::front::leaves_session_alone;
use crate::lower::Constant;

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
/// Statements run one after another in the order they come, except those that [`Session::detach`] took. Dropping the
/// session closes it.
pub struct Session {
    id: u64,
    user: String,
    jobs: SyncSender<Job>,
    control: Arc<Control>,
    shared: Arc<Shared>,
    published: Arc<Mutex<Published>>,
    branches: Arc<Branches>,
}

/// How far a statement is that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits for its turn in the session, or for its user's turn.
    Queued,
    /// It waits for a table that another transaction has locked.
    Blocked,
    /// It runs.
    Running,
}

/// What a session shows of itself, as of its last statement.
#[derive(Default)]
pub(super) struct Published {
    context: ContextSnapshot,
    parameters: Parameters,
    variables: BTreeMap<String, Constant>,
    has_temporary: bool,
}

impl Published {
    /// Takes over what has changed.
    pub(super) fn follow(&mut self, context: ContextSnapshot, state: &State) {
        self.context = context;
        if self.parameters != state.parameters {
            self.parameters = state.parameters.clone();
        }
        if self.variables != state.variables {
            self.variables = state.variables.clone();
        }
        self.has_temporary =
            !state.temporary.is_empty() || !state.files.stages.is_empty() || !state.files.formats.is_empty();
    }
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
        let instance = Arc::clone(&shared);
        Self::open_with(shared, |id, connection| {
            super::login::state(&instance, id, spec, connection)
        })
    }

    /// Opens a session that begins in the state which `begin` makes for its number.
    pub(super) fn open_with(
        shared: Arc<Shared>,
        begin: impl FnOnce(u64, &mut dyn EngineConnection) -> Result<State, SqlError>,
    ) -> Result<Self, SqlError> {
        let mut connection = shared
            .engine
            .connect()
            .map_err(|error| super::from_engine(&error))?;
        let control = Arc::new(Control::new(connection.interrupter()));
        let id = shared.register(&control)?;
        let published = Arc::new(Mutex::new(Published::default()));
        let state = begin(id, connection.as_mut()).inspect_err(|_| shared.unregister(id))?;
        let user = state.user.clone();
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
            user,
            jobs,
            control,
            shared,
            published,
            branches: Arc::default(),
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

    /// Decides that a submission will run beside the session's other statements, from where the session is now, and
    /// go on when the session closes. False when it has to wait for its turn: when it changes the session or needs
    /// its open transaction or its temporary tables. After true, [`Session::run`] must follow.
    pub fn detach(&self, submission: &Submission) -> bool {
        if !leaves_session_alone(&submission.sql) {
            return false;
        }
        let published = lock(&self.published);
        let own = published.parameters.with(&submission.parameters);
        let commits = own.is_ok_and(|parameters| parameters.truth("AUTOCOMMIT"));
        if published.context.transaction_open || published.has_temporary || !commits {
            return false;
        }
        let standing = Standing {
            session: self.id,
            user: self.user.clone(),
            context: published.context.clone(),
            parameters: published.parameters.clone(),
            variables: published.variables.clone(),
        };
        drop(published);
        self.branches.decide(submission.query_id, standing);
        true
    }

    /// Runs a submission when its turn comes, to its end or to where its rows begin to stream.
    ///
    /// Dropping the stream of rows stops the statement. Fails with Snowflake's error, with 000604 after
    /// [`Session::cancel`], and with 000630 after `STATEMENT_TIMEOUT_IN_SECONDS`.
    pub async fn run(&self, submission: Submission) -> Result<StatementOutput, SqlError> {
        if let Some(standing) = self.branches.begin(submission.query_id) {
            return self.run_beside(standing, submission).await;
        }
        let (output, streaming) = self.run_in_turn(submission).await?;
        if let Some(streaming) = streaming {
            tokio::spawn(streaming);
        }
        Ok(output)
    }

    /// Runs a submission in a session of its own, which ends with it.
    async fn run_beside(
        &self,
        standing: Standing,
        submission: Submission,
    ) -> Result<StatementOutput, SqlError> {
        let entry = self.branches.entry(submission.query_id);
        let shared = Arc::clone(&self.shared);
        let open = move || Self::open_with(shared, |id, connection| standing.state(id, connection));
        let opened = tokio::task::spawn_blocking(open)
            .await
            .map_err(SqlError::internal)?;
        let branch = Arc::new(opened?);
        entry.begun(&branch)?;
        let (output, streaming) = branch.run_in_turn(submission).await?;
        tokio::spawn(async move {
            if let Some(streaming) = streaming {
                streaming.await;
            }
            drop(entry);
            branch.close().await;
        });
        Ok(output)
    }

    /// Gives what came of a submission, and what is to be awaited while its rows stream.
    async fn run_in_turn(
        &self,
        submission: Submission,
    ) -> Result<(StatementOutput, Option<impl Future<Output = ()> + use<>>), SqlError> {
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
        let control = Arc::clone(&self.control);
        let streaming = watch.map(|watch| watch_rows(watch, control, query_id, timeout));
        Ok((output, streaming))
    }

    /// How far a statement is that has been submitted and has not ended.
    pub fn progress(&self, query_id: QueryId) -> Progress {
        if let Some(branch) = self.branches.session(query_id) {
            return branch.progress(query_id);
        }
        if self.control.waits(query_id) || (self.control.runs(query_id) && self.shared.turns.awaits(self.id))
        {
            Progress::Queued
        } else if self.control.runs(query_id) && self.shared.locks.is_blocked(self.id) {
            Progress::Blocked
        } else {
            Progress::Running
        }
    }

    /// Stops a statement that runs or waits; false when it does neither.
    pub fn cancel(&self, query_id: QueryId) -> bool {
        if let Some(known) = self.branches.cancel(query_id) {
            return known;
        }
        let known = self.control.stop(query_id, None);
        if known {
            self.shared.locks.wake();
        }
        known
    }

    /// Stops what runs in the session, rolls back what is open, and ends it. What runs beside it goes on.
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
