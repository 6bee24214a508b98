//! Statements about stages, file formats and files.

use sqlparser::ast::Statement;

use super::command::{DropObject, Path};
use super::location::Location;
use crate::catalog::names::Name;

/// A statement about stages or file formats.
#[derive(Clone, Debug, PartialEq)]
pub enum StageCommand {
    /// `CREATE STAGE`.
    CreateStage(CreateFileObject),
    /// `ALTER STAGE … SET`.
    AlterStage(AlterFileObject),
    /// `DROP STAGE`.
    DropStage(DropObject<()>),
    /// `DESCRIBE STAGE`.
    DescribeStage(Path),
    /// `CREATE FILE FORMAT`.
    CreateFormat(CreateFileObject),
    /// `ALTER FILE FORMAT … SET`.
    AlterFormat(AlterFileObject),
    /// `DROP FILE FORMAT`.
    DropFormat(DropObject<()>),
    /// `DESCRIBE FILE FORMAT`.
    DescribeFormat(Path),
    /// `LIST`.
    List(FileSelection),
    /// `REMOVE`.
    Remove(FileSelection),
    /// `PUT`.
    Put(Transfer),
    /// `GET`.
    Get(Transfer),
    /// `COPY INTO table`.
    CopyIn(Box<CopyIn>),
    /// `COPY INTO @stage`.
    CopyOut(Box<CopyOut>),
}

/// `NAME = value` of an option that may be a list or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Upper-case name.
    pub name: String,
    /// Value.
    pub value: SettingValue,
}

/// Value of a [`Setting`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// A text, number or word.
    One {
        /// The value; a word is in upper case.
        text: String,
        /// It stood in quotes.
        quoted: bool,
    },
    /// `('a', 'b')`.
    Many(Vec<String>),
    /// `(NAME = value …)`.
    Group(Vec<Setting>),
}

/// A `CREATE STAGE` or `CREATE FILE FORMAT`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFileObject {
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Name.
    pub path: Path,
    /// Options.
    pub settings: Vec<Setting>,
}

/// An `ALTER STAGE` or `ALTER FILE FORMAT`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterFileObject {
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Name.
    pub path: Path,
    /// What is done.
    pub change: FileObjectChange,
}

/// What an [`AlterFileObject`] does.
#[derive(Clone, Debug, PartialEq)]
pub enum FileObjectChange {
    /// `RENAME TO`.
    Rename(Path),
    /// `SET …`.
    Set(Vec<Setting>),
    /// `UNSET …`.
    Unset(Vec<String>),
}

/// Files of a stage that a `LIST` or `REMOVE` is about.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSelection {
    /// Where.
    pub location: Location,
    /// Regular expression that the whole name must fit.
    pub pattern: Option<String>,
}

/// A `PUT` or `GET`.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// File or folder on the client, as written, without `file://`.
    pub local: String,
    /// Where in a stage.
    pub location: Location,
    /// Options.
    pub settings: Vec<Setting>,
}

/// A `COPY INTO` a table.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyIn {
    /// The table.
    pub target: Path,
    /// Its columns that are loaded; empty for all.
    pub columns: Vec<Name>,
    /// Where the rows come from.
    pub source: CopySource,
    /// Options.
    pub settings: Vec<Setting>,
}

/// Where the rows of a [`CopyIn`] come from.
#[derive(Clone, Debug, PartialEq)]
pub enum CopySource {
    /// A stage as it is.
    Stage(Location),
    /// A query over one stage.
    Query(Box<Statement>),
}

/// A `COPY INTO` a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyOut {
    /// Where the files go.
    pub location: Location,
    /// The query whose rows go there.
    pub query: Box<Statement>,
    /// Text of the expression of `PARTITION BY`.
    pub partition: Option<String>,
    /// Options.
    pub settings: Vec<Setting>,
}
