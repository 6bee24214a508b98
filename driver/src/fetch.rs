//! Rows of a result, part by part: downloads ahead of the reader, in order, within a budget.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use http::HeaderMap;
use snowflake_session_gateway::{CapturedAnswer, Chunk, GatewayError, GatewaySession, InlineRows};
use tokio_util::task::AbortOnDropHandle;

use crate::decode::{Part, Plan, decode_first, decode_next};
use crate::error::from_gateway;
use crate::{DriverConfig, DriverError, Result};

/// Parts smaller than this are decoded where they are; larger ones on the blocking pool, so that they do not delay other
/// sessions.
const DECODE_IN_PLACE_BYTES_MAX: usize = 64 * 1024;
/// What a part is taken to weigh when the server does not say.
const UNKNOWN_PART_BYTES: u64 = 16 * 1024 * 1024;

/// The parts of one result in row order.
pub(crate) struct RowStream {
    parts: Arc<Parts>,
    config: Arc<DriverConfig>,
    /// Decoded and not yet delivered.
    ready: VecDeque<RecordBatch>,
    /// Downloads under way or done, in order, each with its weight.
    ahead: VecDeque<(AbortOnDropHandle<Result<Vec<RecordBatch>>>, u64)>,
    ahead_bytes: u64,
    /// Index of the next part to start.
    next_part: usize,
    /// Rows in the parts that were started, as announced.
    rows_started: u64,
    limit: Option<u64>,
    delivered: u64,
    truncated: bool,
    over: bool,
}

/// What all downloads of one result share.
struct Parts {
    gateway: GatewaySession,
    plan: Plan,
    query_id: Option<String>,
    is_arrow: bool,
    headers: HeaderMap,
    chunks: Vec<Chunk>,
    /// Addresses that were asked for again because the first ones had expired.
    renewed: tokio::sync::OnceCell<Vec<Chunk>>,
    config: Arc<DriverConfig>,
}

impl RowStream {
    /// Takes the rows out of an answer, decodes what came inline, and settles the plan.
    pub(crate) async fn open(
        gateway: GatewaySession,
        config: Arc<DriverConfig>,
        captured: &mut CapturedAnswer,
        limit: Option<u64>,
    ) -> Result<Self> {
        let answer = &mut captured.answer;
        let plan = Plan::new(&answer.row_type);
        let inline = match std::mem::take(&mut answer.inline) {
            InlineRows::None => None,
            InlineRows::Json(bytes) => Some(Part::InlineJson(bytes)),
            InlineRows::ArrowBase64(bytes) => Some(Part::InlineArrow(bytes)),
        };
        let parts = Parts {
            gateway,
            plan,
            query_id: answer.query_id.clone(),
            is_arrow: answer.is_arrow,
            headers: answer.chunk_headers.clone(),
            chunks: std::mem::take(&mut answer.chunks),
            renewed: tokio::sync::OnceCell::new(),
            config: Arc::clone(&config),
        };
        let mut stream = Self {
            parts: Arc::new(parts),
            config,
            ready: VecDeque::new(),
            ahead: VecDeque::new(),
            ahead_bytes: 0,
            next_part: 0,
            rows_started: 0,
            limit,
            delivered: 0,
            truncated: false,
            over: false,
        };
        stream.read_first(inline).await?;
        Ok(stream)
    }

    /// Decodes the inline rows, and the first downloaded part too when nothing came inline and the schema depends on it.
    async fn read_first(&mut self, inline: Option<Part>) -> Result<()> {
        if let Some(inline) = inline {
            self.settle(inline).await?;
        }
        if self.ready.is_empty() && self.parts.plan.is_open() && !self.parts.chunks.is_empty() {
            let part = self.parts.download(0).await?;
            self.next_part = 1;
            self.rows_started += self.parts.chunks[0].row_count;
            self.settle(part).await?;
        }
        Ok(())
    }

    async fn settle(&mut self, part: Part) -> Result<()> {
        let mut plan = self.parts.plan.clone();
        let (plan, batches) = decoding(part.len(), move || {
            let batches = decode_first(&mut plan, &part)?;
            Ok((plan, batches))
        })
        .await?;
        self.rows_started += batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        let parts = Arc::get_mut(&mut self.parts)
            .ok_or_else(|| DriverError::protocol("a result was read too early"))?;
        parts.plan = plan;
        self.accept(batches);
        Ok(())
    }

    pub(crate) fn schema(&self) -> arrow_schema::SchemaRef {
        self.parts.plan.schema()
    }

    pub(crate) fn chunk_count(&self) -> usize {
        self.parts.chunks.len()
    }

    pub(crate) fn rows_delivered(&self) -> u64 {
        self.delivered
    }

    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    pub(crate) async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.over {
            return Ok(None);
        }
        let next = self.advance().await;
        if !matches!(next, Ok(Some(_))) {
            self.over = true;
            self.ready.clear();
            self.ahead.clear();
        }
        next
    }

    async fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let left = self
                .limit
                .map_or(u64::MAX, |limit| limit.saturating_sub(self.delivered));
            if left == 0 {
                let more_parts = self.parts.chunks[self.next_part..]
                    .iter()
                    .any(|chunk| chunk.row_count > 0);
                self.truncated = !self.ready.is_empty() || !self.ahead.is_empty() || more_parts;
                return Ok(None);
            }
            self.start_downloads();
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(self.deliver(batch, left)));
            }
            // The download leaves the queue only when it is done: a caller that drops this future loses nothing.
            let Some((handle, weight)) = self.ahead.front_mut() else {
                return Ok(None);
            };
            let (outcome, weight) = (handle.await, *weight);
            self.ahead.pop_front();
            self.ahead_bytes -= weight;
            let batches = outcome.map_err(|_| DriverError::protocol("a download was interrupted"))??;
            self.accept(batches);
        }
    }

    fn deliver(&mut self, batch: RecordBatch, left: u64) -> RecordBatch {
        let rows = batch.num_rows() as u64;
        self.delivered += rows.min(left);
        if rows <= left {
            return batch;
        }
        // The rest of the batch stays in the queue as the sign that the result goes on.
        self.ready
            .push_front(batch.slice(left as usize, (rows - left) as usize));
        batch.slice(0, left as usize)
    }

    /// Queues batches, cut to the wanted size.
    fn accept(&mut self, batches: Vec<RecordBatch>) {
        for batch in batches {
            let rows = batch.num_rows();
            let pieces = batch_bytes(&batch)
                .div_ceil(self.config.batch_bytes_target.max(1))
                .clamp(1, rows.max(1));
            let rows_per_piece = rows.div_ceil(pieces).max(1);
            let mut start = 0;
            while start < rows {
                let len = rows_per_piece.min(rows - start);
                self.ready.push_back(batch.slice(start, len));
                start += len;
            }
        }
    }

    /// Starts downloads while their number, their weight and the row limit allow.
    fn start_downloads(&mut self) {
        while self.next_part < self.parts.chunks.len() {
            let chunk = &self.parts.chunks[self.next_part];
            let weight = weight_of(chunk);
            let full = self.ahead.len() >= self.config.prefetch_chunks_max.max(1)
                || (!self.ahead.is_empty() && self.ahead_bytes + weight > self.config.prefetch_bytes_max);
            let enough = self.limit.is_some_and(|limit| self.rows_started >= limit);
            // Parts whose rows were not announced may hold fewer than hoped, so an empty queue always starts one.
            let starved = self.ahead.is_empty() && self.ready.is_empty();
            if full || (enough && !starved) {
                return;
            }
            let parts = Arc::clone(&self.parts);
            let index = self.next_part;
            let handle = tokio::spawn(async move { parts.fetch(index).await });
            self.ahead.push_back((AbortOnDropHandle::new(handle), weight));
            self.ahead_bytes += weight;
            self.rows_started += chunk.row_count;
            self.next_part += 1;
        }
    }
}

impl Parts {
    async fn fetch(self: Arc<Self>, index: usize) -> Result<Vec<RecordBatch>> {
        let part = self.download(index).await?;
        decoding(part.len(), move || decode_next(&self.plan, part)).await
    }

    async fn download(&self, index: usize) -> Result<Part> {
        let mut outcome = self
            .gateway
            .download(&self.chunks[index].url, &self.headers)
            .await;
        if matches!(outcome, Err(GatewayError::Refused { .. })) && self.query_id.is_some() {
            // Addresses of parts expire; the server gives new ones with the result.
            let renewed = self.renewed.get_or_try_init(|| self.renew_addresses()).await?;
            outcome = self.gateway.download(&renewed[index].url, &self.headers).await;
        }
        let bytes = outcome.map_err(from_gateway)?;
        Ok(if self.is_arrow {
            Part::ArrowChunk(bytes)
        } else {
            Part::JsonChunk(bytes)
        })
    }

    async fn renew_addresses(&self) -> Result<Vec<Chunk>> {
        let query_id = self.query_id.as_deref().unwrap_or_default();
        let captured = self
            .gateway
            .result_of(query_id, self.config.query_timeout_max)
            .await
            .map_err(from_gateway)?;
        let chunks = captured.answer.chunks;
        if chunks.len() != self.chunks.len() {
            return Err(DriverError::protocol(
                "the parts of a result changed while it was read",
            ));
        }
        Ok(chunks)
    }
}

fn weight_of(chunk: &Chunk) -> u64 {
    match chunk.uncompressed_size.max(chunk.compressed_size) {
        0 => UNKNOWN_PART_BYTES,
        bytes => bytes,
    }
}

/// Bytes of a batch itself. Its arrays may share one large buffer, whose whole size would say nothing.
fn batch_bytes(batch: &RecordBatch) -> usize {
    batch
        .columns()
        .iter()
        .map(|column| column.to_data().get_slice_memory_size().unwrap_or(0))
        .sum()
}

/// Runs a decoding of `bytes` bytes where it disturbs least.
async fn decoding<T, F>(bytes: usize, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    if bytes <= DECODE_IN_PLACE_BYTES_MAX {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(DriverError::protocol("a decoding was interrupted")))
}
