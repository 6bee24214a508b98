//! The sample database that every account has: what it holds before anybody looks.
//!
//! Its tables stand in the catalog from the start; their rows are generated when a statement first
//! names one of them.

use snowflake_emulator_engine::sample_data::TpchTable;

use super::names::{Name, ObjectPath, SchemaPath};
use super::records::{Column, Object, ObjectKind, Schema, record_columns};

/// Name of the database.
pub const DATABASE: &str = "SNOWFLAKE_SAMPLE_DATA";

/// Its schemas and the TPC-H scale factor of each.
pub const SCHEMAS: [(&str, f64); 3] = [("TPCH_SF001", 0.01), ("TPCH_SF1", 1.0), ("TPCH_SF10", 10.0)];

/// Statements that record the schemas, tables and columns.
pub fn declare(now_ms: i64) -> Vec<String> {
    let mut statements = Vec::new();
    let mut id = 1;
    for (schema_name, scale) in SCHEMAS {
        let path = SchemaPath::new(Name::exact(DATABASE), Name::exact(schema_name));
        let comment = format!("TPC-H at scale factor {scale}, generated when first used");
        statements.extend(
            Schema {
                comment,
                ..Schema::new(path.clone(), now_ms)
            }
            .create(),
        );
        for table in TpchTable::ALL {
            let object = Object::new(
                id,
                path.object(Name::exact(table.name)),
                ObjectKind::Table,
                now_ms,
            );
            statements.push(object.record());
            let columns: Vec<Column> = table
                .columns()
                .map(|(name, sql_type)| Column {
                    nullable: false,
                    ..Column::new(Name::exact(name), &sql_type)
                })
                .collect();
            statements.extend(record_columns(id, 1, &columns));
            id += 1;
        }
    }
    statements
}

/// Scale factor of a sample schema that a table belongs to.
pub fn scale_of(path: &ObjectPath) -> Option<f64> {
    if path.schema.database.as_str() != DATABASE {
        return None;
    }
    SCHEMAS
        .iter()
        .find(|(name, _)| *name == path.schema.schema.as_str())
        .map(|(_, scale)| *scale)
}
