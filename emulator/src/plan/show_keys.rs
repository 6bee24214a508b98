//! SHOW of primary, unique and foreign keys.

use super::ddl::Failure;
use super::shape::ListType;
use super::show::{Listing, Shower};
use super::tables::dotted;
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{Show, ShowKind, ShowScope};

impl Shower<'_> {
    /// `SHOW PRIMARY KEYS` and `SHOW UNIQUE KEYS`.
    pub(super) fn own_keys(&mut self, show: &Show) -> Result<Listing, Failure> {
        use ListType::{Number, Text, Time};
        let kind = if show.kind == ShowKind::PrimaryKeys {
            "PRIMARY"
        } else {
            "UNIQUE"
        };
        let scope = self.keys_in(&show.scope, "o")?;
        let from = format!(
            "{CATALOG_SCHEMA}.keys k JOIN {CATALOG_SCHEMA}.objects o ON o.id = k.object_id \
             WHERE {scope} AND o.dropped_ms IS NULL AND k.kind = '{kind}'"
        );
        let columns = [
            ("created_on", Time, "o.created_ms"),
            ("database_name", Text, "o.database_name"),
            ("schema_name", Text, "o.schema_name"),
            ("table_name", Text, "o.name"),
            ("column_name", Text, "k.column_name"),
            ("key_sequence", Number, "k.ordinal"),
            ("constraint_name", Text, "k.name"),
            ("rely", Text, "'false'"),
            ("comment", Text, "NULL"),
        ];
        let order = "o.database_name, o.schema_name, o.name, k.number, k.ordinal";
        Ok(Listing::new(&columns, &from, &[], order).named_by("column_name"))
    }

    /// `SHOW IMPORTED KEYS` (of the tables that refer) and `SHOW EXPORTED KEYS` (of those referred to).
    pub(super) fn foreign_keys(&mut self, show: &Show) -> Result<Listing, Failure> {
        use ListType::{Number, Text, Time};
        let side = if show.kind == ShowKind::ImportedKeys {
            "f"
        } else {
            "p"
        };
        let scope = self.keys_in(&show.scope, side)?;
        let from = format!(
            "{CATALOG_SCHEMA}.keys k JOIN {CATALOG_SCHEMA}.objects f ON f.id = k.object_id \
             JOIN {CATALOG_SCHEMA}.objects p ON p.id = k.other_id \
             LEFT JOIN {CATALOG_SCHEMA}.keys pk ON pk.object_id = k.other_id AND pk.kind = 'PRIMARY' \
             AND pk.column_name = k.other_column \
             WHERE {scope} AND k.kind = 'FOREIGN' AND f.dropped_ms IS NULL AND p.dropped_ms IS NULL"
        );
        let columns = [
            ("created_on", Time, "f.created_ms"),
            ("pk_database_name", Text, "p.database_name"),
            ("pk_schema_name", Text, "p.schema_name"),
            ("pk_table_name", Text, "p.name"),
            ("pk_column_name", Text, "k.other_column"),
            ("fk_database_name", Text, "f.database_name"),
            ("fk_schema_name", Text, "f.schema_name"),
            ("fk_table_name", Text, "f.name"),
            ("fk_column_name", Text, "k.column_name"),
            ("key_sequence", Number, "k.ordinal"),
            ("update_rule", Text, "'NO ACTION'"),
            ("delete_rule", Text, "'NO ACTION'"),
            ("fk_name", Text, "k.name"),
            ("pk_name", Text, "pk.name"),
            ("deferrability", Text, "'NOT DEFERRABLE'"),
            ("rely", Text, "'false'"),
            ("comment", Text, "NULL"),
        ];
        let order = "p.database_name, p.schema_name, p.name, f.name, k.number, k.ordinal";
        Ok(Listing::new(&columns, &from, &[], order).named_by("fk_column_name"))
    }

    /// The condition that a table or the place that a SHOW names makes.
    pub(super) fn keys_in(&mut self, scope: &ShowScope, alias: &str) -> Result<String, Failure> {
        let ShowScope::Table(written) = scope else {
            return self.where_scope(scope, alias);
        };
        let path = self.names.object_of_parts(written, "SHOW")?;
        if self.temporary.contains_key(&path) {
            // Keys of temporary tables are not kept.
            return Ok("false".to_owned());
        }
        match self.catalog.object(&path)? {
            Some(object) => Ok(format!("{alias}.id = {}", object.id)),
            None => Err(SqlError::no_such("Table", dotted(written)).into()),
        }
    }
}
