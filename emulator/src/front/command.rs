//! Statements that our own parser reads.

use std::time::Duration;

use sqlparser::ast::Statement;

use super::{AlterSequence, CreateSequence, Parsed, Show, StageCommand};
use crate::catalog::names::Name;

/// A dotted name as written; an empty part stands for the omitted one in `db..t`.
pub type Path = Vec<Name>;

/// A statement that is not `sqlparser`'s.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `SHOW …`.
    Show(Show),
    /// `DESCRIBE TABLE | VIEW …`.
    Describe(Describe),
    /// `DESCRIBE RESULT …`: a query that gives the id of the statement whose result it is.
    DescribeResult(Box<Statement>),
    /// `EXPLAIN …`.
    Explain(Explain),
    /// `EXECUTE IMMEDIATE …`.
    ExecuteImmediate(Immediate),
    /// `USE …`.
    Use(Use),
    /// `SET name = …`: the variables, and a query that gives their values in one row.
    Set(Vec<Name>, Box<Statement>),
    /// `UNSET name, …`.
    Unset(Vec<Name>),
    /// `ALTER SESSION SET | UNSET …`.
    AlterSession(AlterSession),
    /// `BEGIN`, `START TRANSACTION`, with its name.
    Begin(Option<Name>),
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// `CREATE DATABASE | SCHEMA`.
    CreateNamespace(CreateNamespace),
    /// `DROP DATABASE | SCHEMA`.
    DropNamespace(DropObject<NamespaceKind>),
    /// `UNDROP DATABASE | SCHEMA`.
    UndropNamespace(NamespaceKind, Path),
    /// `UNDROP TABLE`.
    UndropTable(Path),
    /// `ALTER DATABASE | SCHEMA`.
    AlterNamespace(AlterObject<NamespaceKind>),
    /// `CREATE WAREHOUSE | ROLE`.
    CreateAccountObject(CreateAccountObject),
    /// `DROP WAREHOUSE | ROLE`.
    DropAccountObject(DropObject<AccountKind>),
    /// `ALTER WAREHOUSE | ROLE`.
    AlterAccountObject(AlterObject<AccountKind>),
    /// `CREATE TABLE … USING TEMPLATE`.
    CreateFromTemplate(CreateFromTemplate),
    /// `CREATE SEQUENCE`.
    CreateSequence(CreateSequence),
    /// `ALTER SEQUENCE`.
    AlterSequence(AlterSequence),
    /// `DROP SEQUENCE`.
    DropSequence(DropObject<()>),
    /// `ALTER TABLE … SET | UNSET …` of options.
    AlterTable(AlterObject<()>),
    /// `ALTER VIEW`.
    AlterView(AlterObject<()>),
    /// `GRANT …` and `REVOKE …`.
    Grant(Grant),
    /// `SYSTEM$WAIT(…)`.
    Wait(Wait),
    /// Stages, file formats and the files in stages.
    Stage(StageCommand),
    /// `COMMENT ON …`.
    Comment(Comment),
    /// `ALTER TABLE … ALTER … COMMENT …`: comments on columns of one table.
    CommentColumns(Vec<Comment>),
    /// `TRUNCATE TABLE`.
    Truncate {
        /// No error when it is not there.
        if_exists: bool,
        /// The table.
        path: Path,
    },
}

/// Kinds of things that hold other things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceKind {
    /// `DATABASE`.
    Database,
    /// `SCHEMA`.
    Schema,
}

/// Kinds of things that belong to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// `WAREHOUSE`.
    Warehouse,
    /// `ROLE`.
    Role,
}

/// A `DESCRIBE` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Describe {
    /// Of what kind it is said to be.
    pub kind: DescribeKind,
    /// What is described.
    pub path: Path,
}

/// What a `DESCRIBE` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescribeKind {
    /// Columns of a table or view.
    Table,
    /// Columns of a view.
    View,
    /// A sequence.
    Sequence,
    /// What is in a schema.
    Schema,
    /// What is in a database.
    Database,
}

/// An `EXPLAIN` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// How the plan is shown.
    pub form: ExplainForm,
    /// The statement whose plan is shown.
    pub statement: Box<Parsed>,
    /// Number of that statement's first token.
    pub first_token: usize,
}

/// How `EXPLAIN` shows a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExplainForm {
    /// A row for each operator.
    Tabular,
    /// One text of JSON.
    Json,
    /// One text for people.
    Text,
}

/// An `EXECUTE IMMEDIATE` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Immediate {
    /// The statement that is run, where it is written as a text.
    pub literal: Option<String>,
    /// Gives in one row the statement, unless it is written as a text, and then the values bound to it; none where
    /// there is nothing to be found out.
    pub values: Option<Box<Statement>>,
}

/// A `USE` statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Use {
    /// `USE [DATABASE] d`, `USE d.s` is a schema.
    Database(Name),
    /// `USE SCHEMA [d.]s`.
    Schema(Path),
    /// `USE WAREHOUSE w`.
    Warehouse(Name),
    /// `USE ROLE r`.
    Role(Name),
    /// `USE SECONDARY ROLES …`.
    SecondaryRoles(String),
}

/// An `ALTER SESSION` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterSession {
    /// Parameters to set.
    pub set: Vec<Property>,
    /// Parameters to reset.
    pub unset: Vec<String>,
}

/// `NAME = value` as options of statements are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Upper-case name.
    pub name: String,
    /// Value.
    pub value: PropertyValue,
}

/// Value of a [`Property`].
#[derive(Clone, Debug, PartialEq)]
pub enum PropertyValue {
    /// A text in quotes.
    Text(String),
    /// A bare word or name, upper-case unless quoted.
    Word(String),
    /// A whole number.
    Integer(i64),
    /// `TRUE` or `FALSE`.
    Bool(bool),
}

/// A `CREATE DATABASE` or `CREATE SCHEMA` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateNamespace {
    /// Which.
    pub kind: NamespaceKind,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `TRANSIENT`.
    pub transient: bool,
    /// Name.
    pub path: Path,
    /// `CLONE`.
    pub clone: Option<Path>,
    /// `INCLUDE INTERNAL STAGES` of what is cloned.
    pub clone_stages: bool,
    /// Options.
    pub properties: Vec<Property>,
}

/// A `DROP` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct DropObject<K> {
    /// What.
    pub kind: K,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Name.
    pub path: Path,
    /// `RESTRICT`: refuse when something is in it.
    pub restrict: bool,
}

/// An `ALTER` statement on something other than a table or view.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterObject<K> {
    /// What.
    pub kind: K,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Name; empty for the current one.
    pub path: Path,
    /// What is done.
    pub change: Change,
}

/// What an `ALTER` does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// `RENAME TO`.
    Rename(Path),
    /// `SWAP WITH`.
    Swap(Path),
    /// `SET …`.
    Set(Vec<Property>),
    /// `UNSET …`.
    Unset(Vec<String>),
    /// `SUSPEND`.
    Suspend,
    /// `RESUME`.
    Resume,
    /// `ABORT ALL QUERIES`.
    AbortAllQueries,
}

/// A `CREATE WAREHOUSE` or `CREATE ROLE` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateAccountObject {
    /// Which.
    pub kind: AccountKind,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Name.
    pub name: Name,
    /// Options.
    pub properties: Vec<Property>,
}

/// A `GRANT` or `REVOKE` statement; recorded, not enforced.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// `REVOKE`.
    pub revoke: bool,
    /// Privileges in upper case; `USAGE` of a role for a granted role.
    pub privileges: Vec<String>,
    /// Kind of the object in upper case, such as `TABLE` or `ALL TABLES IN SCHEMA`.
    pub on_kind: String,
    /// Name of the object.
    pub on: Path,
    /// `ROLE`, `USER` or `DATABASE ROLE`.
    pub grantee_kind: String,
    /// To or from whom.
    pub grantee: Path,
    /// `WITH GRANT OPTION`.
    pub grant_option: bool,
}

/// A call of `SYSTEM$WAIT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// How long.
    pub duration: Duration,
    /// What it answers.
    pub told: String,
    /// Name of the answer's column.
    pub column: String,
    /// Written with `CALL`, not as a query.
    pub called: bool,
}

/// What a comment is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentKind {
    /// A database or schema.
    Namespace(NamespaceKind),
    /// A warehouse or role.
    Account(AccountKind),
    /// A table.
    Table,
    /// A view.
    View,
    /// A column; the path's last part is its name.
    Column,
    /// A sequence.
    Sequence,
}

/// A `COMMENT` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    /// What it is on.
    pub kind: CommentKind,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Name.
    pub path: Path,
    /// The text.
    pub text: String,
}

/// `CREATE TABLE … USING TEMPLATE (query) …`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFromTemplate {
    /// What stands before `USING`.
    pub head: String,
    /// Gives the columns.
    pub query: Box<Statement>,
    /// What stands behind the query.
    pub tail: String,
}
