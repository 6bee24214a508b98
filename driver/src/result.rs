//! What came back: the head of a result, and its rows as Arrow batches.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::Result;

/// Where a session stands: what unqualified names resolve to and what computes.
///
/// A part is `None` when it is not set, or when the server did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionContext {
    /// Current database.
    pub database: Option<String>,
    /// Current schema.
    pub schema: Option<String>,
    /// Current warehouse.
    pub warehouse: Option<String>,
    /// Current primary role.
    pub role: Option<String>,
}

/// Snowflake's statement type number with the families it falls into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct StatementType(pub i64);

/// Family of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatementKind {
    /// SELECT and everything else that answers with rows of data.
    Select,
    /// EXPLAIN.
    Explain,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
    /// COPY INTO, unload, and DML of other kinds.
    OtherDml,
    /// ALTER SESSION, SET.
    Session,
    /// USE.
    Use,
    /// SHOW, DESCRIBE, LIST.
    Show,
    /// BEGIN, COMMIT, ROLLBACK.
    Transaction,
    /// CREATE, ALTER, DROP, GRANT…
    Ddl,
    /// PUT, GET, REMOVE.
    StageFile,
    /// CALL.
    Call,
    /// Several statements in one text; see [`ResultHead::children`].
    Multi,
    /// The server did not say, or said something unknown.
    Other,
}

impl StatementType {
    /// True for statements that change rows.
    pub fn is_dml(self) -> bool {
        self.0 & 0xF000 == 0x3000
    }

    /// Sorts the number into its family.
    pub fn kind(self) -> StatementKind {
        match self.0 {
            0x3100 | 0x3500 => StatementKind::Insert,
            0x3200 => StatementKind::Update,
            0x3300 => StatementKind::Delete,
            0x3400 => StatementKind::Merge,
            id => match id & !0xFF {
                0x4300 => StatementKind::Use,
                0x4400 | 0x4500 | 0x4700 => StatementKind::Show,
                _ => match id & !0xFFF {
                    0x1000 => StatementKind::Select,
                    0x2000 => StatementKind::Explain,
                    0x3000 => StatementKind::OtherDml,
                    0x4000 => StatementKind::Session,
                    0x5000 => StatementKind::Transaction,
                    0x6000 => StatementKind::Ddl,
                    0x7000 => StatementKind::StageFile,
                    0x9000 => StatementKind::Call,
                    0xA000 => StatementKind::Multi,
                    _ => StatementKind::Other,
                },
            },
        }
    }
}

/// Rows changed by a DML statement, as far as the server said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmlCounts {
    /// Rows inserted.
    pub inserted: Option<u64>,
    /// Rows updated.
    pub updated: Option<u64>,
    /// Rows deleted.
    pub deleted: Option<u64>,
    /// Rows that were duplicates in a MERGE or UPDATE.
    pub duplicates: Option<u64>,
}

impl DmlCounts {
    /// Sum of inserted, updated and deleted rows.
    pub fn affected(&self) -> u64 {
        [self.inserted, self.updated, self.deleted]
            .into_iter()
            .flatten()
            .sum()
    }
}

/// One statement of a multi-statement query; read its rows with
/// [`UpstreamSession::result_of`](crate::UpstreamSession::result_of).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildStatement {
    /// Id of the child query.
    pub query_id: String,
    /// Its statement type.
    pub statement_type: StatementType,
}

/// Which encoding the rows had on the wire. Both are decoded to the same normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireFormat {
    /// Text cells.
    Json,
    /// Arrow IPC streams.
    Arrow,
}

/// Cost of the exchange with the server, for statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// From the first byte sent to the complete first answer, polling and retries included.
    pub elapsed: Duration,
    /// Requests sent to the server: 1 for an ordinary statement.
    pub requests: u32,
    /// How many of them were retries after a transport failure, 5xx, 429 or 408.
    pub retries: u32,
    /// How often the session token was renewed on the way.
    pub renewals: u32,
    /// Bytes of the first answer's body, as received after decompression.
    pub body_bytes: u64,
}

/// Everything about a result except its rows. Known completely when
/// [`UpstreamSession::execute`](crate::UpstreamSession::execute) returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResultHead {
    /// Snowflake's id of the query.
    pub query_id: String,
    /// Request id it was sent under; empty for results read by query id.
    pub request_id: String,
    /// Schema of every batch, in the normal form of [`crate::normal_form`].
    pub schema: SchemaRef,
    /// Statement type number; 0 when the server sent none.
    pub statement_type: StatementType,
    /// Session context after the statement.
    pub context: SessionContext,
    /// Session parameters that the server reported with the answer (name, value as text); often empty.
    pub parameters: Vec<(String, String)>,
    /// Rows changed, for DML.
    pub dml_counts: Option<DmlCounts>,
    /// Rows of the whole result at the server, before any row limit of ours.
    pub rows_total: Option<u64>,
    /// Number of placeholders, when the statement was only described.
    pub bind_count: Option<u64>,
    /// Statements of a multi-statement query, in order.
    pub children: Vec<ChildStatement>,
    /// Encoding on the wire.
    pub wire_format: WireFormat,
    /// Parts that have to be downloaded separately.
    pub chunk_count: usize,
    /// Cost of the exchange.
    pub exchange: Exchange,
}

/// Rows of one query as a stream of Arrow batches with bounded memory.
///
/// Batches come in row order and all have [`ResultHead::schema`]. Parts that have to be downloaded are fetched a few
/// ahead, never more at a time than [`DriverConfig`](crate::DriverConfig) allows in number and in bytes. Dropping the
/// result stops all downloads at once.
pub struct QueryResult {
    pub(crate) head: Arc<ResultHead>,
    pub(crate) rows: crate::fetch::RowStream,
}

impl QueryResult {
    /// Everything about the result except its rows.
    pub fn head(&self) -> &ResultHead {
        &self.head
    }

    /// Snowflake's id of the query.
    pub fn query_id(&self) -> &str {
        &self.head.query_id
    }

    /// Schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.head.schema)
    }

    /// Returns the next batch, or `None` after the last. A batch is never empty and has roughly
    /// [`DriverConfig::batch_bytes_target`](crate::DriverConfig::batch_bytes_target) bytes at most. Dropping the future
    /// loses no rows: the next call goes on where this one stopped.
    ///
    /// # Errors
    ///
    /// [`DriverError::Unreachable`](crate::DriverError::Unreachable) when a part cannot be downloaded,
    /// [`DriverError::Value`](crate::DriverError::Value) or [`DriverError::Protocol`](crate::DriverError::Protocol)
    /// when it cannot be decoded. After an error the stream is over.
    pub async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.rows.next_batch().await
    }

    /// Rows delivered so far, without those before the offset.
    pub fn rows_delivered(&self) -> u64 {
        self.rows.rows_delivered()
    }

    /// True when the row limit cut the result. Final once [`next_batch`](Self::next_batch) has returned `None`.
    pub fn is_truncated(&self) -> bool {
        self.rows.is_truncated()
    }

    /// Turns the result into a [`Stream`](futures_util::Stream) of batches.
    pub fn into_stream(self) -> impl futures_util::Stream<Item = Result<RecordBatch>> + Send {
        futures_util::stream::try_unfold(self, |mut result| async move {
            Ok(result.next_batch().await?.map(|batch| (batch, result)))
        })
    }
}

impl std::fmt::Debug for QueryResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryResult")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
