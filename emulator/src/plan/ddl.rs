//! What a statement that changes objects is turned into.

use std::collections::{BTreeMap, BTreeSet};

use snowflake_emulator_engine::EngineError;

use super::files::TemporaryFiles;
use crate::catalog::Catalog;
use crate::catalog::files::{Format, Stage};
use crate::catalog::names::{Name, ObjectPath, SchemaPath};
use crate::catalog::records::{Column, Object};
use crate::contract::SqlError;
use crate::lower::Scope;
use crate::lower::outline::Outline;

/// Why planning or running stopped: the user's fault or the engine's word.
///
/// They are kept apart because an engine's conflict is tried again and an error of ours is not.
#[derive(Debug)]
pub enum Failure {
    /// Final, in Snowflake's words.
    Sql(SqlError),
    /// The engine's.
    Engine(EngineError),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// What planning may look at.
pub struct Planner<'a> {
    /// The catalog, inside the statement's transaction.
    pub catalog: Catalog<'a>,
    /// What the lowering needs.
    pub scope: Scope<'a>,
    /// Temporary tables of the session.
    pub temporary: &'a BTreeMap<ObjectPath, Temporary>,
    /// Stages and file formats of the session.
    pub files: &'a TemporaryFiles,
    /// Role that will own what is made.
    pub owner: &'a str,
    /// Engine name of the past table that a CLONE copies instead of the one it names.
    pub clone_source: Option<&'a str>,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Text of the statement.
    pub text: &'a str,
}

/// A temporary table or view, which only its session knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Temporary {
    /// Its record; its identity is 0.
    pub object: Object,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// One thing to do in the statement's transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Engine SQL.
    Sql(String),
    /// Make a table of a query and of its columns.
    CreateAs {
        /// Engine name, ready to be written into SQL.
        physical: String,
        /// Belongs to the session alone.
        is_temporary: bool,
        /// The query.
        made: Box<Made>,
    },
    /// Find the columns of the query that a view has.
    FindColumns(Box<Made>),
    /// Record the columns that were found.
    RecordColumns {
        /// Whose columns.
        object_id: i64,
    },
    /// Keep a temporary table or view in the session; without columns, it has those that were found.
    KeepTemporary(Box<Temporary>),
}

/// A query that a table or view is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Engine SQL that has its columns.
    pub query: String,
    /// What its text tells of them.
    pub outline: Option<Outline>,
    /// Other names for all of them; empty when they keep theirs.
    pub names: Vec<String>,
}

/// What a statement changes in the session and the instance once it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The session goes to a schema, or to a database without one.
    Go(Name, Option<Name>),
    /// The session leaves a database that is gone.
    LeaveDatabase(Name),
    /// The session leaves a schema that is gone.
    LeaveSchema(SchemaPath),
    /// The session uses a warehouse.
    UseWarehouse(Name),
    /// The session leaves a warehouse that is gone.
    LeaveWarehouse(Name),
    /// The session's temporary table is gone.
    DropTemporary(ObjectPath),
    /// The session's temporary table has another name.
    RenameTemporary(ObjectPath, ObjectPath),
    /// Schemas whose engine schema stays although they are dropped.
    Bury(Vec<SchemaPath>),
    /// Schemas that are no longer dropped.
    Unbury(Vec<SchemaPath>),
    /// The session has a temporary stage.
    KeepStage(Box<Stage>),
    /// A stage is gone, with its files.
    DropStage(Box<Stage>),
    /// The session's temporary stage has another name.
    ForgetStage(ObjectPath),
    /// The session has a temporary file format.
    KeepFormat(Box<Format>),
    /// The session's temporary file format is gone.
    ForgetFormat(ObjectPath),
    /// Stop the statements that run in all sessions.
    AbortAllQueries,
}

/// What to do for a statement that changes objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DdlPlan {
    /// In order, in one transaction.
    pub steps: Vec<Step>,
    /// Answer when all went well.
    pub status: String,
    /// Afterwards.
    pub effects: Vec<Effect>,
    /// Tables whose rows are others afterwards.
    pub touched: Vec<ObjectPath>,
    /// Tables and views that its steps read.
    pub reads: BTreeSet<ObjectPath>,
}

impl DdlPlan {
    /// Nothing to do but to answer.
    pub fn only(status: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            ..Self::default()
        }
    }

    /// True when only the session has what is made, changed or dropped: its temporary tables.
    pub fn is_of_session(&self) -> bool {
        let is_gone = |effect: &Effect| matches!(effect, Effect::DropTemporary(_));
        // What else is dropped beside a temporary table takes steps more.
        let only_drops = self.effects.len() == self.steps.len() && self.effects.iter().all(is_gone);
        (only_drops && !self.effects.is_empty())
            || self
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::RenameTemporary(..)))
            || self
                .steps
                .iter()
                .any(|step| matches!(step, Step::KeepTemporary(_)))
    }

    /// The answer of statements that have no text of their own.
    pub fn executed() -> Self {
        Self::only("Statement executed successfully.")
    }

    /// Adds engine SQL.
    pub fn sql(&mut self, sql: impl Into<String>) {
        self.steps.push(Step::Sql(sql.into()));
    }

    /// Adds engine statements.
    pub fn all(&mut self, statements: impl IntoIterator<Item = String>) {
        self.steps.extend(statements.into_iter().map(Step::Sql));
    }
}

/// `T already exists, statement succeeded.`
pub(super) fn exists_already(name: &Name) -> DdlPlan {
    DdlPlan::only(format!("{} already exists, statement succeeded.", name.as_str()))
}

/// `Drop statement executed successfully (T already dropped).`
pub(super) fn dropped_already(name: &Name) -> DdlPlan {
    DdlPlan::only(format!(
        "Drop statement executed successfully ({} already dropped).",
        name.as_str()
    ))
}

impl Planner<'_> {
    /// Fails unless the schema is there and may be changed.
    pub(super) fn writable_schema(&mut self, path: &SchemaPath) -> Result<(), Failure> {
        let Some(database) = self.catalog.database(&path.database)? else {
            return Err(SqlError::no_such("Database", &path.database).into());
        };
        if self.catalog.schema(path)?.is_none() {
            return Err(SqlError::no_such("Schema", path).into());
        }
        if database.kind != "STANDARD" || path.schema.as_str() == crate::catalog::names::INFORMATION_SCHEMA {
            return Err(SqlError::new(
                "003001",
                "42501",
                format!(
                    "SQL access control error:\nInsufficient privileges to operate on schema '{}'",
                    path.schema.as_str()
                ),
            )
            .into());
        }
        Ok(())
    }
}
