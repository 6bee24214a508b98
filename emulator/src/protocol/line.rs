//! A connection that can be ended in the ways that faults ask for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

// A line that is to end in good order has 0.
const CUT: u8 = 1;
const RESET: u8 = 2;

/// How a line is to end, told from where its requests are answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Grip(Arc<AtomicU8>);

impl Grip {
    /// Ends the line once everything that was written to it is on its way.
    pub(super) fn cut(&self) {
        self.0.store(CUT, Ordering::Release);
    }

    /// Has the line end with a reset, whenever it ends.
    pub(super) fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }

    fn is(&self, end: u8) -> bool {
        self.0.load(Ordering::Acquire) == end
    }
}

/// A TCP connection under a [`Grip`].
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    grip: Grip,
}

impl Line {
    pub(super) fn new(stream: TcpStream, grip: Grip) -> Self {
        Self { stream, grip }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.grip.is(RESET) {
            reset(&self.stream);
        }
    }
}

/// Has a connection end with a reset instead of in good order.
pub(super) fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::warn!(%error, "failed to prepare a reset");
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Fails at a cut: whoever writes flushes after its own buffer is empty, so that nothing is missing.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.grip.is(CUT) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
