//! What a lowering may know besides the syntax tree, and what it gives back.

use std::collections::{BTreeMap, BTreeSet};

use snowflake_emulator_engine::SqlType;

use super::kinds::ColumnKinds;
use super::outline::Outline;
use super::sources::Source;
use crate::catalog::names::{NameScope, ObjectPath};
use crate::contract::{Binding, ResultColumn, SqlError};

/// Everything outside the statement that its meaning depends on.
///
/// A plain value: the session fills it in for each statement, nothing in it is looked up later.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Current database and schema, and the session's temporary tables.
    pub names: NameScope<'a>,
    /// The statement's own SQL text, from which the names of unaliased columns are cut; without it they
    /// are written from the syntax tree.
    pub source: Option<&'a str>,
    /// What functions such as `CURRENT_USER()` answer.
    pub facts: Facts<'a>,
    /// Session variables by upper-case name, for `$NAME`.
    pub variables: &'a BTreeMap<String, Constant>,
    /// Values for `?` (1-based position as key) and `:name`.
    pub bindings: &'a BTreeMap<String, Binding>,
    /// Tables that the session has made for the statement's stages, results and past tables, by their
    /// [`SourceRequest::key`](super::SourceRequest).
    pub sources: &'a BTreeMap<String, Source>,
    /// Columns of the statement's tables, of which some types matter before the engine binds them.
    pub columns: &'a ColumnKinds,
    /// Columns of the table that an INSERT or UPDATE changes, where they are known.
    pub target: &'a [ResultColumn],
    /// Seed for `RANDOM`, `UUID_STRING` and their like when the statement must give the same answer
    /// again (it may be replayed after an error in its transaction); `None` leaves them free.
    pub random_seed: Option<i64>,
}

/// Answers of the session functions.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Login name.
    pub user: &'a str,
    /// Current role.
    pub role: Option<&'a str>,
    /// Current warehouse.
    pub warehouse: Option<&'a str>,
    /// Account locator.
    pub account: &'a str,
    /// Region, such as `LOCAL`.
    pub region: &'a str,
    /// Server version, such as `9.35.0`.
    pub version: &'a str,
    /// Session id.
    pub session_id: u64,
    /// Id of the open transaction.
    pub transaction_id: Option<u64>,
    /// Ids of the session's queries so far, oldest first.
    pub query_ids: &'a [String],
    /// When the statement began: nanoseconds since 1970 in UTC.
    pub statement_time_ns: i64,
    /// `TIMEZONE` parameter.
    pub zone: &'a str,
    /// Offset of that zone from UTC at the statement's time, in minutes.
    pub zone_offset_minutes: i32,
    /// Client that logged in, such as `PythonConnector 4.8.0`.
    pub client: &'a str,
    /// Address the client came from.
    pub ip_address: &'a str,
}

/// A value with its type, as session variables hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Snowflake type.
    pub sql_type: SqlType,
    /// The value as Snowflake writes it as text; `None` is NULL.
    pub text: Option<String>,
}

/// A statement in the engine's SQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lowered {
    /// Queries that must find no row, run first and in the same transaction.
    pub guards: Vec<Guard>,
    /// Statements to run before the main one, in the same transaction.
    pub before: Vec<String>,
    /// The main statement.
    pub sql: String,
    /// How the main statement answers.
    pub answer: Answer,
    /// The meaning depends on the session or the clock: do not keep the lowered text for other statements.
    pub uses_session_state: bool,
    /// Tables, views and sequences that it names.
    pub tables: BTreeSet<ObjectPath>,
    /// Columns that a `CREATE TABLE` declares, in order; empty for a `CREATE TABLE ... AS` without types, of which
    /// the main statement is the query.
    pub columns: Vec<DeclaredColumn>,
    /// Names that a `CREATE TABLE ... AS` without types or a `CREATE VIEW` gives to the query's columns.
    pub names: Vec<String>,
    /// Where the columns of a query come from, as far as its text tells.
    pub outline: Option<Outline>,
}

/// A query that must find no row, and the error when it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Engine SQL.
    pub sql: String,
    /// The statement's error if there is a row.
    pub error: SqlError,
}

/// How an engine statement answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// With rows.
    #[default]
    Rows,
    /// With the number of rows it inserted.
    Inserted,
    /// With the number of rows it updated.
    Updated,
    /// With the number of rows it deleted.
    Deleted,
    /// With one row for each row it changed, whose only column is `INSERT`, `UPDATE` or `DELETE`.
    MergeActions,
    /// Not at all (DDL).
    Nothing,
}

/// A column as `CREATE TABLE` or `ALTER TABLE ... ADD COLUMN` declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredColumn {
    /// Name as Snowflake holds it.
    pub name: String,
    /// Type.
    pub sql_type: SqlType,
    /// May hold NULL.
    pub nullable: bool,
    /// Default as written, also `IDENTITY START 1 INCREMENT 1`.
    pub default: Option<String>,
    /// The engine's text of the default.
    pub engine_default: Option<String>,
    /// Part of the primary key.
    pub primary_key: bool,
    /// Has a unique key of its own.
    pub unique: bool,
    /// Comment.
    pub comment: Option<String>,
}
