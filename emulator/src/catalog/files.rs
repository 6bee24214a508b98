//! Records of stages and file formats, and of the files that tables were loaded from.

use snowflake_emulator_engine::EngineError;

use super::Catalog;
use super::names::{Name, ObjectPath, literal};
use super::records::{optional, where_in_schema, where_schema_lives};
use super::tables::CATALOG_SCHEMA;

/// Days for which it is known which files a table was loaded from; Snowflake's.
pub const LOAD_DAYS: i64 = 64;

/// A stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Number, under which its files lie; of a temporary stage, the number in its session.
    pub id: i64,
    /// Where it is.
    pub path: ObjectPath,
    /// Owning role.
    pub owner: String,
    /// Comment.
    pub comment: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// Only its session knows it.
    pub is_temporary: bool,
    /// Its file format: JSON, a text for a name and an object for options.
    pub format: Option<String>,
    /// Its copy options: JSON, a list of names and values.
    pub copy_options: String,
}

/// A file format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Where it is.
    pub path: ObjectPath,
    /// Owning role.
    pub owner: String,
    /// Comment.
    pub comment: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// Its type, such as `CSV`.
    pub kind: String,
    /// Its options: JSON.
    pub options: String,
}

/// Statements that make the tables of this file.
pub(super) fn shape() -> Vec<String> {
    let named = "database_name VARCHAR NOT NULL, schema_name VARCHAR NOT NULL, name VARCHAR NOT NULL, \
         owner VARCHAR NOT NULL, comment VARCHAR NOT NULL, created_ms BIGINT NOT NULL";
    vec![
        format!(
            "CREATE TABLE {CATALOG_SCHEMA}.stages (id BIGINT NOT NULL, {named}, file_format VARCHAR, \
             copy_options VARCHAR NOT NULL)"
        ),
        format!(
            "CREATE TABLE {CATALOG_SCHEMA}.file_formats ({named}, kind VARCHAR NOT NULL, options VARCHAR NOT NULL)"
        ),
        format!(
            "CREATE TABLE {CATALOG_SCHEMA}.loads (object_id BIGINT NOT NULL, file VARCHAR NOT NULL, \
             digest VARCHAR NOT NULL, loaded_ms BIGINT NOT NULL)"
        ),
    ]
}

impl Stage {
    /// Statement that records it.
    pub fn record(&self) -> String {
        format!(
            "INSERT INTO {CATALOG_SCHEMA}.stages VALUES ({}, {}, {}, {})",
            self.id,
            named(&self.path, &self.owner, &self.comment, self.created_ms),
            optional(self.format.as_deref()),
            literal(&self.copy_options)
        )
    }

    /// Statement that forgets it.
    pub fn forget(path: &ObjectPath) -> String {
        format!("DELETE FROM {CATALOG_SCHEMA}.stages WHERE {}", where_named(path))
    }
}

impl Format {
    /// Statement that records it.
    pub fn record(&self) -> String {
        format!(
            "INSERT INTO {CATALOG_SCHEMA}.file_formats VALUES ({}, {}, {})",
            named(&self.path, &self.owner, &self.comment, self.created_ms),
            literal(&self.kind),
            literal(&self.options)
        )
    }

    /// Statement that forgets it.
    pub fn forget(path: &ObjectPath) -> String {
        format!(
            "DELETE FROM {CATALOG_SCHEMA}.file_formats WHERE {}",
            where_named(path)
        )
    }
}

/// Statement that notes a file from which a table was loaded.
pub fn record_load(object_id: i64, file: &str, digest: &str, loaded_ms: i64) -> String {
    format!(
        "INSERT INTO {CATALOG_SCHEMA}.loads VALUES ({object_id}, {}, {}, {loaded_ms})",
        literal(file),
        literal(digest)
    )
}

/// Statement that forgets what a table was loaded from.
pub fn forget_loads(object_id: i64) -> String {
    format!("DELETE FROM {CATALOG_SCHEMA}.loads WHERE object_id = {object_id}")
}

/// Statement that forgets loads which are too long ago.
pub fn forget_old_loads(now_ms: i64) -> String {
    let oldest = now_ms - LOAD_DAYS * 86_400_000;
    format!("DELETE FROM {CATALOG_SCHEMA}.loads WHERE loaded_ms < {oldest}")
}

fn named(path: &ObjectPath, owner: &str, comment: &str, created_ms: i64) -> String {
    format!(
        "{}, {}, {}, {}, {}, {created_ms}",
        literal(path.schema.database.as_str()),
        literal(path.schema.schema.as_str()),
        literal(path.name.as_str()),
        literal(owner),
        literal(comment)
    )
}

/// Condition that picks a stage or file format.
pub fn where_named(path: &ObjectPath) -> String {
    format!(
        "{} AND name = {}",
        where_in_schema(&path.schema),
        literal(path.name.as_str())
    )
}

impl Catalog<'_> {
    /// A stage.
    pub fn stage(&mut self, path: &ObjectPath) -> Result<Option<Stage>, EngineError> {
        let condition = format!("{} AND {}", where_named(path), where_schema_lives("stages"));
        Ok(self.stages(&condition)?.into_iter().next())
    }

    /// Stages that fit a condition.
    pub fn stages(&mut self, condition: &str) -> Result<Vec<Stage>, EngineError> {
        let rows = self.rows(&format!(
            "SELECT id, database_name, schema_name, name, owner, comment, created_ms, file_format, copy_options \
             FROM {CATALOG_SCHEMA}.stages WHERE {condition}"
        ))?;
        Ok(rows
            .iter()
            .map(|row| Stage {
                id: row.integer(0).unwrap_or(0),
                path: ObjectPath::new(
                    Name::exact(row.text(1)),
                    Name::exact(row.text(2)),
                    Name::exact(row.text(3)),
                ),
                owner: row.text(4),
                comment: row.text(5),
                created_ms: row.integer(6).unwrap_or(0),
                is_temporary: false,
                format: row.optional(7),
                copy_options: row.text(8),
            })
            .collect())
    }

    /// A file format.
    pub fn file_format(&mut self, path: &ObjectPath) -> Result<Option<Format>, EngineError> {
        let rows = self.rows(&format!(
            "SELECT owner, comment, created_ms, kind, options FROM {CATALOG_SCHEMA}.file_formats WHERE {} AND {}",
            where_named(path),
            where_schema_lives("file_formats")
        ))?;
        Ok(rows.first().map(|row| Format {
            path: path.clone(),
            owner: row.text(0),
            comment: row.text(1),
            created_ms: row.integer(2).unwrap_or(0),
            kind: row.text(3),
            options: row.text(4),
        }))
    }

    /// Files from which a table was loaded, with their digests.
    pub fn loads(&mut self, object_id: i64) -> Result<Vec<(String, String)>, EngineError> {
        let rows = self.rows(&format!(
            "SELECT file, digest FROM {CATALOG_SCHEMA}.loads WHERE object_id = {object_id}"
        ))?;
        Ok(rows.iter().map(|row| (row.text(0), row.text(1))).collect())
    }
}
