//! The sample database that every account has: what it holds before anybody looks.
//!
//! Its tables stand in the catalog from the start; their rows are generated when a statement first
//! names one of them.

use snowflake_emulator_engine::SqlType;

use super::names::{Name, ObjectPath, SchemaPath};
use super::records::{Column, Object, ObjectKind, Schema, record_columns};

/// Name of the database.
pub const DATABASE: &str = "SNOWFLAKE_SAMPLE_DATA";

/// Its schemas and the TPC-H scale factor of each.
pub const SCHEMAS: [(&str, f64); 3] = [("TPCH_SF001", 0.01), ("TPCH_SF1", 1.0), ("TPCH_SF10", 10.0)];

/// The columns' types, in short.
#[derive(Clone, Copy)]
enum Short {
    /// `NUMBER(38,0)`.
    Key,
    /// `NUMBER(12,2)`.
    Money,
    /// `VARCHAR(n)`.
    Text(u32),
    /// `DATE`.
    Date,
}

const TABLES: [(&str, &[(&str, Short)]); 8] = [
    (
        "CUSTOMER",
        &[
            ("C_CUSTKEY", Short::Key),
            ("C_NAME", Short::Text(25)),
            ("C_ADDRESS", Short::Text(40)),
            ("C_NATIONKEY", Short::Key),
            ("C_PHONE", Short::Text(15)),
            ("C_ACCTBAL", Short::Money),
            ("C_MKTSEGMENT", Short::Text(10)),
            ("C_COMMENT", Short::Text(117)),
        ],
    ),
    (
        "LINEITEM",
        &[
            ("L_ORDERKEY", Short::Key),
            ("L_PARTKEY", Short::Key),
            ("L_SUPPKEY", Short::Key),
            ("L_LINENUMBER", Short::Key),
            ("L_QUANTITY", Short::Money),
            ("L_EXTENDEDPRICE", Short::Money),
            ("L_DISCOUNT", Short::Money),
            ("L_TAX", Short::Money),
            ("L_RETURNFLAG", Short::Text(1)),
            ("L_LINESTATUS", Short::Text(1)),
            ("L_SHIPDATE", Short::Date),
            ("L_COMMITDATE", Short::Date),
            ("L_RECEIPTDATE", Short::Date),
            ("L_SHIPINSTRUCT", Short::Text(25)),
            ("L_SHIPMODE", Short::Text(10)),
            ("L_COMMENT", Short::Text(44)),
        ],
    ),
    (
        "NATION",
        &[
            ("N_NATIONKEY", Short::Key),
            ("N_NAME", Short::Text(25)),
            ("N_REGIONKEY", Short::Key),
            ("N_COMMENT", Short::Text(152)),
        ],
    ),
    (
        "ORDERS",
        &[
            ("O_ORDERKEY", Short::Key),
            ("O_CUSTKEY", Short::Key),
            ("O_ORDERSTATUS", Short::Text(1)),
            ("O_TOTALPRICE", Short::Money),
            ("O_ORDERDATE", Short::Date),
            ("O_ORDERPRIORITY", Short::Text(15)),
            ("O_CLERK", Short::Text(15)),
            ("O_SHIPPRIORITY", Short::Key),
            ("O_COMMENT", Short::Text(79)),
        ],
    ),
    (
        "PART",
        &[
            ("P_PARTKEY", Short::Key),
            ("P_NAME", Short::Text(55)),
            ("P_MFGR", Short::Text(25)),
            ("P_BRAND", Short::Text(10)),
            ("P_TYPE", Short::Text(25)),
            ("P_SIZE", Short::Key),
            ("P_CONTAINER", Short::Text(10)),
            ("P_RETAILPRICE", Short::Money),
            ("P_COMMENT", Short::Text(23)),
        ],
    ),
    (
        "PARTSUPP",
        &[
            ("PS_PARTKEY", Short::Key),
            ("PS_SUPPKEY", Short::Key),
            ("PS_AVAILQTY", Short::Key),
            ("PS_SUPPLYCOST", Short::Money),
            ("PS_COMMENT", Short::Text(199)),
        ],
    ),
    (
        "REGION",
        &[
            ("R_REGIONKEY", Short::Key),
            ("R_NAME", Short::Text(25)),
            ("R_COMMENT", Short::Text(152)),
        ],
    ),
    (
        "SUPPLIER",
        &[
            ("S_SUPPKEY", Short::Key),
            ("S_NAME", Short::Text(25)),
            ("S_ADDRESS", Short::Text(40)),
            ("S_NATIONKEY", Short::Key),
            ("S_PHONE", Short::Text(15)),
            ("S_ACCTBAL", Short::Money),
            ("S_COMMENT", Short::Text(101)),
        ],
    ),
];

fn sql_type(short: Short) -> SqlType {
    match short {
        Short::Key => SqlType::Number {
            precision: 38,
            scale: 0,
        },
        Short::Money => SqlType::Number {
            precision: 12,
            scale: 2,
        },
        Short::Text(length) => SqlType::Text { length: Some(length) },
        Short::Date => SqlType::Date,
    }
}

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
        for (table_name, columns) in TABLES {
            let object = Object::new(
                id,
                path.object(Name::exact(table_name)),
                ObjectKind::Table,
                now_ms,
            );
            statements.push(object.record());
            let columns: Vec<Column> = columns
                .iter()
                .map(|(name, short)| Column {
                    nullable: false,
                    ..Column::new(Name::exact(*name), &sql_type(*short))
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
