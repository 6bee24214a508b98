//! The thread that owns a session: its connection, its state, its transaction.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use snowflake_emulator_engine::EngineConnection;

use super::cache::Cache;
use super::control::Control;
use super::described::Relations;
use super::facts;
use super::handle::{Job, Published, Reply, Running};
use super::instance::{OpenTransaction, Shared, lock};
use super::query::repeat;
use super::replay::Replay;
use super::state::{Moment, State};
use super::table_facts::TableFacts;
use super::told::Whereabouts;
use super::transaction::{Replayer, Transaction};
use super::{
    Binding, DmlStats, Parameters, QueryId, Rows, SqlError, StatementOutput, Submission, from_engine,
};
use crate::catalog::names::ObjectPath;
use crate::front::{Command, Parsed, Piece, StageCommand, parse_bound, split};
use crate::plan::kind::{Manner, manner, statement_type};
use crate::plan::shape::{self, Shaped};

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) control: Arc<Control>,
    pub(super) connection: Box<dyn EngineConnection>,
    pub(super) state: State,
    pub(super) transaction: Option<Transaction>,
    pub(super) cache: Cache,
    /// What is known of tables, as of a commit counter.
    pub(super) table_facts: HashMap<ObjectPath, (u64, TableFacts)>,
    /// Temporary tables that were made for the statement before or the one that runs.
    pub(super) made_tables: Vec<String>,
    /// Number of such tables so far.
    pub(super) tables_made: u64,
    /// Parameters that the engine's functions were told.
    pub(super) told: Parameters,
    /// Where the session was when they were told; none for a connection that was not.
    pub(super) told_whereabouts: Option<Whereabouts>,
    /// Statements of the open transaction that have written.
    pub(super) open_statements: Vec<QueryId>,
    /// Tables and views, as of a count of changed definitions.
    pub(super) relations: Relations,
    /// The running statement has a turn, which it may take only once.
    has_turn: bool,
    published: Arc<Mutex<Published>>,
}

/// One statement on its way.
pub(super) struct Work<'a> {
    pub(super) piece: &'a Piece<'a>,
    pub(super) parsed: &'a Parsed,
    pub(super) bindings: &'a BTreeMap<String, Binding>,
    /// Where more bound values are, in a stage.
    pub(super) bind_stage: Option<&'a str>,
    pub(super) query_id: QueryId,
    pub(super) moment: Moment,
    pub(super) describe_only: bool,
    /// In how many EXECUTE IMMEDIATE it stands.
    pub(super) depth: u32,
}

/// What came of a statement: its answer, or that the answer has been given and its rows were streamed.
pub(super) enum Done {
    Answer(Box<StatementOutput>),
    Streamed,
}

impl Done {
    pub(super) fn answer(output: StatementOutput) -> Self {
        Self::Answer(Box::new(output))
    }
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        control: Arc<Control>,
        connection: Box<dyn EngineConnection>,
        state: State,
        published: Arc<Mutex<Published>>,
    ) -> Self {
        let worker = Self {
            told: state.parameters.clone(),
            told_whereabouts: None,
            shared,
            control,
            connection,
            state,
            transaction: None,
            cache: Cache::default(),
            table_facts: HashMap::new(),
            made_tables: Vec::new(),
            tables_made: 0,
            open_statements: Vec::new(),
            relations: Relations::default(),
            has_turn: false,
            published,
        };
        worker.publish();
        worker
    }

    /// Does the jobs in order until the session is closed or forgotten.
    pub(super) fn work(mut self, inbox: &Receiver<Job>) {
        let mut closing = None;
        while let Ok(job) = inbox.recv() {
            match job {
                Job::Run(submission, reply) => self.run(&submission, reply),
                Job::Close(done) => {
                    closing = Some(done);
                    break;
                }
            }
        }
        if self.transaction.take().is_some() {
            self.rollback();
        }
        self.shared.unregister(self.state.id);
        // The connection and its temporary tables end before the answer says so.
        drop(self);
        if let Some(done) = closing {
            // Nobody may be waiting for it any more.
            let _ = done.send(());
        }
    }

    fn run(&mut self, submission: &Submission, reply: Reply) {
        self.control.begin(submission.query_id);
        // A defect may have left it.
        self.has_turn = false;
        let mut reply = Some(reply);
        // A defect in the parser, the lowering or the engine must not take the session with it.
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| self.submission(submission, &mut reply)));
        let result = result.unwrap_or_else(|_| {
            if self.transaction.take().is_some() {
                self.rollback();
            }
            Err(SqlError::internal(
                "the statement met a defect of the emulator; its transaction is rolled back",
            ))
        });
        let result = result.map_err(|error| {
            // Whatever it was that an interrupt met, the statement was stopped, and for one reason.
            let is_stop = error.code == "000604" && self.control.is_stopped();
            let error = if is_stop { self.control.reason() } else { error };
            self.mend(error, false)
        });
        self.state.remember(submission.query_id);
        self.publish();
        self.control.end();
        let (Some(reply), answer) = (reply, result) else {
            return;
        };
        let answer = match answer {
            Ok(Done::Answer(output)) => Ok(Running::ready(*output)),
            Ok(Done::Streamed) => return,
            Err(error) => Err(error),
        };
        // The asker may have gone; the statement has run all the same.
        let _ = reply.send(answer);
    }

    /// Does the engine's part of a statement when its user's turn comes.
    pub(super) fn in_turn<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        // Others may wait for what an open transaction has locked.
        if self.has_turn || self.transaction.is_some() {
            return work(self);
        }
        let shared = Arc::clone(&self.shared);
        let _turn = shared
            .turns
            .take(&self.state.user, self.state.id, &self.control)?;
        self.has_turn = true;
        let done = work(self);
        self.has_turn = false;
        done
    }

    pub(super) fn publish(&self) {
        let context = self.state.snapshot(self.transaction.is_some());
        lock(&self.published).follow(context, &self.state);
    }

    fn submission(&mut self, submission: &Submission, reply: &mut Option<Reply>) -> Result<Done, SqlError> {
        self.control.check()?;
        self.clear_sources();
        let wanted = self.statement_count(submission)?;
        if submission.bindings.is_empty()
            && submission.parameters.is_empty()
            && !submission.describe_only
            && wanted <= 1
            && let Some(lowered) = self
                .cache
                .get(&submission.sql, self.shared.versions.definitions())
        {
            self.tell_engine()?;
            let repeat = Some(repeat(&lowered));
            let result = self.query(&lowered, repeat, submission.query_id, reply);
            return result.map_err(|error| match split(&submission.sql).as_deref() {
                Ok([piece]) => super::locate::locate(error, piece),
                _ => error,
            });
        }
        let pieces = split(&submission.sql)?;
        if wanted != 0 && pieces.len() as i64 != wanted {
            return Err(SqlError::statement_count(pieces.len(), wanted));
        }
        let [piece] = pieces.as_slice() else {
            return self.several(&pieces, submission);
        };
        self.with_parameters(submission, |worker| {
            worker.statement(piece, submission, submission.query_id, reply)
        })
    }

    /// How many statements the text is to hold; 0 is any number.
    fn statement_count(&self, submission: &Submission) -> Result<i64, SqlError> {
        const NAME: &str = "MULTI_STATEMENT_COUNT";
        match submission.statement_count {
            Some(count) => Ok(i64::from(count)),
            // One that is no `u32`: it does not fit, or no text holds so many statements.
            None if submission.parameters.contains_key(NAME) => {
                let own = self.state.parameters.with(&submission.parameters)?;
                Ok(own.integer(NAME))
            }
            None => Ok(self.state.parameters.integer(NAME)),
        }
    }

    /// Runs with the submission's own parameters in force.
    pub(super) fn with_parameters<T>(
        &mut self,
        submission: &Submission,
        work: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        if submission.parameters.is_empty() {
            return work(self);
        }
        let own = self.state.parameters.with(&submission.parameters)?;
        let before = std::mem::replace(&mut self.state.parameters, own.clone());
        let result = work(self);
        self.state.parameters.give_back(&own, &before);
        result
    }

    pub(super) fn statement(
        &mut self,
        piece: &Piece<'_>,
        submission: &Submission,
        query_id: QueryId,
        reply: &mut Option<Reply>,
    ) -> Result<Done, SqlError> {
        self.tell_engine()?;
        let parsed = parse_bound(piece, &submission.bindings)?;
        let work = Work {
            piece,
            parsed: &parsed,
            bindings: &submission.bindings,
            bind_stage: submission.bind_stage.as_deref(),
            query_id,
            moment: self.state.moment(),
            describe_only: submission.describe_only,
            depth: 0,
        };
        let keep = (submission.sql.trim() == piece.text).then_some(submission.sql.as_str());
        self.run_piece(&work, keep, reply)
    }

    /// Runs or describes a statement that was read.
    pub(super) fn run_piece(
        &mut self,
        work: &Work<'_>,
        keep: Option<&str>,
        reply: &mut Option<Reply>,
    ) -> Result<Done, SqlError> {
        if let Parsed::Command(Command::ExecuteImmediate(written)) = work.parsed {
            return self.execute_immediate(written, work, reply);
        }
        let result = if work.describe_only {
            self.describe(work)
        } else {
            self.carry_out(work, keep, reply)
        };
        result.map_err(|error| super::locate::locate(error, work.piece))
    }

    /// `keep` is the text under which a query may be kept lowered.
    fn carry_out(
        &mut self,
        work: &Work<'_>,
        keep: Option<&str>,
        reply: &mut Option<Reply>,
    ) -> Result<Done, SqlError> {
        self.see_commits(work.parsed)?;
        match manner(work.parsed) {
            Manner::Query => {
                if let Parsed::Command(Command::Stage(StageCommand::CopyOut(copy))) = work.parsed {
                    return self.copy_out(copy, work).map(Done::answer);
                }
                let Parsed::Sql(statement) = work.parsed else {
                    return Err(SqlError::internal("a query that is no query"));
                };
                let definitions = self.definitions_seen();
                let lowered = Arc::new(self.lower(statement, work)?);
                if let Some(text) = keep
                    && work.bindings.is_empty()
                    && !lowered.uses_session_state
                {
                    self.cache.insert(text, definitions, Arc::clone(&lowered));
                }
                self.query(&lowered, None, work.query_id, reply)
            }
            Manner::Dml => self.dml(work).map(Done::answer),
            Manner::Ddl => self.ddl(work).map(Done::answer),
            Manner::Session => {
                let Parsed::Command(command) = work.parsed else {
                    return Err(SqlError::internal("a command that is no command"));
                };
                if let Command::Stage(command) = command {
                    return self.stage_files(command, work).map(Done::answer);
                }
                let shaped = self.command(command, work)?;
                Ok(Done::answer(self.answer(work, shaped, None)))
            }
        }
    }

    fn command(&mut self, command: &Command, work: &Work<'_>) -> Result<Shaped, SqlError> {
        match command {
            Command::Begin(name) => {
                if self.transaction.is_none() {
                    let name = name.as_ref().map(|name| name.as_str().to_owned());
                    self.begin(name, &work.moment)?;
                }
            }
            Command::Commit => {
                // It is the point at which the writes became visible, and can be asked for like one of them.
                if !self.open_statements.is_empty() {
                    self.open_statements.push(work.query_id);
                }
                self.commit()?;
            }
            Command::Rollback => {
                if self.transaction.take().is_some() {
                    self.rollback();
                }
            }
            other => return self.setting(other, work),
        }
        Ok(shape::status("Statement executed successfully."))
    }

    /// An answer in the emulator's own words.
    pub(super) fn answer(&self, work: &Work<'_>, shaped: Shaped, stats: Option<DmlStats>) -> StatementOutput {
        self.shaped(statement_type(work.parsed), shaped, work.query_id, stats)
    }

    pub(super) fn shaped(
        &self,
        statement_type: u32,
        shaped: Shaped,
        query_id: QueryId,
        stats: Option<DmlStats>,
    ) -> StatementOutput {
        StatementOutput {
            query_id,
            statement_type,
            columns: shaped.columns,
            rows: Rows::Ready(vec![shaped.rows]),
            stats,
            context: self.state.snapshot(self.transaction.is_some()),
            bind_count: 0,
            children: Vec::new(),
            transfer: None,
        }
    }

    // The transaction.

    pub(super) fn begin(&mut self, name: Option<String>, moment: &Moment) -> Result<(), SqlError> {
        let id = moment.ns as u64;
        let name = name.unwrap_or_else(|| QueryId::new_v4().to_string());
        let begun = Transaction::begin(id, &mut Replay(self.connection.as_mut()), &self.shared.versions);
        self.transaction = Some(begun.map_err(|error| from_engine(&error))?);
        let open = OpenTransaction {
            id,
            user: self.state.user.clone(),
            session: self.state.id,
            name,
            started_ms: facts::now_ms(),
        };
        lock(&self.shared.transactions).insert(self.state.id, open);
        Ok(())
    }

    /// Commits the open transaction; nothing to do without one.
    pub(super) fn commit(&mut self) -> Result<(), SqlError> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        let statements = std::mem::take(&mut self.open_statements);
        let before = if statements.is_empty() {
            None
        } else {
            self.shared
                .history
                .keep(self.shared.engine.as_ref(), facts::now_ns())
        };
        let committed = self.control.protected(|| self.connection.execute("COMMIT"));
        match committed {
            Ok(_) => {
                if let Some(before) = before {
                    let rows = transaction.changed_rows();
                    self.shared
                        .history
                        .written(before, &statements, rows, facts::now_ns());
                }
                self.shared.versions.committed(transaction.targets());
                self.ended();
                Ok(())
            }
            Err(error) => {
                if let Some(before) = before {
                    self.shared.history.withdrawn(before);
                }
                self.rollback();
                Err(from_engine(&error))
            }
        }
    }

    /// Rolls the engine back and gives the locks back; the transaction is already taken.
    pub(super) fn rollback(&mut self) {
        self.control
            .protected(|| Replay(self.connection.as_mut()).rollback());
        self.ended();
    }

    fn ended(&mut self) {
        self.open_statements.clear();
        lock(&self.shared.transactions).remove(&self.state.id);
        self.shared.locks.release(self.state.id);
    }

    /// After an error inside a transaction: undoes the failed statement only, or tells that all is lost.
    ///
    /// `partly` says that a part of the statement may have taken effect although the engine goes on.
    pub(super) fn mend(&mut self, error: SqlError, partly: bool) -> SqlError {
        let Some(mut transaction) = self.transaction.take() else {
            return error;
        };
        let mended = self.control.protected(|| {
            let engine = &mut Replay(self.connection.as_mut());
            if !partly && engine.0.execute("SELECT 1").is_ok() {
                return Ok(());
            }
            transaction.restore(engine, &self.shared.versions)
        });
        match mended {
            Ok(()) => {
                self.transaction = Some(transaction);
                error
            }
            Err(lost) => {
                self.ended();
                SqlError {
                    message: format!("{}\n{}", error.message, lost.message),
                    ..error
                }
            }
        }
    }
}
