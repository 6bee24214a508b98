//! Stages: files that clients put down, and the formats in which rows are read from them and written to them.
//!
//! [`FileStore`] keeps the files of all stages in one folder; a [`Key`] names one inside its stage and can never
//! lead out of it. [`FileFormat`] is what `FILE_FORMAT = (…)` says, checked and complete. [`csv`] and [`json`] cut
//! files into records, [`infer`] tells the types of their values, [`Compression`] unpacks them on the
//! way and [`Packed`] packs them, and [`plain`] tells which files the engine reads in the same way, only faster.
//!
//! Nothing here knows a session, SQL or HTTP: a stage is an [`Area`] of the store, whoever it belongs to.

pub mod compression;
pub mod csv;
mod digests;
pub mod format;
pub mod infer;
pub mod json;
pub mod key;
pub mod packing;
pub mod plain;
pub mod scratch;
pub mod store;
mod zstd;

pub use compression::Compression;
pub use format::{FileFormat, FileKind};
pub use infer::Inferred;
pub use key::{Area, Key, decode};
pub use packing::Packed;
pub use scratch::Scratch;
pub use store::{FileStore, StageFile, StoreError, StoreLimits, Upload};
