//! SHOW: what is listed, and where.

use super::Path;

/// What `SHOW` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowKind {
    /// `DATABASES`.
    Databases,
    /// `SCHEMAS`.
    Schemas,
    /// `TABLES`.
    Tables,
    /// `VIEWS`.
    Views,
    /// `OBJECTS`: tables and views.
    Objects,
    /// `COLUMNS`.
    Columns,
    /// `SEQUENCES`.
    Sequences,
    /// `WAREHOUSES`.
    Warehouses,
    /// `ROLES`.
    Roles,
    /// `GRANTS`.
    Grants,
    /// `PARAMETERS`.
    Parameters,
    /// `VARIABLES`.
    Variables,
    /// `TRANSACTIONS`.
    Transactions,
    /// `USERS`.
    Users,
    /// `FUTURE GRANTS`.
    FutureGrants,
    /// What Snowflake lists and the emulator has none of.
    Absent(Absent),
    /// `PRIMARY KEYS`.
    PrimaryKeys,
    /// `STAGES`.
    Stages,
    /// `FILE FORMATS`.
    FileFormats,
    /// `UNIQUE KEYS`.
    UniqueKeys,
    /// `IMPORTED KEYS`: foreign keys, by the table that has them.
    ImportedKeys,
    /// `EXPORTED KEYS`: foreign keys, by the table that they refer to.
    ExportedKeys,
}

/// Things of which there are none here, so that their lists are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// `ALERTS`.
    Alerts,
    /// `DYNAMIC TABLES`.
    DynamicTables,
    /// `EXTERNAL TABLES`.
    ExternalTables,
    /// `FUNCTIONS`, also with `USER`, `BUILTIN` or `EXTERNAL` before it.
    Functions,
    /// `INTEGRATIONS` of any kind.
    Integrations,
    /// `MASKING POLICIES`, `ROW ACCESS POLICIES`.
    Policies,
    /// `MATERIALIZED VIEWS`.
    MaterializedViews,
    /// `NETWORK POLICIES`.
    NetworkPolicies,
    /// `PIPES`.
    Pipes,
    /// `PROCEDURES`, also with `USER` or `BUILTIN` before it.
    Procedures,
    /// `SECRETS`.
    Secrets,
    /// `SHARES`.
    Shares,
    /// `STREAMLITS`.
    Streamlits,
    /// `STREAMS`.
    Streams,
    /// `TAGS`.
    Tags,
    /// `TASKS`.
    Tasks,
}

/// Where `SHOW` looks.
#[derive(Clone, Debug, PartialEq)]
pub enum ShowScope {
    /// Nothing said: the current schema, or the account without a current database.
    Unsaid,
    /// `IN ACCOUNT`.
    Account,
    /// `IN DATABASE [name]`.
    Database(Option<Path>),
    /// `IN SCHEMA [name]` or `IN name`.
    Schema(Option<Path>),
    /// `IN TABLE name` (or `VIEW`), for columns and keys.
    Table(Path),
    /// `TO ROLE name`, `OF ROLE name`, `ON kind name`: for grants, the words as written.
    Grants {
        /// `TO`, `OF` or `ON`.
        relation: String,
        /// `ROLE`, `USER`, `TABLE`, …; empty for a table or view whose kind is not said.
        kind: String,
        /// Whose grants; empty for those on the account.
        path: Path,
    },
}

/// A `SHOW` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Show {
    /// What it lists.
    pub kind: ShowKind,
    /// Only the most important columns.
    pub terse: bool,
    /// Dropped objects too.
    pub history: bool,
    /// Pattern, compared without regard to case.
    pub like: Option<String>,
    /// Where.
    pub scope: ShowScope,
    /// First letters, compared exactly.
    pub starts_with: Option<String>,
    /// Most rows.
    pub limit: Option<i64>,
    /// Rows come after this name.
    pub from: Option<String>,
}
