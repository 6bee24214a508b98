//! Parquet: rows in groups that are compressed and written as soon as they are large enough.
//!
//! A group is held until it is written, since its columns lie one after the other; [`GROUP_BYTES_MAX`] bounds what
//! that takes. Decimals, dates and times keep their types; the Arrow schema goes with the file, so that readers
//! that know Arrow get Snowflake's type names back.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::RenderError;
use super::sink::Sink;

/// Encoded size at which a group of rows is written, in bytes.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Most rows of a group.
const GROUP_ROWS_MAX: usize = 128 << 10;

/// Writes batches as one file.
pub(super) struct Parquet(ArrowWriter<Through>);

/// The sink as a writer that says when bytes may leave: not before there are enough of them.
struct Through(Sink);

impl Parquet {
    pub(super) fn new(schema: &SchemaRef, sink: Sink) -> Result<Self, RenderError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_bytes(Some(GROUP_BYTES_MAX))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .set_created_by(concat!("sfctl ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(Through(sink), schema.clone(), Some(properties));
        writer.map(Self).map_err(failed)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), RenderError> {
        self.0.write(batch).map_err(failed)
    }

    /// Writes what is held and the file's end, and hands the sink back.
    pub(super) fn finish(self) -> Result<Sink, RenderError> {
        self.0.into_inner().map(|Through(sink)| sink).map_err(failed)
    }
}

impl Write for Through {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.buffer().extend_from_slice(bytes);
        self.0.settle()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error of the writer; one of the output is told apart, since a reader may have left.
fn failed(error: ParquetError) -> RenderError {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => RenderError::Output(*error),
            Err(source) => RenderError::Parquet(ParquetError::External(source)),
        },
        other => RenderError::Parquet(other),
    }
}
