//! TPC-H at any scale factor.

use std::{sync::mpsc, thread};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

use super::Progress;
use crate::{EngineConnection, EngineError, EngineErrorKind, SqlType};

/// Rows that are generated and inserted at a time: one row group of the engine's storage.
const BATCH_ROWS: usize = 122_880;
/// Batches generated ahead of the insertion.
const BATCHES_AHEAD: usize = 2;

/// A table of TPC-H.
#[derive(Clone, Copy, Debug)]
pub struct TpchTable {
    /// Name, in upper case.
    pub name: &'static str,
    /// Rows at scale factor 1; 0 for tables that do not scale.
    scale_base: u64,
    /// Rows where the scale factor does not matter.
    fixed_rows: u64,
    columns: &'static [(&'static str, Column)],
    generate: fn(f64) -> Batches,
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

/// Column types of TPC-H as Snowflake declares them.
#[derive(Clone, Copy, Debug)]
enum Column {
    /// `NUMBER(38,0)`, kept in 64 bits, which hold every key up to scale factor 100000.
    Key,
    /// `NUMBER(12,2)`.
    Money,
    /// `VARCHAR(n)`.
    Text(u32),
    /// `DATE`.
    Date,
}

impl TpchTable {
    /// The eight tables, small ones first.
    pub const ALL: &[TpchTable] = TABLES;

    /// Rows at a scale factor; of LINEITEM, about.
    pub fn rows(&self, scale_factor: f64) -> u64 {
        (self.scale_base as f64 * scale_factor) as u64 + self.fixed_rows
    }

    /// Names and Snowflake types of the columns.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, SqlType)> {
        self.columns.iter().map(|(name, column)| {
            let sql_type = match column {
                Column::Key => SqlType::Number {
                    precision: 38,
                    scale: 0,
                },
                Column::Money => SqlType::Number {
                    precision: 12,
                    scale: 2,
                },
                Column::Text(length) => SqlType::Text {
                    length: Some(*length),
                },
                Column::Date => SqlType::Date,
            };
            (*name, sql_type)
        })
    }

    fn definition(&self, schema: &str) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, column)| {
                let engine_type = match column {
                    Column::Key => "BIGINT",
                    Column::Money => "DECIMAL(12,2)",
                    Column::Text(_) => "VARCHAR",
                    Column::Date => "DATE",
                };
                format!("{name} {engine_type} NOT NULL")
            })
            .collect();
        format!(
            "CREATE TABLE \"{}\".{} ({})",
            schema.replace('"', "\"\""),
            self.name,
            columns.join(", ")
        )
    }
}

/// Creates the eight tables in an existing schema of the engine.
pub fn create_tpch_tables(connection: &mut dyn EngineConnection, schema: &str) -> Result<(), EngineError> {
    TABLES
        .iter()
        .try_for_each(|table| connection.execute(&table.definition(schema)).map(|_| ()))
}

/// Fills the eight tables of a schema, which exist and are empty.
///
/// Rows are generated on a thread of its own while earlier ones are inserted. `progress` hears of every
/// batch. Runs in the connection's transaction when one is open; an error leaves what was inserted to it.
pub fn fill_tpch_tables(
    connection: &mut dyn EngineConnection,
    schema: &str,
    scale_factor: f64,
    mut progress: impl FnMut(Progress),
) -> Result<(), EngineError> {
    TABLES
        .iter()
        .try_for_each(|table| fill(connection, schema, table, scale_factor, &mut progress))
}

fn fill(
    connection: &mut dyn EngineConnection,
    schema: &str,
    table: &TpchTable,
    scale_factor: f64,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), EngineError> {
    let rows_total = table.rows(scale_factor);
    thread::scope(|scope| {
        let (batches, generated) = mpsc::sync_channel(BATCHES_AHEAD);
        let generate = table.generate;
        scope.spawn(move || {
            for batch in generate(scale_factor) {
                // The receiver is gone when an insertion failed.
                if batches.send(batch).is_err() {
                    break;
                }
            }
        });
        let mut rows_done = 0;
        for batch in generated {
            let batch =
                batch.map_err(|error| EngineError::new(EngineErrorKind::Internal, error.to_string()))?;
            rows_done += connection.append(schema, table.name, &batch)?;
            progress(Progress {
                table: table.name,
                rows_done,
                rows_total: rows_total.max(rows_done),
            });
        }
        Ok(())
    })
}

const TABLES: &[TpchTable] = &[
    TpchTable {
        name: "REGION",
        scale_base: 0,
        fixed_rows: 5,
        columns: &[
            ("R_REGIONKEY", Column::Key),
            ("R_NAME", Column::Text(25)),
            ("R_COMMENT", Column::Text(152)),
        ],
        generate: |scale| Box::new(RegionArrow::new(RegionGenerator::new(scale, 1, 1))),
    },
    TpchTable {
        name: "NATION",
        scale_base: 0,
        fixed_rows: 25,
        columns: &[
            ("N_NATIONKEY", Column::Key),
            ("N_NAME", Column::Text(25)),
            ("N_REGIONKEY", Column::Key),
            ("N_COMMENT", Column::Text(152)),
        ],
        generate: |scale| Box::new(NationArrow::new(NationGenerator::new(scale, 1, 1))),
    },
    TpchTable {
        name: "SUPPLIER",
        scale_base: 10_000,
        fixed_rows: 0,
        columns: &[
            ("S_SUPPKEY", Column::Key),
            ("S_NAME", Column::Text(25)),
            ("S_ADDRESS", Column::Text(40)),
            ("S_NATIONKEY", Column::Key),
            ("S_PHONE", Column::Text(15)),
            ("S_ACCTBAL", Column::Money),
            ("S_COMMENT", Column::Text(101)),
        ],
        generate: |scale| {
            Box::new(SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
        },
    },
    TpchTable {
        name: "CUSTOMER",
        scale_base: 150_000,
        fixed_rows: 0,
        columns: &[
            ("C_CUSTKEY", Column::Key),
            ("C_NAME", Column::Text(25)),
            ("C_ADDRESS", Column::Text(40)),
            ("C_NATIONKEY", Column::Key),
            ("C_PHONE", Column::Text(15)),
            ("C_ACCTBAL", Column::Money),
            ("C_MKTSEGMENT", Column::Text(10)),
            ("C_COMMENT", Column::Text(117)),
        ],
        generate: |scale| {
            Box::new(CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
        },
    },
    TpchTable {
        name: "PART",
        scale_base: 200_000,
        fixed_rows: 0,
        columns: &[
            ("P_PARTKEY", Column::Key),
            ("P_NAME", Column::Text(55)),
            ("P_MFGR", Column::Text(25)),
            ("P_BRAND", Column::Text(10)),
            ("P_TYPE", Column::Text(25)),
            ("P_SIZE", Column::Key),
            ("P_CONTAINER", Column::Text(10)),
            ("P_RETAILPRICE", Column::Money),
            ("P_COMMENT", Column::Text(23)),
        ],
        generate: |scale| {
            Box::new(PartArrow::new(PartGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
        },
    },
    TpchTable {
        name: "PARTSUPP",
        scale_base: 800_000,
        fixed_rows: 0,
        columns: &[
            ("PS_PARTKEY", Column::Key),
            ("PS_SUPPKEY", Column::Key),
            ("PS_AVAILQTY", Column::Key),
            ("PS_SUPPLYCOST", Column::Money),
            ("PS_COMMENT", Column::Text(199)),
        ],
        generate: |scale| {
            Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
        },
    },
    TpchTable {
        name: "ORDERS",
        scale_base: 1_500_000,
        fixed_rows: 0,
        columns: &[
            ("O_ORDERKEY", Column::Key),
            ("O_CUSTKEY", Column::Key),
            ("O_ORDERSTATUS", Column::Text(1)),
            ("O_TOTALPRICE", Column::Money),
            ("O_ORDERDATE", Column::Date),
            ("O_ORDERPRIORITY", Column::Text(15)),
            ("O_CLERK", Column::Text(15)),
            ("O_SHIPPRIORITY", Column::Key),
            ("O_COMMENT", Column::Text(79)),
        ],
        generate: |scale| {
            Box::new(OrderArrow::new(OrderGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
        },
    },
    TpchTable {
        name: "LINEITEM",
        scale_base: 6_000_000,
        fixed_rows: 0,
        columns: &[
            ("L_ORDERKEY", Column::Key),
            ("L_PARTKEY", Column::Key),
            ("L_SUPPKEY", Column::Key),
            ("L_LINENUMBER", Column::Key),
            ("L_QUANTITY", Column::Money),
            ("L_EXTENDEDPRICE", Column::Money),
            ("L_DISCOUNT", Column::Money),
            ("L_TAX", Column::Money),
            ("L_RETURNFLAG", Column::Text(1)),
            ("L_LINESTATUS", Column::Text(1)),
            ("L_SHIPDATE", Column::Date),
            ("L_COMMITDATE", Column::Date),
            ("L_RECEIPTDATE", Column::Date),
            ("L_SHIPINSTRUCT", Column::Text(25)),
            ("L_SHIPMODE", Column::Text(10)),
            ("L_COMMENT", Column::Text(44)),
        ],
        generate: |scale| {
            Box::new(LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
        },
    },
];
