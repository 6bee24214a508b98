//! The files that a `COPY INTO` a stage writes: their names, their compression, what is told of them.

use super::SqlError;
use super::copy_out::UnloadOptions;
use super::worker::Work;
use crate::stages::{Compression, FileFormat, FileKind, Packed, StoreError, Upload};

/// Name of the folder of rows without a partition.
const NULL_PARTITION: &str = "__NULL__";

/// A file that was written.
pub(super) struct Written {
    pub(super) name: String,
    pub(super) rows: u64,
    /// Bytes before they were compressed.
    pub(super) input: u64,
    pub(super) output: u64,
}

/// A file that is being written.
pub(super) struct OpenFile {
    name: String,
    packed: Packed,
    rows: u64,
    input: u64,
}

impl OpenFile {
    pub(super) fn new(name: String, upload: Upload, compression: Compression) -> Self {
        Self {
            name,
            packed: Packed::new(upload, compression),
            rows: 0,
            input: 0,
        }
    }

    /// Adds the text of some rows.
    pub(super) fn write(&mut self, text: &[u8], rows: u64) -> Result<(), SqlError> {
        self.packed.write(text).map_err(|error| not_kept(&error))?;
        self.input += text.len() as u64;
        self.rows += rows;
        Ok(())
    }

    /// Bytes before they were compressed.
    pub(super) fn input(&self) -> u64 {
        self.input
    }

    pub(super) fn close(self) -> Result<Written, SqlError> {
        let output = self.packed.finish().map_err(|error| not_kept(&error))?;
        Ok(Written {
            name: self.name,
            rows: self.rows,
            input: self.input,
            output,
        })
    }
}

pub(super) fn not_kept(error: &StoreError) -> SqlError {
    SqlError::new(
        "100035",
        "58030",
        format!("A file could not be written to the stage: {error}"),
    )
}

/// How files are called.
pub(super) struct Naming {
    /// How all names begin; of a partition, what comes behind it.
    pub(super) stem: String,
    /// Folder in which the folders of partitions are.
    folder: String,
    single: bool,
    ending: String,
    pub(super) compression: Compression,
    pub(super) parquet_compression: &'static str,
}

impl Naming {
    pub(super) fn new(
        path: &str,
        options: &UnloadOptions,
        format: &FileFormat,
        work: &Work<'_>,
    ) -> Result<Self, SqlError> {
        let said = format.text("COMPRESSION").to_uppercase();
        let refused = || SqlError::unsupported(format!("COPY INTO a stage with COMPRESSION = {said}"));
        let mut parquet_compression = "snappy";
        let (compression, ending) = match (format.kind(), said.as_str()) {
            (FileKind::Parquet, "AUTO" | "SNAPPY") => (Compression::None, ".snappy.parquet"),
            (FileKind::Parquet, "NONE") => {
                parquet_compression = "uncompressed";
                (Compression::None, ".parquet")
            }
            (FileKind::Parquet, "GZIP") => {
                parquet_compression = "gzip";
                (Compression::None, ".gz.parquet")
            }
            (FileKind::Csv | FileKind::Json, "AUTO" | "GZIP") => (Compression::Gzip, ".gz"),
            (FileKind::Csv | FileKind::Json, "DEFLATE") => (Compression::Deflate, ".deflate"),
            (FileKind::Csv | FileKind::Json, "RAW_DEFLATE") => (Compression::RawDeflate, ".raw_deflate"),
            (FileKind::Csv | FileKind::Json, "BZ2") => (Compression::Bzip2, ".bz2"),
            (FileKind::Csv | FileKind::Json, "BROTLI") => (Compression::Brotli, ".br"),
            (FileKind::Csv | FileKind::Json, "ZSTD") => (Compression::Zstd, ".zst"),
            (FileKind::Csv | FileKind::Json, "NONE") => (Compression::None, ""),
            _ => return Err(refused()),
        };
        let kind = match (format.optional("FILE_EXTENSION"), format.kind()) {
            (Some(own), FileKind::Csv | FileKind::Json) if !own.is_empty() => {
                format!(".{}", own.trim_start_matches('.'))
            }
            (_, FileKind::Csv) => ".csv".to_owned(),
            (_, FileKind::Json) => ".json".to_owned(),
            (_, FileKind::Parquet) => String::new(),
        };
        let mut folder = path.to_owned();
        if !folder.is_empty() && !folder.ends_with('/') {
            folder.push('/');
        }
        let mut stem = path.to_owned();
        if options.is_partitioned {
            "data".clone_into(&mut stem);
        } else if stem.is_empty() || stem.ends_with('/') {
            stem.push_str("data");
        }
        if options.with_query_id {
            stem = format!("{stem}_{}", work.query_id);
        }
        Ok(Self {
            stem,
            folder,
            single: options.single,
            ending: format!("{kind}{ending}"),
            compression,
            parquet_compression,
        })
    }

    /// Name of a file of a partition.
    pub(super) fn name_in(&self, partition: Option<&str>, number: usize) -> String {
        let partition = partition.unwrap_or(NULL_PARTITION).trim_matches('/');
        let separator = if partition.is_empty() { "" } else { "/" };
        format!("{}{partition}{separator}{}", self.folder, self.name(number))
    }

    pub(super) fn name(&self, number: usize) -> String {
        if self.single {
            self.stem.clone()
        } else {
            format!("{}_0_0_{number}{}", self.stem, self.ending)
        }
    }
}
