//! DML: locks, retries, the transaction's log, counts.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use arrow_array::cast::AsArray;
use snowflake_emulator_engine::{EngineConnection, EngineErrorKind};
use sqlparser::ast::{
    FromTable, Insert, MergeAction, ObjectName, SetExpr, Statement, TableFactor, TableObject, visit_relations,
};

use super::described::TableColumns;
use super::locks::Holder;
use super::replay::Replay;
use super::worker::{Work, Worker};
use super::{DmlStats, SqlError, StatementOutput, array_binds, from_engine, multi_insert};
use crate::catalog::files::forget_loads;
use crate::catalog::names::{INFORMATION_SCHEMA, Name, ObjectPath};
use crate::catalog::records::ObjectKind;
use crate::catalog::tables::SNOWFLAKE;
use crate::catalog::{Catalog, sample};
use crate::front::{Command, Parsed, StageCommand};
use crate::lower::{Answer, Guard, Lowered};
use crate::plan::Failure;
use crate::plan::shape::{self, Counts};

/// How often a statement is tried again after another session changed the same rows first.
pub(super) const ATTEMPTS_MAX: u32 = 50;

/// Wait before the second attempt; each further one waits that much longer.
const BACKOFF: Duration = Duration::from_millis(2);

/// A statement that changes rows, ready to run.
pub(super) struct Change {
    pub(super) guards: Vec<Guard>,
    pub(super) statements: Vec<String>,
    pub(super) answer: Answer,
    pub(super) target: ObjectPath,
    /// UPDATE, DELETE and their like keep others from changing the table.
    pub(super) locks: bool,
    pub(super) reads: BTreeSet<ObjectPath>,
}

impl Worker {
    /// Runs a statement that changes rows.
    pub(super) fn dml(&mut self, work: &Work<'_>) -> Result<StatementOutput, SqlError> {
        // Defaults may ask.
        self.tell_whereabouts()?;
        if self.transaction.is_none() && !self.state.parameters.truth("AUTOCOMMIT") {
            self.begin(None, &work.moment)?;
        }
        match work.parsed {
            Parsed::Command(Command::Truncate { if_exists, path }) => {
                let path = self.state.names().object_of_parts(path, "TRUNCATE")?;
                if *if_exists && !self.table_exists(&path)? {
                    return Ok(self.answer(work, shape::status("Statement executed successfully."), None));
                }
                let mut statements = Vec::new();
                self.forget_loads(&path, &mut statements)?;
                statements.push(format!("DELETE FROM {}", self.state.names().physical_of(&path)));
                let change = Change {
                    guards: Vec::new(),
                    statements,
                    answer: Answer::Deleted,
                    reads: BTreeSet::from([path.clone()]),
                    target: path,
                    locks: true,
                };
                self.change(&change, work)?;
                Ok(self.answer(work, shape::status("Statement executed successfully."), None))
            }
            Parsed::Command(Command::Stage(StageCommand::CopyIn(copy))) => self.copy_in(copy, work),
            Parsed::Sql(statement) => {
                if let Some(insert) = multi_insert::of(statement) {
                    return self.insert_several(insert, work);
                }
                let stats = match array_binds::rows(work.bindings)? {
                    _ if work.bind_stage.is_some() => {
                        let location = work.bind_stage.unwrap_or_default();
                        self.insert_staged(statement, location, work)?
                    }
                    None => match self.insert_literals(statement, work)? {
                        Some(stats) => stats,
                        None => self.one(statement, work)?,
                    },
                    Some(rows) => self.for_each_row(statement, rows, work)?,
                };
                Ok(self.answer(work, shape::counts(counts_of(statement), stats), Some(stats)))
            }
            Parsed::Command(_) => Err(SqlError::internal("a command that changes no rows")),
        }
    }

    fn one(&mut self, statement: &Statement, work: &Work<'_>) -> Result<DmlStats, SqlError> {
        let target = self.changed_columns(statement)?;
        let lowered = self.lower_into(statement, work, target.as_deref().unwrap_or_default())?;
        self.run_lowered(statement, lowered, work)
    }

    /// Runs a change whose lowered form is known.
    pub(super) fn run_lowered(
        &mut self,
        statement: &Statement,
        lowered: Lowered,
        work: &Work<'_>,
    ) -> Result<DmlStats, SqlError> {
        self.prepare(&lowered)?;
        let tables = lowered.tables.clone();
        let change = self.planned(statement, lowered)?;
        self.change(&change, work)
            .map_err(|error| self.explain_missing(error, &tables))
    }

    /// The columns of the table that a statement changes; `None` when it is named by an expression or not there.
    ///
    /// Only INSERT and UPDATE give values to columns.
    pub(super) fn changed_columns(&mut self, statement: &Statement) -> Result<TableColumns, SqlError> {
        if !matches!(statement, Statement::Insert(_) | Statement::Update(_)) {
            return Ok(None);
        }
        let path = target_of(statement).map(|name| self.state.names().object(name, "INSERT"));
        match path {
            Some(Ok(path)) => self.table_columns(&path),
            _ => Ok(None),
        }
    }

    /// Array bindings: an INSERT of values becomes one statement of many rows, others run once for each row.
    fn for_each_row(
        &mut self,
        statement: &Statement,
        rows: usize,
        work: &Work<'_>,
    ) -> Result<DmlStats, SqlError> {
        if let Some(stats) = self.insert_bound(statement, rows, work)? {
            return Ok(stats);
        }
        let mut total = DmlStats::default();
        for row in 0..rows {
            let bindings = array_binds::row(work.bindings, row);
            let work = Work {
                bindings: &bindings,
                moment: work.moment.clone(),
                ..*work
            };
            add(&mut total, self.one(statement, &work)?);
        }
        Ok(total)
    }

    pub(super) fn planned(&self, statement: &Statement, lowered: Lowered) -> Result<Change, SqlError> {
        let names = self.state.names();
        let written = target_of(statement);
        let target = match written.map(|name| names.object(name, "INSERT")) {
            Some(Ok(path)) => path,
            // IDENTIFIER($variable) is resolved by the lowering, which names the table first.
            _ => lowered
                .tables
                .first()
                .cloned()
                .ok_or_else(|| SqlError::internal("DML without a table"))?,
        };
        let (locks, reads) = match statement {
            Statement::Insert(insert) => {
                let reads = source_tables(insert, &lowered.tables, |name| names.object(name, "INSERT").ok());
                (insert.overwrite, reads)
            }
            _ => (true, lowered.tables.clone()),
        };
        let mut statements = lowered.before;
        statements.push(lowered.sql);
        Ok(Change {
            guards: lowered.guards,
            statements,
            answer: lowered.answer,
            target,
            locks,
            reads,
        })
    }

    fn change(&mut self, change: &Change, work: &Work<'_>) -> Result<DmlStats, SqlError> {
        refuse_built_in(&change.target)?;
        if change.locks {
            self.lock_table(&change.target, work)?;
        }
        let result = self.in_turn(|worker| worker.change_now(change, work));
        if self.transaction.is_none() {
            self.shared.locks.release(self.state.id);
        }
        result
    }

    /// Keeps other sessions from changing a table until the statement or its transaction ends.
    pub(super) fn lock_table(&self, target: &ObjectPath, work: &Work<'_>) -> Result<(), SqlError> {
        if self.state.temporary_paths.contains(target) {
            return Ok(());
        }
        let holder = Holder {
            session: self.state.id,
            transaction: self
                .transaction
                .as_ref()
                .map_or(work.moment.ns as u64, |open| open.id),
            query: work.query_id,
        };
        let seconds = u64::try_from(self.state.parameters.integer("LOCK_TIMEOUT")).unwrap_or(0);
        let timeout = Duration::from_secs(seconds);
        let acquired = self
            .shared
            .locks
            .acquire(target, holder, timeout, &|| self.control.is_stopped());
        acquired.map_err(|error| {
            if self.control.is_stopped() {
                self.control.reason()
            } else {
                error
            }
        })
    }

    /// Changes what is locked.
    fn change_now(&mut self, change: &Change, work: &Work<'_>) -> Result<DmlStats, SqlError> {
        let before = self.before_write(work, &change.target);
        match before {
            Ok(before) => {
                let result = if self.transaction.is_some() {
                    self.change_inside(change)
                } else {
                    self.change_alone(change)
                };
                self.after_write(before, work.query_id, result.as_ref().ok().copied());
                result
            }
            Err(error) => Err(error),
        }
    }

    /// In an open transaction: a success goes to its log, a failure undoes itself only.
    fn change_inside(&mut self, change: &Change) -> Result<DmlStats, SqlError> {
        // The wait for the lock may have made the snapshot old.
        self.refresh_for(&change.target)?;
        let mut attempts = 0;
        loop {
            let failure = match self.apply_logged(change) {
                Ok((stats, write)) => {
                    if let Some(transaction) = &mut self.transaction {
                        transaction.record(write);
                    }
                    return Ok(stats);
                }
                Err(failure) => failure,
            };
            attempts += 1;
            let is_conflict = is_conflict(&failure);
            let error = self.mend(self.in_words(failure), change.statements.len() > 1);
            if !is_conflict || attempts >= ATTEMPTS_MAX || self.transaction.is_none() {
                return Err(error);
            }
            self.pause(attempts)?;
        }
    }

    fn refresh_for(&mut self, target: &ObjectPath) -> Result<(), SqlError> {
        let lowered = Lowered {
            tables: BTreeSet::from([target.clone()]),
            ..Lowered::default()
        };
        self.prepare(&lowered)
    }

    /// By itself: all or nothing, tried again when another session was first.
    fn change_alone(&mut self, change: &Change) -> Result<DmlStats, SqlError> {
        let is_single = change.guards.is_empty() && change.statements.len() == 1;
        let mut attempts = 0;
        loop {
            let result = if is_single {
                apply(self.connection.as_mut(), change)
            } else {
                self.apply_whole(change)
            };
            let failure = match result {
                Ok(stats) => {
                    self.shared.versions.committed([&change.target]);
                    return Ok(stats);
                }
                Err(failure) => failure,
            };
            attempts += 1;
            if !is_conflict(&failure) || attempts >= ATTEMPTS_MAX {
                return Err(self.in_words(failure));
            }
            self.pause(attempts)?;
        }
    }

    fn apply_whole(&mut self, change: &Change) -> Result<DmlStats, Failure> {
        self.connection.execute("BEGIN TRANSACTION")?;
        let result = apply(self.connection.as_mut(), change).and_then(|stats| {
            self.connection
                .execute("COMMIT")
                .map(|_| stats)
                .map_err(Failure::from)
        });
        if result.is_err() {
            use super::transaction::Replayer;
            self.control
                .protected(|| Replay(self.connection.as_mut()).rollback());
        }
        result
    }

    pub(super) fn pause(&self, attempts: u32) -> Result<(), SqlError> {
        std::thread::sleep(BACKOFF * attempts);
        self.control.check()
    }

    /// A failure as the user reads it.
    pub(super) fn in_words(&self, failure: Failure) -> SqlError {
        match failure {
            Failure::Sql(error) => error,
            Failure::Engine(error) if error.kind == EngineErrorKind::Interrupted => self.control.reason(),
            Failure::Engine(error) => from_engine(&error),
        }
    }

    /// A table that is emptied may be loaded from the same files again.
    fn forget_loads(&mut self, path: &ObjectPath, statements: &mut Vec<String>) -> Result<(), SqlError> {
        if self.state.temporary_loads.remove(path).is_some() || self.state.temporary_paths.contains(path) {
            return Ok(());
        }
        let object = Catalog::new(self.connection.as_mut()).object(path);
        let object = object.map_err(|error| from_engine(&error))?;
        statements.extend(object.map(|object| forget_loads(object.id)));
        Ok(())
    }

    fn table_exists(&mut self, path: &ObjectPath) -> Result<bool, SqlError> {
        if self.state.temporary_paths.contains(path) {
            return Ok(true);
        }
        let found = Catalog::new(self.connection.as_mut()).object(path);
        let found = found.map_err(|error| from_engine(&error))?;
        Ok(found.is_some_and(|object| object.kind == ObjectKind::Table))
    }
}

/// Fails when a guard's query finds a row.
pub(super) fn check_guards(connection: &mut dyn EngineConnection, lowered: &Lowered) -> Result<(), SqlError> {
    run_guards(connection, &lowered.guards).map_err(|failure| match failure {
        Failure::Sql(error) => error,
        Failure::Engine(error) => from_engine(&error),
    })
}

pub(super) fn run_guards(connection: &mut dyn EngineConnection, guards: &[Guard]) -> Result<(), Failure> {
    for guard in guards {
        let mut reader = connection.query(&guard.sql, 1)?;
        while let Some(batch) = reader.next_batch()? {
            if batch.num_rows() > 0 {
                return Err(guard.error.clone().into());
            }
        }
    }
    Ok(())
}

pub(super) fn apply(connection: &mut dyn EngineConnection, change: &Change) -> Result<DmlStats, Failure> {
    run_guards(connection, &change.guards)?;
    let Some((last, before)) = change.statements.split_last() else {
        return Ok(DmlStats::default());
    };
    for statement in before {
        connection.execute(statement)?;
    }
    let mut stats = DmlStats::default();
    match change.answer {
        Answer::Inserted => stats.inserted = connection.execute(last)?,
        Answer::Updated => stats.updated = connection.execute(last)?,
        Answer::Deleted => stats.deleted = connection.execute(last)?,
        Answer::MergeActions => {
            let mut reader = connection.query(last, 2048)?;
            while let Some(batch) = reader.next_batch()? {
                let actions = batch.column(0).as_string_opt::<i32>();
                let Some(actions) = actions else {
                    return Err(SqlError::internal("MERGE answered no actions").into());
                };
                for action in actions.iter().flatten() {
                    match action {
                        "INSERT" => stats.inserted += 1,
                        "UPDATE" => stats.updated += 1,
                        _ => stats.deleted += 1,
                    }
                }
            }
        }
        Answer::Rows | Answer::Nothing => {
            connection.execute(last)?;
        }
    }
    Ok(stats)
}

fn add(total: &mut DmlStats, more: DmlStats) {
    total.inserted += more.inserted;
    total.updated += more.updated;
    total.deleted += more.deleted;
}

pub(super) fn is_conflict(failure: &Failure) -> bool {
    matches!(failure, Failure::Engine(error) if error.kind == EngineErrorKind::Conflict)
}

/// Which counts a statement answers with.
pub(super) fn counts_of(statement: &Statement) -> Counts {
    match statement {
        Statement::Update(_) => Counts::Updated,
        Statement::Delete(_) => Counts::Deleted,
        Statement::Merge(merge) => {
            let has =
                |wanted: fn(&MergeAction) -> bool| merge.clauses.iter().any(|clause| wanted(&clause.action));
            Counts::Merged {
                inserts: has(|action| matches!(action, MergeAction::Insert(_))),
                updates: has(|action| matches!(action, MergeAction::Update(_))),
                deletes: has(|action| matches!(action, MergeAction::Delete { .. })),
            }
        }
        _ => Counts::Inserted,
    }
}

pub(super) fn target_of(statement: &Statement) -> Option<&ObjectName> {
    let factor = match statement {
        Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => return Some(name),
            _ => return None,
        },
        Statement::Update(update) => &update.table.relation,
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
            &tables.first()?.relation
        }
        Statement::Merge(merge) => &merge.table,
        _ => return None,
    };
    match factor {
        TableFactor::Table { name, .. } => Some(name),
        _ => None,
    }
}

/// Tables that decide which rows an INSERT adds.
fn source_tables(
    insert: &Insert,
    named: &BTreeSet<ObjectPath>,
    resolve: impl Fn(&ObjectName) -> Option<ObjectPath>,
) -> BTreeSet<ObjectPath> {
    let Some(source) = &insert.source else {
        return BTreeSet::new();
    };
    let mut found = BTreeSet::new();
    let _: ControlFlow<()> = visit_relations(source, |name| {
        found.extend(resolve(name));
        ControlFlow::Continue(())
    });
    let is_values = matches!(*source.body, SetExpr::Values(_));
    let mut reads: BTreeSet<ObjectPath> = named.intersection(&found).cloned().collect();
    if !is_values && reads.is_empty() && !found.is_empty() {
        // Names that only the lowering could resolve: assume that all of them are read.
        reads.clone_from(named);
    }
    reads
}

/// Refuses to change what the account came with.
pub(super) fn refuse_built_in(path: &ObjectPath) -> Result<(), SqlError> {
    let database = path.schema.database.as_str();
    let refused = database == sample::DATABASE
        || database == SNOWFLAKE
        || path.schema.schema == Name::exact(INFORMATION_SCHEMA);
    if !refused {
        return Ok(());
    }
    let text = format!(
        "SQL access control error:\nInsufficient privileges to operate on table '{}'",
        path.name.as_str()
    );
    Err(SqlError::new("003001", "42501", text))
}
