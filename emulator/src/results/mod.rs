//! Results: what a statement gave, kept so that a client can fetch it in pieces and again.
//!
//! A statement's rows arrive as the engine makes them, in the engine's physical types. This room turns
//! them into the physical types of Snowflake's wire ([`Converter`]), cuts them into chunks
//! ([`Collector`]), and keeps the chunks in memory up to a budget shared by all results and in a file
//! beyond it ([`Spool`]). The first rows stay aside as the part that travels inside the answer; the
//! rest is fetched by URL. First rows, columns and the statement's text ([`KeptText`]) have a budget of
//! their own in memory, and move into the file when it is taken: nothing is lost for want of memory. A chunk is one
//! Arrow IPC stream; its buffers are the engine's own, not copies. JSON text is made from the Arrow chunk when a client
//! asks for it, never stored.
//!
//! The room knows neither HTTP nor sessions: it is given columns and batches and gives back
//! [`StoredResult`]. Who may read a result, and for how long, is `protocol`'s business.

mod arena;
mod collect;
mod column;
mod decfloat;
mod first;
mod json;
mod kept;
mod physical;
mod restore;
mod shapes;
mod spool;
mod statement_text;
mod stored;
mod style;
mod text;

pub use collect::{ChunkLimits, Collector};
pub use column::{WireColumn, wire_columns};
pub use json::JsonRows;
pub use physical::Converter;
pub use spool::{Spool, SpoolBytes, SpoolLimits};
pub use statement_text::KeptText;
pub use stored::{ChunkInfo, StoredResult, gzip};
pub use style::{BinaryForm, JsonStyle, TimeFormats};

/// Why a result could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// The rows are not of the types that their columns name; a defect of ours.
    #[error("column {column} came as {found}, which is no form of {expected}")]
    Shape {
        /// Name of the column.
        column: String,
        /// Arrow type that came.
        found: String,
        /// Snowflake type that was announced.
        expected: &'static str,
    },
    /// Arrow refused; a defect of ours.
    #[error("failed to encode rows")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// The file of the results that outgrew memory could not be written or read.
    #[error("failed to use the results' file")]
    File(#[from] std::io::Error),
    /// The results on disk have reached their limit.
    #[error(
        "results would take more than the {limit_bytes} bytes of result_disk_mib; those that nobody has read are \
         kept until their time ends"
    )]
    DiskFull {
        /// The limit.
        limit_bytes: u64,
    },
}
