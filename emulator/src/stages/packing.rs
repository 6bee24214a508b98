//! Files that are compressed while they are written.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use brotli::CompressorWriter;
use bzip2::write::BzEncoder;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, FrameCompressor};

use super::{Compression, StoreError, Upload};

/// Brotli's levels go from 0 to 11; this one is as fast as the others' and smaller.
const BROTLI_QUALITY: u32 = 4;

/// The logarithm of the bytes that Brotli looks back: what `brotli` uses.
const BROTLI_WINDOW: u32 = 22;

/// Bytes that an encoder collects before it gives them on.
const BUFFER_BYTES: usize = 64 * 1024;

/// Bytes of text that wait together for the thread that packs them.
const CHUNK_BYTES: usize = 256 * 1024;

/// Such chunks that wait before their writer is made to wait.
const CHUNKS_AHEAD: usize = 2;

/// A file that is written through its compression.
pub enum Packed {
    /// Written as it is.
    Plain(Sink),
    /// Through an encoder that is given the text.
    Encoded(Box<dyn Encoder>),
    /// Through the encoder of a thread.
    Zstd(ZstdEncoder),
}

impl Packed {
    /// Begins a file.
    pub fn new(upload: Upload, compression: Compression) -> Self {
        let (sink, level) = (Sink::new(upload), flate2::Compression::fast());
        match compression {
            Compression::None => Self::Plain(sink),
            Compression::Gzip => Self::Encoded(Box::new(GzEncoder::new(sink, level))),
            Compression::Deflate => Self::Encoded(Box::new(ZlibEncoder::new(sink, level))),
            Compression::RawDeflate => Self::Encoded(Box::new(DeflateEncoder::new(sink, level))),
            Compression::Bzip2 => Self::Encoded(Box::new(BzEncoder::new(sink, bzip2::Compression::fast()))),
            Compression::Brotli => Self::Encoded(Box::new(CompressorWriter::new(
                sink,
                BUFFER_BYTES,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
            Compression::Zstd => Self::Zstd(ZstdEncoder::new(sink)),
        }
    }

    /// Adds text.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match self {
            Self::Plain(sink) => sink.upload.write(bytes),
            Self::Encoded(encoder) => Ok(encoder.write_all(bytes)?),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    /// Ends the file; gives its size.
    pub fn finish(self) -> Result<u64, StoreError> {
        let sink = match self {
            Self::Plain(sink) => sink,
            Self::Encoded(encoder) => encoder.end()?,
            Self::Zstd(encoder) => encoder.end()?,
        };
        if let Some(failure) = sink.failure {
            return Err(failure);
        }
        let bytes = sink.upload.written();
        sink.upload.finish()?;
        Ok(bytes)
    }
}

/// An upload as a writer.
pub struct Sink {
    upload: Upload,
    /// The first failure: not all encoders give on what they are told.
    failure: Option<StoreError>,
}

impl Sink {
    fn new(upload: Upload) -> Self {
        Self {
            upload,
            failure: None,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failure.is_none()
            && let Err(failure) = self.upload.write(bytes)
        {
            self.failure = Some(failure);
        }
        match &self.failure {
            None => Ok(bytes.len()),
            Some(failure) => Err(io::Error::other(failure.to_string())),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An encoder that text is written to.
pub trait Encoder: Write {
    /// Ends what it writes.
    fn end(self: Box<Self>) -> io::Result<Sink>;
}

impl Encoder for GzEncoder<Sink> {
    fn end(self: Box<Self>) -> io::Result<Sink> {
        self.finish()
    }
}

impl Encoder for ZlibEncoder<Sink> {
    fn end(self: Box<Self>) -> io::Result<Sink> {
        self.finish()
    }
}

impl Encoder for DeflateEncoder<Sink> {
    fn end(self: Box<Self>) -> io::Result<Sink> {
        self.finish()
    }
}

impl Encoder for BzEncoder<Sink> {
    fn end(self: Box<Self>) -> io::Result<Sink> {
        self.finish()
    }
}

impl Encoder for CompressorWriter<Sink> {
    fn end(self: Box<Self>) -> io::Result<Sink> {
        // The sink remembers what this does not tell.
        Ok(self.into_inner())
    }
}

/// Writes one frame of Zstandard. Its encoder takes text where others are given it, so it has a thread.
pub struct ZstdEncoder {
    chunk: Vec<u8>,
    chunks: SyncSender<Vec<u8>>,
    /// None once it has ended.
    packer: Option<JoinHandle<Sink>>,
}

impl ZstdEncoder {
    fn new(sink: Sink) -> Self {
        let (chunks, receiver) = sync_channel(CHUNKS_AHEAD);
        Self {
            chunk: Vec::new(),
            chunks,
            packer: Some(std::thread::spawn(move || pack(receiver, sink))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), StoreError> {
        let chunk = std::mem::take(&mut self.chunk);
        if self.chunks.send(chunk).is_ok() {
            return Ok(());
        }
        // It listens until it fails.
        let failure = joined(self.packer.take())?.failure;
        Err(failure.unwrap_or_else(|| defect().into()))
    }

    fn end(mut self) -> Result<Sink, StoreError> {
        if !self.chunk.is_empty() {
            self.send()?;
        }
        drop(self.chunks);
        joined(self.packer)
    }
}

/// What the thread leaves when it ends.
fn joined(packer: Option<JoinHandle<Sink>>) -> Result<Sink, StoreError> {
    let sink = packer.and_then(|packer| packer.join().ok());
    sink.ok_or_else(|| defect().into())
}

fn defect() -> io::Error {
    io::Error::other("its encoder met a defect")
}

/// Packs chunks until there are no more or the sink fails.
fn pack(chunks: Receiver<Vec<u8>>, mut sink: Sink) -> Sink {
    let failed = Rc::new(Cell::new(false));
    let mut frame = FrameCompressor::new(CompressionLevel::Fastest);
    frame.set_source(Arriving {
        chunks,
        chunk: Vec::new(),
        at: 0,
        failed: Rc::clone(&failed),
    });
    frame.set_drain(Drain {
        sink: &mut sink,
        failed,
    });
    frame.compress();
    drop(frame);
    sink
}

/// Chunks as a reader, which ends early when what is read need not be written any more.
struct Arriving {
    chunks: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
    failed: Rc<Cell<bool>>,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if self.failed.get() {
                return Ok(0);
            }
            match self.chunks.recv() {
                Ok(chunk) => (self.chunk, self.at) = (chunk, 0),
                Err(_) => return Ok(0),
            }
        }
        let read = (&self.chunk[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

/// A sink that does not fail, because the encoder would panic; the sink remembers the failure.
struct Drain<'a> {
    sink: &'a mut Sink,
    failed: Rc<Cell<bool>>,
}

impl Write for Drain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.sink.write(bytes).is_err() {
            self.failed.set(true);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::stages::{Area, FileStore, Key, StoreLimits};

    const ALL: [Compression; 7] = [
        Compression::None,
        Compression::Gzip,
        Compression::Deflate,
        Compression::RawDeflate,
        Compression::Bzip2,
        Compression::Brotli,
        Compression::Zstd,
    ];

    fn begun(store: &Arc<FileStore>, compression: Compression) -> Packed {
        let upload = store.create(&Area::named(1), &Key::new("file").unwrap());
        Packed::new(upload.unwrap(), compression)
    }

    #[test]
    fn what_is_packed_is_read_again() {
        let store = FileStore::open(None, &std::env::temp_dir(), StoreLimits::default()).unwrap();
        // Larger than what is collected and what waits, so that all of it is gone through more than once.
        let lines: Vec<String> = (0..200_000_u64)
            .map(|line| format!("{}\n", line * line))
            .collect();
        for compression in ALL {
            for text in [&[][..], &["a".to_owned()], &lines] {
                let mut file = begun(&store, compression);
                for line in text {
                    file.write(line.as_bytes()).unwrap();
                }
                let bytes = file.finish().unwrap();
                let file = store
                    .find(&Area::named(1), &Key::new("file").unwrap())
                    .unwrap()
                    .unwrap();
                let mut found = String::new();
                let mut reader = compression.open(&file.path).unwrap();
                reader.read_to_string(&mut found).unwrap();
                assert!(found == text.concat(), "{compression:?}");
                let packed = std::fs::metadata(&file.path).unwrap().len();
                assert_eq!(packed, bytes, "{compression:?}");
                if text.len() > 1 && compression != Compression::None {
                    assert!(packed < found.len() as u64, "{compression:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_said_to_be() {
        let limits = StoreLimits {
            file_bytes_max: 100_000,
            ..StoreLimits::default()
        };
        let store = FileStore::open(None, &std::env::temp_dir(), limits).unwrap();
        for compression in ALL {
            let mut file = begun(&store, compression);
            let mut state = 1_u64;
            let mut write = || {
                for _ in 0..2_000_000 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    file.write(&state.to_be_bytes())?;
                }
                Ok(())
            };
            let written: Result<(), StoreError> = write();
            let failure = match written {
                Err(failure) => failure,
                Ok(()) => file.finish().unwrap_err(),
            };
            assert_eq!(
                failure.to_string(),
                "the file is larger than the limit of 100000 bytes",
                "{compression:?}"
            );
        }
        assert!(store.list(&Area::named(1), "").unwrap().is_empty());
    }
}
