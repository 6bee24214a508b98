//! Rows of the catalog and the SQL that writes them.
//!
//! Writing is text: the statements run in the same transaction as the change they record.

use snowflake_emulator_engine::SqlType;

use super::names::{Name, ObjectPath, SchemaPath, literal};
use super::tables::{ACCOUNTADMIN, CATALOG_SCHEMA, create_engine_schema};
use super::types::StoredType;
use crate::contract::ResultColumn;

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Name.
    pub name: Name,
    /// `STANDARD`, `IMPORTED DATABASE` or `APPLICATION`.
    pub kind: String,
    /// Owning role.
    pub owner: String,
    /// Comment.
    pub comment: String,
    /// `TRANSIENT`.
    pub is_transient: bool,
    /// Days of history.
    pub retention_days: i64,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl Database {
    /// An ordinary database.
    pub fn new(name: Name, created_ms: i64) -> Self {
        Self {
            name,
            kind: "STANDARD".to_owned(),
            owner: ACCOUNTADMIN.to_owned(),
            comment: String::new(),
            is_transient: false,
            retention_days: 1,
            created_ms,
        }
    }

    /// Statements that record it.
    pub fn create(&self) -> Vec<String> {
        vec![format!(
            "INSERT INTO {CATALOG_SCHEMA}.databases (name, owner, comment, created_ms, kind, is_transient, \
             retention_days) VALUES ({}, {}, {}, {}, {}, {}, {})",
            literal(self.name.as_str()),
            literal(&self.owner),
            literal(&self.comment),
            self.created_ms,
            literal(&self.kind),
            self.is_transient,
            self.retention_days
        )]
    }
}

/// A schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Database and name.
    pub path: SchemaPath,
    /// Owning role.
    pub owner: String,
    /// Comment.
    pub comment: String,
    /// `TRANSIENT`.
    pub is_transient: bool,
    /// `WITH MANAGED ACCESS`.
    pub is_managed: bool,
    /// Days of history.
    pub retention_days: i64,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl Schema {
    /// An ordinary schema.
    pub fn new(path: SchemaPath, created_ms: i64) -> Self {
        Self {
            path,
            owner: ACCOUNTADMIN.to_owned(),
            comment: String::new(),
            is_transient: false,
            is_managed: false,
            retention_days: 1,
            created_ms,
        }
    }

    /// Statements that make and record it.
    pub fn create(&self) -> Vec<String> {
        vec![
            create_engine_schema(&self.path),
            format!(
                "INSERT INTO {CATALOG_SCHEMA}.schemas (database_name, name, owner, comment, created_ms, is_transient, \
                 is_managed, retention_days) VALUES ({}, {}, {}, {}, {}, {}, {}, {})",
                literal(self.path.database.as_str()),
                literal(self.path.schema.as_str()),
                literal(&self.owner),
                literal(&self.comment),
                self.created_ms,
                self.is_transient,
                self.is_managed,
                self.retention_days
            ),
        ]
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A view.
    View,
}

impl ObjectKind {
    /// As the catalog stores it and messages write it in upper case.
    pub fn text(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
        }
    }

    /// As messages begin: `Table`, `View`.
    pub fn capitalised(self) -> &'static str {
        match self {
            Self::Table => "Table",
            Self::View => "View",
        }
    }
}

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Identity, which stays when the object is renamed or dropped.
    pub id: i64,
    /// Where it is.
    pub path: ObjectPath,
    /// What it is.
    pub kind: ObjectKind,
    /// Owning role.
    pub owner: String,
    /// Comment.
    pub comment: String,
    /// `TRANSIENT`.
    pub is_transient: bool,
    /// `SECURE`.
    pub is_secure: bool,
    /// Text of a view.
    pub definition: Option<String>,
    /// `CLUSTER BY`, as `LINEAR(a, b)`.
    pub cluster_by: String,
    /// Days of history.
    pub retention_days: i64,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl Object {
    /// An ordinary table or view.
    pub fn new(id: i64, path: ObjectPath, kind: ObjectKind, created_ms: i64) -> Self {
        Self {
            id,
            path,
            kind,
            owner: ACCOUNTADMIN.to_owned(),
            comment: String::new(),
            is_transient: false,
            is_secure: false,
            definition: None,
            cluster_by: String::new(),
            retention_days: 1,
            created_ms,
        }
    }

    /// Statement that records it.
    pub fn record(&self) -> String {
        let path = &self.path;
        format!(
            "INSERT INTO {CATALOG_SCHEMA}.objects (id, database_name, schema_name, name, owner, comment, created_ms, kind, \
             is_transient, is_secure, definition, cluster_by, retention_days, altered_ms, engine_schema, engine_name) \
             VALUES ({}, {}, {}, {}, {}, {}, {}, '{}', {}, {}, {}, {}, {}, {}, {}, {})",
            self.id,
            literal(path.schema.database.as_str()),
            literal(path.schema.schema.as_str()),
            literal(path.name.as_str()),
            literal(&self.owner),
            literal(&self.comment),
            self.created_ms,
            self.kind.text(),
            self.is_transient,
            self.is_secure,
            optional(self.definition.as_deref()),
            literal(&self.cluster_by),
            self.retention_days,
            self.created_ms,
            literal(&path.schema.mangled()),
            literal(&path.name.mangled())
        )
    }

    /// Statement that records another name in the same schema; `engine_name` is the mangled one.
    pub fn record_rename(&self, to: &ObjectPath, now_ms: i64) -> String {
        format!(
            "UPDATE {CATALOG_SCHEMA}.objects SET database_name = {}, schema_name = {}, name = {}, engine_schema = {}, \
             engine_name = {}, altered_ms = {now_ms} WHERE id = {}",
            literal(to.schema.database.as_str()),
            literal(to.schema.schema.as_str()),
            literal(to.name.as_str()),
            literal(&to.schema.mangled()),
            literal(&to.name.mangled()),
            self.id
        )
    }

    /// Engine name, without quotes, under which a dropped table waits to be undropped.
    pub fn dropped_name(&self) -> String {
        // A mangled name never holds this sign.
        format!("{}#{}", self.path.name.mangled(), self.id)
    }

    /// Statement that records the drop of a table that waits under [`Object::dropped_name`].
    pub fn record_drop(&self, now_ms: i64) -> String {
        format!(
            "UPDATE {CATALOG_SCHEMA}.objects SET dropped_ms = {now_ms}, engine_name = {} WHERE id = {}",
            literal(&self.dropped_name()),
            self.id
        )
    }

    /// Statements that forget it.
    pub fn forget(&self) -> Vec<String> {
        vec![
            format!(
                "DELETE FROM {CATALOG_SCHEMA}.columns WHERE object_id = {}",
                self.id
            ),
            format!(
                "DELETE FROM {CATALOG_SCHEMA}.keys WHERE object_id = {0} OR other_id = {0}",
                self.id
            ),
            format!("DELETE FROM {CATALOG_SCHEMA}.objects WHERE id = {}", self.id),
        ]
    }
}

/// A column of a table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: Name,
    /// Type.
    pub stored_type: StoredType,
    /// May hold NULL.
    pub nullable: bool,
    /// Default as written.
    pub default: Option<String>,
    /// Part of the primary key.
    pub primary_key: bool,
    /// Has a unique key.
    pub unique: bool,
    /// Comment.
    pub comment: Option<String>,
}

impl Column {
    /// A column of a result.
    pub fn of_result(column: &ResultColumn) -> Self {
        Self {
            nullable: column.nullable,
            ..Self::new(Name::exact(column.name.clone()), &column.sql_type)
        }
    }

    /// A plain column.
    pub fn new(name: Name, sql_type: &SqlType) -> Self {
        Self {
            name,
            stored_type: StoredType::of(sql_type),
            nullable: true,
            default: None,
            primary_key: false,
            unique: false,
            comment: None,
        }
    }
}

/// Statement that records the columns of an object, from an ordinal on; `None` when there are none.
pub fn record_columns(object_id: i64, first_ordinal: i64, columns: &[Column]) -> Option<String> {
    let rows: Vec<String> = columns
        .iter()
        .zip(first_ordinal..)
        .map(|(column, ordinal)| {
            let stored = &column.stored_type;
            format!(
                "({object_id}, {ordinal}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
                literal(column.name.as_str()),
                literal(&stored.tag),
                number(stored.length),
                number(stored.precision),
                number(stored.scale),
                column.nullable,
                optional(column.default.as_deref()),
                column.primary_key,
                column.unique,
                optional(column.comment.as_deref())
            )
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    Some(format!(
        "INSERT INTO {CATALOG_SCHEMA}.columns VALUES {}",
        rows.join(", ")
    ))
}

/// A sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Where it is.
    pub path: ObjectPath,
    /// First value.
    pub start: i64,
    /// Distance of values.
    pub step: i64,
    /// `ORDER`.
    pub is_ordered: bool,
    /// Comment.
    pub comment: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl Sequence {
    /// Statement that records it.
    pub fn record(&self) -> String {
        format!(
            "INSERT INTO {CATALOG_SCHEMA}.sequences (database_name, schema_name, name, owner, comment, created_ms, start, \
             step, is_ordered, engine_schema, engine_name) \
             VALUES ({}, {}, {}, '{ACCOUNTADMIN}', {}, {}, {}, {}, {}, {}, {})",
            literal(self.path.schema.database.as_str()),
            literal(self.path.schema.schema.as_str()),
            literal(self.path.name.as_str()),
            literal(&self.comment),
            self.created_ms,
            self.start,
            self.step,
            self.is_ordered,
            literal(&self.path.schema.mangled()),
            literal(&self.path.name.mangled())
        )
    }

    /// Statement that records what has become of the sequence that was at a path.
    pub fn record_change(&self, was: &ObjectPath) -> String {
        format!(
            "UPDATE {CATALOG_SCHEMA}.sequences SET database_name = {}, schema_name = {}, name = {}, engine_schema = {}, \
             engine_name = {}, comment = {}, step = {}, is_ordered = {} WHERE {}",
            literal(self.path.schema.database.as_str()),
            literal(self.path.schema.schema.as_str()),
            literal(self.path.name.as_str()),
            literal(&self.path.schema.mangled()),
            literal(&self.path.name.mangled()),
            literal(&self.comment),
            self.step,
            self.is_ordered,
            where_sequence(was)
        )
    }
}

/// The next value of the sequences `q`, as SQL over [`SEQUENCE_VALUES`].
pub const NEXT_VALUE: &str =
    "CAST(coalesce(CAST(v.last_value AS HUGEINT) + v.increment_by, v.start_value, q.start) AS BIGINT)";

/// Joins the engine's values to the catalog's sequences `q`.
pub const SEQUENCE_VALUES: &str = "LEFT JOIN (SELECT schema_name AS engine_schema, sequence_name AS engine_name, \
     start_value, increment_by, last_value FROM duckdb_sequences()) v \
     ON v.engine_schema = q.engine_schema AND v.engine_name = q.engine_name";

/// Condition that picks the live row of a database.
pub fn where_database(name: &Name) -> String {
    format!("name = {} AND dropped_ms IS NULL", literal(name.as_str()))
}

/// Condition that picks the live row of a schema.
pub fn where_schema(path: &SchemaPath) -> String {
    format!(
        "database_name = {} AND name = {} AND dropped_ms IS NULL",
        literal(path.database.as_str()),
        literal(path.schema.as_str())
    )
}

/// Condition that picks the live rows of all that is in a schema.
pub fn where_in_schema(path: &SchemaPath) -> String {
    format!(
        "database_name = {} AND schema_name = {}",
        literal(path.database.as_str()),
        literal(path.schema.as_str())
    )
}

/// Condition that leaves out what waits in a dropped schema; `table` is the table, or its alias, that is read.
pub fn where_schema_lives(table: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM {CATALOG_SCHEMA}.schemas held WHERE held.database_name = {table}.database_name \
         AND held.name = {table}.schema_name AND held.dropped_ms IS NULL)"
    )
}

/// Condition that picks the live row of an object.
pub fn where_object(path: &ObjectPath) -> String {
    format!(
        "{} AND name = {} AND dropped_ms IS NULL",
        where_in_schema(&path.schema),
        literal(path.name.as_str())
    )
}

/// Condition that picks a sequence.
pub fn where_sequence(path: &ObjectPath) -> String {
    format!(
        "{} AND name = {}",
        where_in_schema(&path.schema),
        literal(path.name.as_str())
    )
}

/// A text or NULL as SQL.
pub fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), literal)
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| value.to_string())
}
