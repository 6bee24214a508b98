//! Queries: from the lowered text to rows, and describing without running.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, oneshot};

use snowflake_emulator_engine::{BatchReader, EngineColumn, Repeat};

use super::described::described;
use super::handle::{Reply, Running, Watch};
use super::replay::Replay;
use super::worker::{Done, Work, Worker};
use super::{Binding, QueryId, ResultColumn, Rows, SqlError, StatementOutput, from_engine, multi_insert};
use crate::catalog::names::{ObjectPath, unmangle};
use crate::front::{Command, Parsed, Piece, StageCommand};
use crate::lower::{Lowered, named_tables, numbers_inputs};
use crate::plan::explain::columns;
use crate::plan::kind::{self, Manner, manner, statement_type};
use crate::plan::shape;

/// Batches that wait for a reader before the engine is made to wait.
const BATCHES_AHEAD: usize = 4;

/// Most bytes that the rows of one statement among several may take; they cannot stream.
const CHILD_BYTES_MAX: usize = 256 * 1024 * 1024;

impl Worker {
    /// Makes sure that what a statement names may be named and has its rows; shows what others committed.
    pub(super) fn prepare(&mut self, lowered: &Lowered) -> Result<(), SqlError> {
        self.make_available(&lowered.tables)?;
        self.control.check()?;
        if !lowered.tables.is_empty() {
            self.tell_whereabouts()?;
        }
        // What was made for the statement would go with the engine's transaction; it saw the commits before.
        if !self.made_tables.is_empty() {
            return Ok(());
        }
        self.refresh(&lowered.tables)
    }

    /// Shows a query or a change in an open transaction what others have committed, before anything is made or
    /// looked up for it.
    pub(super) fn see_commits(&mut self, parsed: &Parsed) -> Result<(), SqlError> {
        let statement = match parsed {
            Parsed::Sql(statement) => statement,
            Parsed::Command(Command::Stage(StageCommand::CopyOut(copy))) => &copy.query,
            Parsed::Command(_) => return Ok(()),
        };
        if self.transaction.is_none() || !matches!(manner(parsed), Manner::Query | Manner::Dml) {
            return Ok(());
        }
        let tables = named_tables(statement, &self.state.names());
        self.make_samples(&tables)?;
        self.refresh(&tables)
    }

    /// Count of changed definitions of what the session sees, which an open transaction keeps from changing.
    pub(super) fn definitions_seen(&self) -> u64 {
        match &self.transaction {
            Some(transaction) => transaction.definitions(),
            None => self.shared.versions.definitions(),
        }
    }

    fn refresh(&mut self, tables: &BTreeSet<ObjectPath>) -> Result<(), SqlError> {
        let has_written = self
            .transaction
            .as_ref()
            .is_some_and(|transaction| !transaction.targets().is_empty());
        let names_view = has_written && self.names_view(tables)?;
        let Some(mut transaction) = self.transaction.take() else {
            return Ok(());
        };
        let refreshed = self.control.protected(|| {
            let engine = &mut Replay(self.connection.as_mut());
            transaction.refresh(engine, &self.shared.versions, tables, names_view)
        });
        match refreshed {
            Ok(()) => {
                self.transaction = Some(transaction);
                Ok(())
            }
            Err(lost) => {
                self.rollback();
                Err(lost)
            }
        }
    }

    /// Refuses names in dropped schemas, and makes the rows of sample tables; true when it made some.
    pub(super) fn make_available(&mut self, tables: &BTreeSet<ObjectPath>) -> Result<bool, SqlError> {
        if let Some(table) = self.shared.buried.find(tables.iter()) {
            return Err(SqlError::no_such("Schema", &table.schema));
        }
        self.make_samples(tables)
    }

    fn make_samples(&mut self, tables: &BTreeSet<ObjectPath>) -> Result<bool, SqlError> {
        let stopped = || self.control.is_stopped();
        let made = self
            .shared
            .samples
            .ensure(self.shared.engine.as_ref(), tables.iter(), &stopped);
        let made = made.map_err(|error| from_engine(&error))?;
        if made {
            self.shared.versions.committed(tables);
        }
        Ok(made)
    }

    /// Runs a query: small results are answered whole, larger ones stream if there is somebody to answer.
    ///
    /// `repeat` says of a query that came before how much of it is the same.
    pub(super) fn query(
        &mut self,
        lowered: &Lowered,
        repeat: Option<Repeat>,
        query_id: QueryId,
        reply: &mut Option<Reply>,
    ) -> Result<Done, SqlError> {
        self.prepare(lowered)?;
        let result = self.in_turn(|worker| worker.rows(lowered, repeat, query_id, reply));
        result.map_err(|error| self.explain_missing(error, &lowered.tables))
    }

    fn rows(
        &mut self,
        lowered: &Lowered,
        repeat: Option<Repeat>,
        query_id: QueryId,
        reply: &mut Option<Reply>,
    ) -> Result<Done, SqlError> {
        let context = self.state.snapshot(self.transaction.is_some());
        let batch_rows = self.shared.batch_rows;
        let engine = |error| from_engine(&error);
        super::dml::check_guards(self.connection.as_mut(), lowered)?;
        for statement in &lowered.before {
            self.connection.execute(statement).map_err(engine)?;
        }
        let known = self.foreknown(lowered.outline.as_ref())?;
        let reader = match repeat {
            None => self.connection.query(&lowered.sql, batch_rows),
            Some(repeat) => self.connection.query_again(&lowered.sql, batch_rows, repeat),
        };
        let mut reader = reader.map_err(engine)?;
        let mut output = StatementOutput {
            query_id,
            statement_type: kind::SELECT,
            columns: described(reader.columns(), known, &self.state.parameters),
            rows: Rows::Ready(Vec::new()),
            stats: None,
            context,
            bind_count: 0,
            children: Vec::new(),
            transfer: None,
        };
        let Some(first) = reader.next_batch().map_err(engine)? else {
            return Ok(Done::answer(output));
        };
        let mut batches = vec![first];
        if batches[0].num_rows() < batch_rows || reply.is_none() {
            let mut bytes = batches[0].get_array_memory_size();
            loop {
                let Some(batch) = reader.next_batch().map_err(engine)? else {
                    output.rows = Rows::Ready(batches);
                    return Ok(Done::answer(output));
                };
                bytes += batch.get_array_memory_size();
                batches.push(batch);
                if reply.is_some() {
                    break;
                }
                if bytes > CHILD_BYTES_MAX {
                    let text =
                        "The result of a statement among several is too large; run the statement by itself.";
                    return Err(SqlError::new("391908", "54000", text));
                }
            }
        }
        let Some(answer) = reply.take() else {
            return Ok(Done::answer(output));
        };
        let (rows, receiver) = mpsc::channel(BATCHES_AHEAD);
        output.rows = Rows::Stream(receiver);
        let (finished, done) = oneshot::channel();
        let watch = Some(Watch {
            rows: rows.clone(),
            done,
        });
        if answer.send(Ok(Running { output, watch })).is_err() {
            return Ok(Done::Streamed);
        }
        for batch in batches {
            if rows.blocking_send(Ok(batch)).is_err() {
                return Ok(Done::Streamed);
            }
        }
        let ended = pump(reader.as_mut(), &rows, || self.control.is_stopped());
        drop(reader);
        if let Err(error) = ended {
            let error = if self.control.is_stopped() {
                self.control.reason()
            } else {
                error
            };
            let error = self.mend(error, false);
            // Nobody may be reading any more; then nobody needs the error.
            let _ = rows.blocking_send(Err(error));
        }
        // Dropped with this frame: the sign that the last row was sent.
        drop(finished);
        Ok(Done::Streamed)
    }

    /// Columns of a statement without running it.
    pub(super) fn describe(&mut self, work: &Work<'_>) -> Result<Done, SqlError> {
        let bind_count = count_placeholders(work.piece);
        let mut output = match (manner(work.parsed), work.parsed) {
            (_, Parsed::Sql(statement)) if multi_insert::of(statement).is_some() => {
                self.describe_several(statement, work)?
            }
            (Manner::Query | Manner::Dml, Parsed::Sql(statement)) => {
                let bindings = with_unset(work.bindings.clone(), bind_count);
                let work = Work {
                    bindings: &bindings,
                    moment: work.moment.clone(),
                    ..*work
                };
                let lowered = self.lower(statement, &work)?;
                self.prepare(&lowered)?;
                let found = self.connection.describe(&lowered.sql);
                let columns =
                    found.map_err(|error| self.explain_missing(from_engine(&error), &lowered.tables))?;
                if manner(work.parsed) == Manner::Query {
                    let mut output = self.answer(&work, shape::status(""), None);
                    let known = self.foreknown(lowered.outline.as_ref())?;
                    output.columns = described(&columns, known, &self.state.parameters);
                    output
                } else {
                    let counts = super::dml::counts_of(statement);
                    self.answer(&work, shape::counts(counts, super::DmlStats::default()), None)
                }
            }
            (_, Parsed::Command(Command::Explain(explain))) => self.answer(work, columns(explain.form), None),
            _ => self.answer(work, shape::status(""), None),
        };
        output.statement_type = statement_type(work.parsed);
        output.rows = Rows::Ready(Vec::new());
        output.bind_count = bind_count;
        Ok(Done::answer(output))
    }
}

/// How much of a kept query is the same each time. What depends on the session's state is not kept, so that only
/// the objects that it names can change.
pub(super) fn repeat(lowered: &Lowered) -> Repeat {
    if lowered.tables.is_empty() && !numbers_inputs(&lowered.sql) {
        Repeat::Planned
    } else {
        Repeat::Parsed
    }
}

/// Sends the reader's batches until its end; fails with what the reader says.
fn pump(
    reader: &mut (dyn BatchReader + '_),
    rows: &mpsc::Sender<Result<arrow_array::RecordBatch, SqlError>>,
    stopped: impl Fn() -> bool,
) -> Result<(), SqlError> {
    while let Some(batch) = reader.next_batch().map_err(|error| from_engine(&error))? {
        if stopped() {
            return Err(SqlError::canceled());
        }
        if rows.blocking_send(Ok(batch)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Columns in Snowflake's spelling.
pub(super) fn result_columns(columns: &[EngineColumn]) -> Vec<ResultColumn> {
    columns
        .iter()
        .map(|column| ResultColumn {
            name: unmangle(&column.name),
            sql_type: column.sql_type.clone(),
            nullable: true,
            origin: [String::new(), String::new(), String::new()],
        })
        .collect()
}

/// The bindings with NULL, which fits everywhere, for the values that are not known yet.
pub(super) fn with_unset(
    mut bindings: BTreeMap<String, Binding>,
    bind_count: u32,
) -> BTreeMap<String, Binding> {
    for position in 1..=bind_count {
        bindings.entry(position.to_string()).or_insert_with(|| Binding {
            type_name: "TEXT".to_owned(),
            values: vec![None],
            is_array: false,
        });
    }
    bindings
}

/// Placeholders in a statement: the `?`, or the highest `:n`.
pub(super) fn count_placeholders(piece: &Piece<'_>) -> u32 {
    let (text, tokens) = (piece.text, &piece.tokens);
    let questions = tokens.iter().filter(|token| token.is_sign(text, '?')).count() as u32;
    let numbered = tokens
        .windows(2)
        .filter(|pair| pair[0].is_sign(text, ':') && pair[0].end == pair[1].start)
        .filter_map(|pair| pair[1].text(text).parse::<u32>().ok())
        .max();
    questions.max(numbered.unwrap_or(0))
}
