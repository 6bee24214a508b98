//! Where text goes: a buffer before a file descriptor.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Size at which the buffer is written, in bytes.
const SPILL_BYTES: usize = 1 << 20;

/// Below this a result is held until its end, so that a small one is written whole or not at all.
const HOLD_BYTES: usize = 64 << 10;

/// A buffered output that counts.
pub(crate) struct Sink {
    writer: Box<dyn Write + Send>,
    buffer: Vec<u8>,
    written: Arc<AtomicU64>,
    /// Sizes at which the buffer is written: between rows, and between batches.
    spill_bytes: usize,
    settle_bytes: usize,
}

impl Sink {
    /// A sink before `writer`, which should not buffer itself.
    pub(crate) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self {
            writer,
            buffer: Vec::new(),
            written: Arc::default(),
            spill_bytes: SPILL_BYTES,
            settle_bytes: HOLD_BYTES,
        }
    }

    /// A sink that keeps everything in its buffer.
    pub(super) fn holding() -> Self {
        Self {
            spill_bytes: usize::MAX,
            settle_bytes: usize::MAX,
            ..Self::new(Box::new(io::sink()))
        }
    }

    /// Counter of the bytes that were handed to the system.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// Whether anything was handed to the system.
    pub(super) fn has_written(&self) -> bool {
        self.written.load(Ordering::Relaxed) > 0
    }

    /// The buffer, to be appended to.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes the buffer if it is full; called between rows.
    #[inline]
    pub(super) fn spill(&mut self) -> io::Result<()> {
        if self.buffer.len() >= self.spill_bytes {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Writes the buffer if it is worth it; called between batches.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.buffer.len() >= self.settle_bytes {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Writes bytes past the buffer, after what it holds.
    pub(super) fn write_through(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.write(bytes)
    }

    /// Writes the buffer.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.write(&buffer);
        buffer.clear();
        self.buffer = buffer;
        written
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
