//! What goes in and out of a session: the words that all rooms share.
//!
//! The wire rooms fill a [`Submission`] and read a [`StatementOutput`]; every room below refuses with an
//! [`SqlError`]. The words lie below all rooms, so that none has to look up at the session for them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use arrow_array::RecordBatch;
use snowflake_emulator_engine::SqlType;
use tokio::sync::mpsc;
use uuid::Uuid;

/// What a login asks for.
#[derive(Clone, Debug, Default)]
pub struct SessionSpec {
    /// Login name, upper-cased by the session.
    pub user: String,
    /// Role to start with.
    pub role: Option<String>,
    /// Roles that the session may take.
    pub roles: Roles,
    /// Warehouse to start with.
    pub warehouse: Option<String>,
    /// Database to start with.
    pub database: Option<String>,
    /// Schema to start with.
    pub schema: Option<String>,
    /// Session parameters, as given.
    pub parameters: BTreeMap<String, ParameterValue>,
}

impl SessionSpec {
    /// A name that is meant as it is written, in the form in which logins take such names.
    pub fn exact_name(name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Which roles a session may take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roles {
    /// Whichever there are, one after the other.
    #[default]
    Any,
    /// One of these, named in the form in which logins take names, and then no other. Who names none gets the first.
    Only(Vec<String>),
}

/// Value of a session or statement parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterValue {
    /// Text.
    Text(String),
    /// Truth.
    Bool(bool),
    /// Number.
    Integer(i64),
}

/// Identity of a query, Snowflake's form of a UUID.
pub type QueryId = Uuid;

/// One request to run SQL text.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Identity given by the wire room.
    pub query_id: QueryId,
    /// SQL text.
    pub sql: String,
    /// Values for `?` (1-based position as key) or `:name`.
    pub bindings: BTreeMap<String, Binding>,
    /// Location in a stage, such as `@SYSTEM$BIND/1`, of CSV files with the values of an array binding.
    pub bind_stage: Option<String>,
    /// Statement-level parameters, upper-case names.
    pub parameters: BTreeMap<String, ParameterValue>,
    /// Compile only.
    pub describe_only: bool,
    /// `MULTI_STATEMENT_COUNT`: `None` is what `parameters`, else the session's say; 0 means any.
    pub statement_count: Option<u32>,
}

/// A bound value: Snowflake's binding type and text, one text per row for array binds.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Binding type, such as `FIXED` or `TEXT`.
    pub type_name: String,
    /// Values; one for a plain bind.
    pub values: Vec<Option<String>>,
    /// True when the request gave an array.
    pub is_array: bool,
}

/// What came of a statement.
#[derive(Debug)]
pub struct StatementOutput {
    /// Identity of the query.
    pub query_id: QueryId,
    /// Snowflake's `statementTypeId`.
    pub statement_type: u32,
    /// Columns of the result.
    pub columns: Vec<ResultColumn>,
    /// Rows of the result.
    pub rows: Rows,
    /// Rows changed, for DML.
    pub stats: Option<DmlStats>,
    /// Session context afterwards.
    pub context: ContextSnapshot,
    /// Placeholders found, for describe.
    pub bind_count: u32,
    /// Outputs of the single statements of a multi-statement request.
    pub children: Vec<StatementOutput>,
    /// Files that the client is to move, for PUT and GET.
    pub transfer: Option<Box<Transfer>>,
}

/// Files that move between a client and a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// `PUT`.
    Upload(Upload),
    /// `GET`.
    Download(Download),
}

/// Where a client's files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Files on the client, as written in the statement; may hold wildcards.
    pub source: String,
    /// Folder of the stage within the store.
    pub area: String,
    /// How the files' names in the stage begin: empty, or with a `/` at its end.
    pub prefix: String,
    /// Files that the client moves at a time.
    pub parallel: u32,
    /// The client compresses what is not compressed.
    pub auto_compress: bool,
    /// `AUTO_DETECT`, or the compression that the client is told of, in lower case.
    pub source_compression: String,
    /// Files of the same name are replaced.
    pub overwrite: bool,
}

/// Which files a client fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Folder on the client.
    pub local: String,
    /// Files that the client moves at a time.
    pub parallel: u32,
    /// The files: their names relative to the statement's location, where they lie, and their sizes.
    pub files: Vec<(String, PathBuf, u64)>,
}

/// Results of earlier statements, kept by whoever answers clients.
pub trait KeptResults: fmt::Debug + Send + Sync {
    /// The result of a user's earlier statement, if it ended well and is still kept.
    fn result(&self, user: &str, query_id: QueryId) -> Option<KeptResult>;
}

/// A result that is kept.
pub struct KeptResult {
    /// Its columns.
    pub columns: Vec<ResultColumn>,
    /// Reads its rows from a number of a batch on; none at the end.
    pub batches: KeptBatches,
}

/// Reads a part of a result; none when there is no such part.
pub type KeptBatches = Box<dyn Fn(usize) -> Result<Option<Vec<RecordBatch>>, SqlError> + Send>;

/// Rows of a result.
#[derive(Debug)]
pub enum Rows {
    /// All of them; small results, DML counts, SHOW.
    Ready(Vec<RecordBatch>),
    /// As the engine makes them; an error ends the stream.
    Stream(mpsc::Receiver<Result<RecordBatch, SqlError>>),
}

/// A column of a result as Snowflake describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultColumn {
    /// Name in the server's case.
    pub name: String,
    /// Type; the batches hold the physical type named there.
    pub sql_type: SqlType,
    /// May hold NULL.
    pub nullable: bool,
    /// Database, schema and table it comes from; empty when unknown.
    pub origin: [String; 3],
}

/// Rows that a DML statement changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmlStats {
    /// Inserted.
    pub inserted: u64,
    /// Updated.
    pub updated: u64,
    /// Deleted.
    pub deleted: u64,
}

/// Where a session is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextSnapshot {
    /// Current database.
    pub database: Option<String>,
    /// Current schema.
    pub schema: Option<String>,
    /// Current warehouse.
    pub warehouse: Option<String>,
    /// Current role.
    pub role: Option<String>,
    /// True while a transaction is open.
    pub transaction_open: bool,
}

/// An SQL failure in Snowflake's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// Snowflake's code, six digits, for example `002003`.
    pub code: &'static str,
    /// SQLSTATE, for example `42S02`.
    pub sql_state: &'static str,
    /// Snowflake's text, with its first line (`SQL compilation error:`) where it has one.
    pub message: String,
    /// 1-based line and 0-based position in that line, where known.
    pub position: Option<(u32, u32)>,
}

/// Quotes a text literal for Snowflake's SQL, in which a backslash begins an escape.
pub fn snowflake_literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
