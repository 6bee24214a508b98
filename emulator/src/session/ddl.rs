//! DDL: planned and carried out in one transaction of its own, then its effects on the session.

use std::collections::BTreeSet;

use sqlparser::ast::{CreateTable, Statement};

use super::described::{described, rename};
use super::dml::is_conflict;
use super::replay::Replay;
use super::transaction::Replayer;
use super::worker::{Work, Worker};
use super::{DmlStats, ResultColumn, SqlError, StatementOutput, facts};
use crate::catalog::Catalog;
use crate::catalog::files::Stage;
use crate::catalog::names::mangle;
use crate::catalog::records::{Column, record_columns};
use crate::front::{Command, Parsed, StageCommand};
use crate::lower::{NO_COLUMNS, NO_SOURCES, Scope, plain_column};
use crate::plan::shape;
use crate::plan::{DdlPlan, Effect, Failure, Made, Planner, Step, Temporary, plan_ddl};

/// How often a statement is tried again after another session changed the same objects first.
const ATTEMPTS_MAX: u32 = 20;

/// True for a statement that makes or drops a temporary stage or file format: it touches neither rows nor the
/// catalog, so that it need not commit what is open. Clients put bound values into such stages.
fn is_about_temporary_files(parsed: &Parsed) -> bool {
    matches!(
        parsed,
        Parsed::Command(Command::Stage(
            StageCommand::CreateStage(made) | StageCommand::CreateFormat(made)
        )) if made.temporary
    )
}

impl Worker {
    /// Runs a statement that changes objects; an open transaction is committed first, as in Snowflake.
    pub(super) fn ddl(&mut self, work: &Work<'_>) -> Result<StatementOutput, SqlError> {
        if let Parsed::Command(Command::CreateFromTemplate(template)) = work.parsed {
            let text = self.filled_template(template, work)?;
            let pieces = crate::front::split(&text)?;
            return self.ddl(&Work {
                parsed: &crate::front::parse(&pieces[0])?,
                piece: &pieces[0],
                moment: work.moment.clone(),
                ..*work
            });
        }
        // A default that is added is asked for the rows that are there.
        self.tell_whereabouts()?;
        if !is_about_temporary_files(work.parsed) {
            self.commit()?;
        }
        let before = self
            .shared
            .history
            .keep(self.shared.engine.as_ref(), facts::now_ns());
        let attempted = self.attempts(work);
        self.after_write(before, work.query_id, attempted.is_ok().then(DmlStats::default));
        let (plan, kept) = attempted?;
        self.shared.versions.committed(&plan.touched);
        // Other sessions keep what they know: they never saw a temporary thing.
        if !plan.is_of_session() && !is_about_temporary_files(work.parsed) {
            self.shared.versions.redefined();
        }
        plan.effects.iter().for_each(|effect| self.effect(effect));
        for temporary in kept {
            self.state.keep_temporary(temporary);
        }
        self.cache.clear();
        Ok(self.answer(work, shape::status(&plan.status), None))
    }

    fn attempts(&mut self, work: &Work<'_>) -> Result<(DdlPlan, Vec<Temporary>), SqlError> {
        let mut attempts = 0;
        loop {
            match self.attempt(work) {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => {}
                Err(failure) => {
                    attempts += 1;
                    if !is_conflict(&failure) || attempts >= ATTEMPTS_MAX {
                        return Err(self.in_words(failure));
                    }
                    self.pause(attempts)?;
                }
            }
        }
    }

    /// `None` when sample data was made, which only a new transaction sees.
    fn attempt(&mut self, work: &Work<'_>) -> Result<Option<(DdlPlan, Vec<Temporary>)>, Failure> {
        if self.transaction.is_some() {
            // What only the session knows touches nothing of the transaction.
            return self.attempt_inside(work);
        }
        self.connection.execute("BEGIN TRANSACTION")?;
        let result = self.attempt_inside(work).and_then(|done| {
            if done.is_some() {
                self.connection.execute("COMMIT")?;
            }
            Ok(done)
        });
        if !matches!(result, Ok(Some(_))) {
            self.control
                .protected(|| Replay(self.connection.as_mut()).rollback());
        }
        result
    }

    fn attempt_inside(&mut self, work: &Work<'_>) -> Result<Option<(DdlPlan, Vec<Temporary>)>, Failure> {
        if let Parsed::Sql(statement) = work.parsed
            && let Some(written) = self.with_written_columns(statement, work)?
        {
            return self.attempt_inside(&Work {
                parsed: &Parsed::Sql(Box::new(written)),
                moment: work.moment.clone(),
                ..*work
            });
        }
        let owner = self.state.owner();
        let mut columns = match work.parsed {
            Parsed::Sql(statement) => self.column_kinds(statement)?,
            Parsed::Command(_) => NO_COLUMNS.clone(),
        };
        let clone_source = self.past_of_clone(work)?;
        let resolved = match (work.parsed, &clone_source) {
            (Parsed::Sql(statement), None) => self.resolve(statement, work)?,
            _ => None,
        };
        if resolved.is_some()
            && matches!(work.parsed, Parsed::Sql(statement) if matches!(**statement, Statement::CreateView(_)))
        {
            return Err(SqlError::unsupported("VIEW over a stage, a result or a past table").into());
        }
        let (parsed, sources) = match &resolved {
            Some(resolved) => {
                resolved.tell(&mut columns);
                (
                    &Parsed::Sql(Box::new(resolved.statement.clone())),
                    &resolved.sources,
                )
            }
            None => (work.parsed, &NO_SOURCES),
        };
        let scope: Scope<'_> = Scope {
            sources,
            columns: &columns,
            ..self
                .state
                .scope(&work.moment, work.piece.text, work.bindings, None)
        };
        let mut planner = Planner {
            catalog: Catalog::new(self.connection.as_mut()),
            scope,
            temporary: &self.state.temporary,
            files: &self.state.files,
            owner: &owner,
            clone_source: clone_source.as_deref(),
            now_ms: work.moment.ms(),
            text: work.piece.text,
        };
        let plan = plan_ddl(&mut planner, parsed, self.state.warehouse.as_ref())?;
        if self.make_available(&plan.reads)? {
            return Ok(None);
        }
        let (mut kept, mut found) = (Vec::new(), Vec::new());
        for step in &plan.steps {
            self.control.check()?;
            match step {
                Step::Sql(sql) => {
                    self.connection.execute(sql)?;
                }
                Step::CreateAs {
                    physical,
                    is_temporary,
                    made,
                } => found = self.create_as(physical, *is_temporary, made)?,
                Step::FindColumns(made) => found = self.columns_of(made)?,
                Step::RecordColumns { object_id } => {
                    let columns: Vec<Column> = found.iter().map(Column::of_result).collect();
                    if let Some(statement) = record_columns(*object_id, 1, &columns) {
                        self.connection.execute(&statement)?;
                    }
                }
                Step::KeepTemporary(temporary) => {
                    let mut temporary = temporary.as_ref().clone();
                    if temporary.columns.is_empty() {
                        temporary.columns = found.iter().map(Column::of_result).collect();
                    }
                    kept.push(temporary);
                }
            }
        }
        Ok(Some((plan, kept)))
    }

    /// The engine's name of the past table that a CLONE copies; none for other statements.
    fn past_of_clone(&mut self, work: &Work<'_>) -> Result<Option<String>, SqlError> {
        let Parsed::Sql(statement) = work.parsed else {
            return Ok(None);
        };
        let Statement::CreateTable(CreateTable {
            clone: Some(name),
            version: Some(version),
            ..
        }) = statement.as_ref()
        else {
            return Ok(None);
        };
        let sql = format!("SELECT * FROM {name} {version}");
        let pieces = crate::front::split(&sql)?;
        let Parsed::Sql(query) = crate::front::parse(&pieces[0])? else {
            return Err(SqlError::internal("a generated query is a command"));
        };
        let resolved = self.resolve(&query, work)?;
        let source = resolved.and_then(|resolved| resolved.sources.into_values().next());
        match source {
            Some(source) => Ok(Some(source.sql)),
            None => Err(SqlError::unsupported(format!("CLONE {version}"))),
        }
    }

    /// Makes a table of a query, whose columns have the types that a client is told of the query's; gives them.
    fn create_as(
        &mut self,
        physical: &str,
        is_temporary: bool,
        made: &Made,
    ) -> Result<Vec<ResultColumn>, Failure> {
        let columns = self.columns_of(made)?;
        let declared: Vec<String> = columns.iter().map(plain_column).collect();
        let word = if is_temporary { "TEMPORARY " } else { "" };
        let create = format!("CREATE {word}TABLE {physical} ({})", declared.join(", "));
        self.connection.execute(&create)?;
        self.connection
            .execute(&format!("INSERT INTO {physical} {}", made.query))?;
        Ok(columns)
    }

    /// Columns of a query that a table or view is made of.
    fn columns_of(&mut self, made: &Made) -> Result<Vec<ResultColumn>, Failure> {
        let mut found = self.connection.describe(&made.query)?;
        let mut known = self.foreknown(made.outline.as_ref())?;
        if !made.names.is_empty() {
            if made.names.len() != found.len() {
                let text = "Invalid column definition list";
                return Err(SqlError::compilation("002026", "42601", text).into());
            }
            for (column, name) in found.iter_mut().zip(&made.names) {
                column.name = mangle(name);
            }
            rename(known.iter_mut().flatten(), &made.names);
        }
        let columns = described(&found, known, &self.state.parameters);
        let mut names = BTreeSet::new();
        match columns.iter().find(|column| !names.insert(column.name.as_str())) {
            Some(twice) => {
                let text = format!("duplicate column name '{}'", twice.name);
                Err(SqlError::compilation("002025", "42S21", text).into())
            }
            None => Ok(columns),
        }
    }

    /// Removes the files of a stage that is gone.
    fn clear_area(&self, stage: &Stage) {
        if let Err(error) = self.shared.store.clear(&self.area_of(stage)) {
            tracing::warn!(%error, "the files of a dropped stage could not be removed");
        }
    }

    fn effect(&mut self, effect: &Effect) {
        let state = &mut self.state;
        match effect {
            Effect::Go(database, schema) => {
                state.database = Some(database.clone());
                state.schema.clone_from(schema);
            }
            Effect::LeaveDatabase(database) => {
                if state.database.as_ref() == Some(database) {
                    state.database = None;
                    state.schema = None;
                }
            }
            Effect::LeaveSchema(path) => {
                if state.database.as_ref() == Some(&path.database)
                    && state.schema.as_ref() == Some(&path.schema)
                {
                    state.schema = None;
                }
            }
            Effect::UseWarehouse(name) => state.warehouse = Some(name.clone()),
            Effect::LeaveWarehouse(name) => {
                if state.warehouse.as_ref() == Some(name) {
                    state.warehouse = None;
                }
            }
            Effect::DropTemporary(path) => {
                state.forget_temporary(path);
            }
            Effect::RenameTemporary(from, to) => {
                if let Some(mut temporary) = state.forget_temporary(from) {
                    temporary.object.path = to.clone();
                    state.keep_temporary(temporary);
                }
            }
            Effect::KeepStage(stage) => {
                if stage.is_temporary {
                    state.files.made = state.files.made.max(stage.id);
                }
                state.files.stages.insert(stage.path.clone(), (**stage).clone());
            }
            Effect::ForgetStage(path) => {
                state.files.stages.remove(path);
            }
            Effect::DropStage(stage) => {
                if stage.is_temporary {
                    state.files.stages.remove(&stage.path);
                }
                self.clear_area(stage);
            }
            Effect::KeepFormat(format) => {
                state
                    .files
                    .formats
                    .insert(format.path.clone(), (**format).clone());
            }
            Effect::ForgetFormat(path) => {
                state.files.formats.remove(path);
            }
            Effect::Bury(paths) => self.shared.buried.add(paths),
            Effect::Unbury(paths) => self.shared.buried.remove(paths),
            Effect::AbortAllQueries => self.shared.stop_all(state.id),
        }
    }
}
