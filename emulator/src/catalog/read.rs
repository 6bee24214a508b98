//! Reading the catalog.

use arrow_array::cast::AsArray;
use snowflake_emulator_engine::{EngineConnection, EngineError, EngineErrorKind};

use super::names::{Name, ObjectPath, SchemaPath};
use super::records::{
    Column, Database, NEXT_VALUE, Object, ObjectKind, SEQUENCE_VALUES, Schema, Sequence, where_database,
    where_object, where_schema, where_schema_lives, where_sequence,
};
use super::tables::CATALOG_SCHEMA;
use super::types::StoredType;

/// Rows fetched at a time.
const BATCH_ROWS: usize = 2048;

/// One row, every value as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(pub Vec<Option<String>>);

impl Row {
    /// A value as text, empty for NULL.
    pub fn text(&self, at: usize) -> String {
        self.0.get(at).cloned().flatten().unwrap_or_default()
    }

    /// A value as text.
    pub fn optional(&self, at: usize) -> Option<String> {
        self.0.get(at).cloned().flatten()
    }

    /// A value as a number, if it is one.
    pub fn integer(&self, at: usize) -> Option<i64> {
        self.0.get(at)?.as_deref()?.parse().ok()
    }

    /// True when the value is the engine's `true`.
    pub fn truth(&self, at: usize) -> bool {
        self.0
            .get(at)
            .is_some_and(|value| value.as_deref() == Some("true"))
    }
}

/// The catalog as one connection sees it, in its transaction.
pub struct Catalog<'a> {
    connection: &'a mut dyn EngineConnection,
}

impl<'a> Catalog<'a> {
    /// The catalog through a connection.
    pub fn new(connection: &'a mut dyn EngineConnection) -> Self {
        Self { connection }
    }

    /// The connection that it is read through.
    pub fn connection(&mut self) -> &mut dyn EngineConnection {
        self.connection
    }

    /// Rows of a query, all of whose columns are cast to text.
    pub fn rows(&mut self, select: &str) -> Result<Vec<Row>, EngineError> {
        self.rows_up_to(select, usize::MAX)
    }

    /// Reads rows of a query until there are more than `most`; the rest of it is not read.
    pub fn rows_up_to(&mut self, select: &str, most: usize) -> Result<Vec<Row>, EngineError> {
        let mut reader = self
            .connection
            .query(&format!("SELECT COLUMNS(*)::VARCHAR FROM ({select})"), BATCH_ROWS)?;
        let mut rows = Vec::new();
        while rows.len() <= most
            && let Some(batch) = reader.next_batch()?
        {
            let mut columns = Vec::with_capacity(batch.num_columns());
            for column in batch.columns() {
                columns.push(column.as_string_opt::<i32>().ok_or_else(not_text)?);
            }
            for at in 0..batch.num_rows() {
                rows.push(Row(columns
                    .iter()
                    .map(|column| column.iter().nth(at).flatten().map(str::to_owned))
                    .collect()));
            }
        }
        Ok(rows)
    }

    fn row(&mut self, select: &str) -> Result<Option<Row>, EngineError> {
        Ok(self.rows(select)?.into_iter().next())
    }

    /// Looks at the catalog, so that the connection's transaction sees what there is now.
    pub fn touch(&mut self) -> Result<(), EngineError> {
        let sql = format!("SELECT number FROM {CATALOG_SCHEMA}.version");
        let mut reader = self.connection.query(&sql, 1)?;
        while reader.next_batch()?.is_some() {}
        Ok(())
    }

    /// A new identity.
    pub fn new_id(&mut self) -> Result<i64, EngineError> {
        let row = self.row(&format!("SELECT nextval('{CATALOG_SCHEMA}.ids')"))?;
        row.and_then(|row| row.integer(0)).ok_or_else(not_text)
    }

    /// Version of the catalog's tables; 0 when there are none.
    pub fn version(&mut self) -> Result<u32, EngineError> {
        let made = format!("SELECT 1 FROM duckdb_schemas() WHERE schema_name = '{CATALOG_SCHEMA}'");
        if self.rows(&made)?.is_empty() {
            return Ok(0);
        }
        let row = self.row(&format!("SELECT number FROM {CATALOG_SCHEMA}.version"))?;
        Ok(row
            .and_then(|row| row.integer(0))
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(0))
    }

    /// A live database.
    pub fn database(&mut self, name: &Name) -> Result<Option<Database>, EngineError> {
        let row = self.row(&format!(
            "SELECT kind, owner, comment, is_transient, retention_days, created_ms FROM {CATALOG_SCHEMA}.databases \
             WHERE {}",
            where_database(name)
        ))?;
        Ok(row.map(|row| Database {
            name: name.clone(),
            kind: row.text(0),
            owner: row.text(1),
            comment: row.text(2),
            is_transient: row.truth(3),
            retention_days: row.integer(4).unwrap_or(1),
            created_ms: row.integer(5).unwrap_or(0),
        }))
    }

    /// A live schema.
    pub fn schema(&mut self, path: &SchemaPath) -> Result<Option<Schema>, EngineError> {
        let row = self.row(&format!(
            "SELECT owner, comment, is_transient, is_managed, retention_days, created_ms FROM {CATALOG_SCHEMA}.schemas \
             WHERE {}",
            where_schema(path)
        ))?;
        Ok(row.map(|row| Schema {
            path: path.clone(),
            owner: row.text(0),
            comment: row.text(1),
            is_transient: row.truth(2),
            is_managed: row.truth(3),
            retention_days: row.integer(4).unwrap_or(1),
            created_ms: row.integer(5).unwrap_or(0),
        }))
    }

    /// Names of the live schemas of a database.
    pub fn schemas_of(&mut self, database: &Name) -> Result<Vec<Name>, EngineError> {
        let rows = self.rows(&format!(
            "SELECT name FROM {CATALOG_SCHEMA}.schemas WHERE database_name = {} AND dropped_ms IS NULL ORDER BY name",
            super::names::literal(database.as_str())
        ))?;
        Ok(rows.iter().map(|row| Name::exact(row.text(0))).collect())
    }

    /// A live table or view.
    pub fn object(&mut self, path: &ObjectPath) -> Result<Option<Object>, EngineError> {
        let found = self.objects(&where_object(path))?;
        Ok(found.into_iter().next())
    }

    /// Tables and views that fit a condition, in the order of their names.
    pub fn objects(&mut self, condition: &str) -> Result<Vec<Object>, EngineError> {
        let rows = self.rows(&format!(
            "SELECT id, database_name, schema_name, name, kind, owner, comment, is_transient, is_secure, definition, \
             cluster_by, retention_days, created_ms FROM {CATALOG_SCHEMA}.objects WHERE {condition} \
             ORDER BY database_name, schema_name, name"
        ))?;
        Ok(rows.iter().map(object_of).collect())
    }

    /// Columns of a table or view, in order.
    pub fn columns(&mut self, object_id: i64) -> Result<Vec<Column>, EngineError> {
        let rows = self.rows(&format!(
            "SELECT name, type_tag, length, numeric_precision, scale, nullable, default_text, primary_key, unique_key, \
             comment FROM {CATALOG_SCHEMA}.columns WHERE object_id = {object_id} ORDER BY ordinal"
        ))?;
        Ok(rows
            .iter()
            .map(|row| Column {
                name: Name::exact(row.text(0)),
                stored_type: StoredType {
                    tag: row.text(1),
                    length: row.integer(2),
                    precision: row.integer(3),
                    scale: row.integer(4),
                },
                nullable: row.truth(5),
                default: row.optional(6),
                primary_key: row.truth(7),
                unique: row.truth(8),
                comment: row.optional(9),
            })
            .collect())
    }

    /// A sequence.
    pub fn sequence(&mut self, path: &ObjectPath) -> Result<Option<Sequence>, EngineError> {
        let row = self.row(&format!(
            "SELECT start, step, comment, created_ms, is_ordered FROM {CATALOG_SCHEMA}.sequences WHERE {} AND {}",
            where_sequence(path),
            where_schema_lives("sequences")
        ))?;
        Ok(row.map(|row| Sequence {
            path: path.clone(),
            start: row.integer(0).unwrap_or(1),
            step: row.integer(1).unwrap_or(1),
            comment: row.text(2),
            created_ms: row.integer(3).unwrap_or(0),
            is_ordered: row.truth(4),
        }))
    }

    /// The value that a sequence gives next.
    pub fn next_value(&mut self, path: &ObjectPath) -> Result<i64, EngineError> {
        let row = self.row(&format!(
            "SELECT {NEXT_VALUE} FROM (SELECT * FROM {CATALOG_SCHEMA}.sequences WHERE {}) q {SEQUENCE_VALUES}",
            where_sequence(path)
        ))?;
        row.and_then(|row| row.integer(0)).ok_or_else(not_text)
    }

    /// True when the account has a warehouse or role of this name; `table` is `warehouses` or `roles`.
    pub fn has_account_object(&mut self, table: &str, name: &Name) -> Result<bool, EngineError> {
        let found = self.rows(&format!(
            "SELECT 1 FROM {CATALOG_SCHEMA}.{table} WHERE name = {}",
            super::names::literal(name.as_str())
        ))?;
        Ok(!found.is_empty())
    }
}

fn object_of(row: &Row) -> Object {
    let path = ObjectPath::new(
        Name::exact(row.text(1)),
        Name::exact(row.text(2)),
        Name::exact(row.text(3)),
    );
    Object {
        id: row.integer(0).unwrap_or(0),
        path,
        kind: if row.text(4) == "VIEW" {
            ObjectKind::View
        } else {
            ObjectKind::Table
        },
        owner: row.text(5),
        comment: row.text(6),
        is_transient: row.truth(7),
        is_secure: row.truth(8),
        definition: row.optional(9),
        cluster_by: row.text(10),
        retention_days: row.integer(11).unwrap_or(1),
        created_ms: row.integer(12).unwrap_or(0),
    }
}

fn not_text() -> EngineError {
    EngineError {
        kind: EngineErrorKind::Internal,
        message: "the catalog answered with something that is not text".to_owned(),
        position: None,
        code: None,
    }
}
