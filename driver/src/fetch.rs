//! Rows of a result, part by part: downloads ahead of the reader, in order, within a budget.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use http::HeaderMap;
use snowflake_session_gateway::{CapturedAnswer, Chunk, GatewayError, GatewaySession, InlineRows};
use tokio_util::task::AbortOnDropHandle;

use crate::decode::{Part, Plan, decode_first, decode_next};
use crate::error::from_gateway;
use crate::{DriverConfig, DriverError, Result, RowWindow};

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
    /// Rows to leave out of the parts that come next.
    skip: u64,
    /// Rows that have to be started to satisfy the limit.
    rows_wanted: Option<u64>,
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
    /// The parts as first announced. Their addresses may have been renewed since.
    chunks: Vec<Chunk>,
    /// Where to download from now. Locked across a renewal, so that parts that find their addresses expired together
    /// ask for new ones once.
    addresses: tokio::sync::Mutex<Arc<Addresses>>,
    config: Arc<DriverConfig>,
}

/// Addresses of all parts, which are good for some hours.
struct Addresses {
    urls: Vec<String>,
    headers: HeaderMap,
}

impl Addresses {
    fn new(chunks: &[Chunk], headers: HeaderMap) -> Arc<Self> {
        let urls = chunks.iter().map(|chunk| chunk.url.clone()).collect();
        Arc::new(Self { urls, headers })
    }
}

impl RowStream {
    /// Takes the rows out of an answer, decodes what came inline, and settles the plan.
    pub(crate) async fn open(
        gateway: GatewaySession,
        config: Arc<DriverConfig>,
        captured: &mut CapturedAnswer,
        window: RowWindow,
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
            addresses: tokio::sync::Mutex::new(Addresses::new(
                &answer.chunks,
                std::mem::take(&mut answer.chunk_headers),
            )),
            chunks: std::mem::take(&mut answer.chunks),
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
            skip: window.offset,
            rows_wanted: None,
            limit: window.limit,
            delivered: 0,
            truncated: false,
            over: false,
        };
        stream.read_first(inline).await?;
        stream.skip_parts();
        Ok(stream)
    }

    /// Passes over the parts that lie before the offset as a whole, as far as their rows were announced.
    fn skip_parts(&mut self) {
        while let Some(chunk) = self.parts.chunks.get(self.next_part)
            && (1..=self.skip).contains(&chunk.row_count)
        {
            self.skip -= chunk.row_count;
            self.next_part += 1;
        }
        let wanted = |limit: u64| limit.saturating_add(self.skip);
        self.rows_wanted = self.limit.map(wanted);
    }

    /// Decodes the inline rows, and the first downloaded part too when nothing came inline and the schema depends on it.
    async fn read_first(&mut self, inline: Option<Part>) -> Result<()> {
        let mut rows_inline = 0;
        if let Some(inline) = inline {
            let (plan, batches) = decode_settling(self.parts.plan.clone(), inline).await?;
            rows_inline = row_count(&batches);
            self.settle(plan, batches)?;
        }
        if rows_inline == 0 && self.parts.plan.is_open() && !self.parts.chunks.is_empty() {
            let (plan, batches) = self
                .parts
                .read(0, |part| decode_settling(self.parts.plan.clone(), part))
                .await?;
            self.next_part = 1;
            self.settle(plan, batches)?;
        }
        Ok(())
    }

    fn settle(&mut self, plan: Plan, batches: Vec<RecordBatch>) -> Result<()> {
        let parts = Arc::get_mut(&mut self.parts)
            .ok_or_else(|| DriverError::protocol("a result was read too early"))?;
        parts.plan = plan;
        self.rows_started += self.accept(batches);
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

    /// Queues batches, cut to the wanted size, without the rows before the offset. Returns how many rows that are.
    fn accept(&mut self, batches: Vec<RecordBatch>) -> u64 {
        let mut accepted = 0;
        for batch in batches {
            let skipped = batch
                .num_rows()
                .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.skip -= skipped as u64;
            let batch = batch.slice(skipped, batch.num_rows() - skipped);
            let rows = batch.num_rows();
            accepted += rows as u64;
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
        accepted
    }

    /// Starts downloads while their number, their weight and the row limit allow.
    fn start_downloads(&mut self) {
        while self.next_part < self.parts.chunks.len() {
            let chunk = &self.parts.chunks[self.next_part];
            let weight = weight_of(chunk);
            let full = self.ahead.len() >= self.config.prefetch_chunks_max.max(1)
                || (!self.ahead.is_empty() && self.ahead_bytes + weight > self.config.prefetch_bytes_max);
            let enough = self.rows_wanted.is_some_and(|wanted| self.rows_started >= wanted);
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

/// How often a part is downloaded that arrives damaged: cut short, or not what was announced.
const DAMAGED_TRIES_MAX: u32 = 2;

/// Outcomes of a decoding that have rows.
trait Rows {
    fn rows(&self) -> u64;
}

impl Rows for Vec<RecordBatch> {
    fn rows(&self) -> u64 {
        row_count(self)
    }
}

impl Rows for (Plan, Vec<RecordBatch>) {
    fn rows(&self) -> u64 {
        row_count(&self.1)
    }
}

impl Parts {
    async fn fetch(self: Arc<Self>, index: usize) -> Result<Vec<RecordBatch>> {
        let decode = |part: Part| {
            let parts = Arc::clone(&self);
            decoding(part.len(), move || decode_next(&parts.plan, part))
        };
        self.read(index, decode).await
    }

    /// Downloads and decodes a part, and makes sure that it has all its rows: storage that cuts a part short may do so
    /// without breaking the connection or the encoding.
    async fn read<T, F, D>(&self, index: usize, decode: F) -> Result<T>
    where
        T: Rows,
        F: Fn(Part) -> D,
        D: Future<Output = Result<T>>,
    {
        let announced = self.chunks[index].row_count;
        let mut tries = 1;
        loop {
            let part = self.download(index).await?;
            let outcome = match decode(part).await {
                Ok(decoded) if announced > 0 && decoded.rows() != announced => Err(DriverError::protocol(
                    format!("a result part has {} rows instead of {announced}", decoded.rows()),
                )),
                outcome => outcome,
            };
            match outcome {
                Err(DriverError::Protocol { .. }) if tries < DAMAGED_TRIES_MAX => tries += 1,
                outcome => return outcome,
            }
        }
    }

    async fn download(&self, index: usize) -> Result<Part> {
        let addresses = Arc::clone(&*self.addresses.lock().await);
        let mut outcome = self
            .gateway
            .download(&addresses.urls[index], &addresses.headers)
            .await;
        if matches!(outcome, Err(GatewayError::Refused { .. })) && self.query_id.is_some() {
            let renewed = self.renewed_addresses(&addresses).await?;
            outcome = self
                .gateway
                .download(&renewed.urls[index], &renewed.headers)
                .await;
        }
        let bytes = outcome.map_err(from_gateway)?;
        Ok(if self.is_arrow {
            Part::ArrowChunk(bytes)
        } else {
            Part::JsonChunk(bytes)
        })
    }

    /// Addresses that are newer than `expired`. Addresses of parts expire; the server gives new ones with the result.
    async fn renewed_addresses(&self, expired: &Arc<Addresses>) -> Result<Arc<Addresses>> {
        let mut addresses = self.addresses.lock().await;
        if !Arc::ptr_eq(&addresses, expired) {
            return Ok(Arc::clone(&addresses));
        }
        let query_id = self.query_id.as_deref().unwrap_or_default();
        let captured = self
            .gateway
            .result_of(query_id, self.config.query_timeout_max)
            .await
            .map_err(from_gateway)?;
        let rows = |chunks: &[Chunk]| chunks.iter().map(|chunk| chunk.row_count).collect::<Vec<_>>();
        if rows(&captured.answer.chunks) != rows(&self.chunks) {
            return Err(DriverError::protocol(
                "the parts of a result changed while it was read",
            ));
        }
        *addresses = Addresses::new(&captured.answer.chunks, captured.answer.chunk_headers);
        Ok(Arc::clone(&addresses))
    }
}

/// Decodes a part that may settle what `plan` leaves open, and returns the plan with it.
async fn decode_settling(mut plan: Plan, part: Part) -> Result<(Plan, Vec<RecordBatch>)> {
    decoding(part.len(), move || {
        let batches = decode_first(&mut plan, &part)?;
        Ok((plan, batches))
    })
    .await
}

fn row_count(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
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
