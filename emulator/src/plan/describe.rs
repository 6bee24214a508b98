//! DESCRIBE of tables and views by their columns, of sequences, and of what schemas and databases hold.

use super::ddl::Failure;
use super::shape::{ListType, Shaped, list};
use super::show::{Listing, Shower};
use super::show_objects::sequences;
use super::tables::dotted;
use crate::catalog::names::literal;
use crate::catalog::records::{Column, ObjectKind, where_in_schema, where_sequence};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{Describe, DescribeKind, Path};

impl Shower<'_> {
    /// What a `DESCRIBE` asks for.
    pub fn describe(&mut self, described: &Describe) -> Result<Shaped, Failure> {
        let path = &described.path;
        let listing = match described.kind {
            DescribeKind::Table => return self.columns_of(path, "Table"),
            DescribeKind::View => return self.columns_of(path, "View"),
            DescribeKind::Sequence => self.sequence(path)?,
            DescribeKind::Schema => self.schema(path)?,
            DescribeKind::Database => self.database(path)?,
        };
        Ok(self.whole(listing)?)
    }

    fn columns_of(&mut self, written: &Path, kind: &str) -> Result<Shaped, Failure> {
        let path = self.names.object_of_parts(written, "DESCRIBE")?;
        if let Some(temporary) = self.temporary.get(&path) {
            return Ok(description(&temporary.columns));
        }
        let object = self.catalog.object(&path)?;
        let wanted = object.filter(|object| kind == "Table" || object.kind == ObjectKind::View);
        let Some(object) = wanted else {
            return Err(missing(kind, written, "42S02"));
        };
        Ok(description(&self.catalog.columns(object.id)?))
    }

    fn sequence(&mut self, written: &Path) -> Result<Listing, Failure> {
        let path = self.names.object_of_parts(written, "DESCRIBE SEQUENCE")?;
        if self.catalog.sequence(&path)?.is_none() {
            return Err(missing("Sequence", written, "02000"));
        }
        Ok(sequences(&where_sequence(&path)))
    }

    fn schema(&mut self, written: &Path) -> Result<Listing, Failure> {
        let path = self.names.schema_of_parts(written, "DESCRIBE SCHEMA")?;
        if self.catalog.schema(&path)?.is_none() {
            return Err(missing("Schema", written, "02000"));
        }
        let held = where_in_schema(&path);
        Ok(contents(&format!(
            "SELECT created_ms, name, kind FROM {CATALOG_SCHEMA}.objects WHERE {held} AND dropped_ms IS NULL \
             UNION ALL SELECT created_ms, name, 'SEQUENCE' FROM {CATALOG_SCHEMA}.sequences WHERE {held} \
             UNION ALL SELECT created_ms, name, 'STAGE' FROM {CATALOG_SCHEMA}.stages WHERE {held} \
             UNION ALL SELECT created_ms, name, 'FILE_FORMAT' FROM {CATALOG_SCHEMA}.file_formats WHERE {held}"
        )))
    }

    fn database(&mut self, written: &Path) -> Result<Listing, Failure> {
        let name = super::account::last(written)?;
        if self.catalog.database(&name)?.is_none() {
            return Err(missing("Database", written, "02000"));
        }
        Ok(contents(&format!(
            "SELECT created_ms, name, 'SCHEMA' AS kind FROM {CATALOG_SCHEMA}.schemas \
             WHERE database_name = {} AND dropped_ms IS NULL",
            literal(name.as_str())
        )))
    }
}

/// What is in a schema or database: rows with the time it was made, its name, its kind.
fn contents(held: &str) -> Listing {
    let columns = [
        ("created_on", ListType::Time, "h.created_ms"),
        ("name", ListType::Text, "h.name"),
        ("kind", ListType::Text, "h.kind"),
    ];
    Listing::new(&columns, &format!("({held}) h"), &[], "h.kind, h.name")
}

fn missing(kind: &str, written: &Path, sql_state: &'static str) -> Failure {
    let detail = format!("{kind} '{}' does not exist or not authorized.", dotted(written));
    SqlError::compilation("002003", sql_state, detail).into()
}

/// Columns as DESCRIBE lists them.
pub fn description(columns: &[Column]) -> Shaped {
    let names = [
        "name",
        "type",
        "kind",
        "null?",
        "default",
        "primary key",
        "unique key",
        "check",
        "expression",
        "comment",
        "policy name",
        "privacy domain",
    ];
    let flag = |yes: bool| Some(if yes { "Y" } else { "N" }.to_owned());
    let rows = columns
        .iter()
        .map(|column| {
            vec![
                Some(column.name.as_str().to_owned()),
                Some(column.stored_type.declared()),
                Some("COLUMN".to_owned()),
                flag(column.nullable),
                column.default.clone(),
                flag(column.primary_key),
                flag(column.unique),
                None,
                None,
                column.comment.clone(),
                None,
                None,
            ]
        })
        .collect();
    list(&names.map(|name| (name, ListType::Text)), rows)
}
