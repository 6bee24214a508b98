//! DDL: planned and carried out in one transaction of its own, then its effects on the session.

use snowflake_emulator_engine::EngineError;

use super::dml::is_conflict;
use super::query::result_columns;
use super::transaction::Replayer;
use super::worker::{Replay, Work, Worker};
use super::{SqlError, StatementOutput};
use crate::catalog::Catalog;
use crate::catalog::names::Name;
use crate::catalog::records::{Column, record_columns};
use crate::lower::Scope;
use crate::plan::shape;
use crate::plan::{DdlPlan, Effect, Failure, Planner, Step, Temporary, plan_ddl};

/// How often a statement is tried again after another session changed the same objects first.
const ATTEMPTS_MAX: u32 = 20;

impl Worker {
    /// Runs a statement that changes objects; an open transaction is committed first, as in Snowflake.
    pub(super) fn ddl(&mut self, work: &Work<'_>) -> Result<StatementOutput, SqlError> {
        self.commit()?;
        let mut attempts = 0;
        let (plan, kept) = loop {
            match self.attempt(work) {
                Ok(Some(done)) => break done,
                Ok(None) => {}
                Err(failure) => {
                    attempts += 1;
                    if !is_conflict(&failure) || attempts >= ATTEMPTS_MAX {
                        return Err(self.in_words(failure));
                    }
                    self.pause(attempts)?;
                }
            }
        };
        self.shared.versions.committed(&plan.touched);
        self.shared.versions.redefined();
        plan.effects.iter().for_each(|effect| self.effect(effect));
        for temporary in kept {
            self.state.keep_temporary(temporary);
        }
        self.cache.clear();
        Ok(self.answer(work, shape::status(&plan.status), None))
    }

    /// `None` when sample data was made, which only a new transaction sees.
    fn attempt(&mut self, work: &Work<'_>) -> Result<Option<(DdlPlan, Vec<Temporary>)>, Failure> {
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
        let owner = self.state.owner();
        let scope: Scope<'_> = self
            .state
            .scope(&work.moment, work.piece.text, work.bindings, None);
        let mut planner = Planner {
            catalog: Catalog::new(self.connection.as_mut()),
            scope,
            temporary: &self.state.temporary,
            owner: &owner,
            now_ms: work.moment.ms(),
            text: work.piece.text,
        };
        let plan = plan_ddl(&mut planner, work.parsed, self.state.warehouse.as_ref())?;
        if self.make_available(&plan.reads)? {
            return Ok(None);
        }
        let mut kept = Vec::new();
        for step in &plan.steps {
            self.control.check()?;
            match step {
                Step::Sql(sql) => {
                    self.connection.execute(sql)?;
                }
                Step::RecordColumns { object_id, physical } => {
                    let columns = self.columns_of(physical)?;
                    if let Some(statement) = record_columns(*object_id, 1, &columns) {
                        self.connection.execute(&statement)?;
                    }
                }
                Step::KeepTemporary(temporary) => {
                    let mut temporary = temporary.as_ref().clone();
                    if temporary.columns.is_empty() {
                        temporary.columns = self.columns_of(&temporary.object.path.physical_temporary())?;
                    }
                    kept.push(temporary);
                }
            }
        }
        Ok(Some((plan, kept)))
    }

    /// Columns that an engine table or view has.
    fn columns_of(&mut self, physical: &str) -> Result<Vec<Column>, EngineError> {
        let described = self.connection.describe(&format!("SELECT * FROM {physical}"))?;
        let columns = result_columns(&described);
        Ok(columns
            .iter()
            .map(|column| Column::new(Name::exact(column.name.clone()), &column.sql_type))
            .collect())
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
            Effect::Bury(paths) => self.shared.buried.add(paths),
            Effect::Unbury(paths) => self.shared.buried.remove(paths),
            Effect::AbortAllQueries => self.shared.stop_all(state.id),
        }
    }
}
