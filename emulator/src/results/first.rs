//! What of a result travels inside its answer: its columns and its first rows.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use snowflake_emulator_engine::SqlType;

use super::collect::encode;
use super::column::tag;
use super::kept::Spillable;
use super::{ResultError, WireColumn};

/// Memory that a column's description takes beside its names, about.
const COLUMN_BYTES: u64 = 256;
/// Memory that a column takes in the schema and in a batch beside its values, about.
const FIELD_BYTES: u64 = 1024;

/// The columns of a result.
#[derive(Debug)]
pub(super) struct Columns(pub(super) Arc<[WireColumn]>);

/// The rows of a result's first part.
#[derive(Debug)]
pub(super) struct FirstRows {
    pub(super) schema: SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
    /// Bytes of the values, about.
    pub(super) weight: usize,
}

/// A column as it lies in the file.
#[derive(Serialize, Deserialize)]
struct WrittenColumn {
    name: String,
    precision: Option<u32>,
    scale: Option<u32>,
    length: Option<u32>,
    byte_length: Option<u32>,
    nullable: bool,
    origin: [String; 3],
    sql_type: SqlType,
}

impl Spillable for Columns {
    fn memory_bytes(&self) -> u64 {
        let names = |column: &WireColumn| {
            let origin: usize = column.origin.iter().map(String::len).sum();
            COLUMN_BYTES + (column.name.len() + origin) as u64
        };
        self.0.iter().map(names).sum()
    }

    fn write(&self) -> Result<Vec<Bytes>, ResultError> {
        let columns = self.0.iter().map(|column| WrittenColumn {
            name: column.name.clone(),
            precision: column.precision,
            scale: column.scale,
            length: column.length,
            byte_length: column.byte_length,
            nullable: column.nullable,
            origin: column.origin.clone(),
            sql_type: column.sql_type.clone(),
        });
        let written = serde_json::to_vec(&columns.collect::<Vec<_>>());
        Ok(vec![Bytes::from(written.map_err(std::io::Error::from)?)])
    }

    fn read(bytes: Bytes) -> Result<Self, ResultError> {
        let columns: Vec<WrittenColumn> = serde_json::from_slice(&bytes).map_err(std::io::Error::from)?;
        let columns = columns.into_iter().map(|column| WireColumn {
            tag: tag(&column.sql_type),
            name: column.name,
            precision: column.precision,
            scale: column.scale,
            length: column.length,
            byte_length: column.byte_length,
            nullable: column.nullable,
            origin: column.origin,
            sql_type: column.sql_type,
        });
        Ok(Self(columns.collect()))
    }
}

impl Spillable for FirstRows {
    fn memory_bytes(&self) -> u64 {
        let fields = self.schema.fields().len() as u64;
        self.weight as u64 + fields * FIELD_BYTES
    }

    fn write(&self) -> Result<Vec<Bytes>, ResultError> {
        encode(&self.schema, &self.batches)
    }

    fn read(bytes: Bytes) -> Result<Self, ResultError> {
        let weight = bytes.len();
        let (schema, batches) = super::stored::decode(vec![bytes])?;
        Ok(Self {
            schema,
            batches,
            weight,
        })
    }
}
