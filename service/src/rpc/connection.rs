//! A connection, who is at its other end, and whatever must be kept as long as it.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::arrivals::{Call, Newcomer};
use super::dismissal::Dismissal;

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Who is at the other end, by the word of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A process of this machine, says its system.
    Process {
        /// User id.
        uid: u32,
        /// Process id, where the system tells.
        pid: Option<i32>,
    },
    /// A client of another machine, says its certificate.
    Remote {
        /// The name by which it was let in.
        name: String,
        /// Where it calls from.
        address: SocketAddr,
    },
    /// The system does not say.
    Unknown,
}

/// Where a call comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    pub(super) peer: Peer,
    newcomer: Arc<Newcomer>,
    /// Ends its calls; only of a client that can be dismissed.
    dismissal: Option<Dismissal>,
}

impl Origin {
    pub(super) fn call(&self) -> Call {
        self.newcomer.call()
    }

    pub(super) fn dismissal(&self) -> Option<Dismissal> {
        self.dismissal.clone()
    }
}

/// What dismisses the client of a connection: it waits until that is to be, and says why.
pub type Notice = BoxFuture<'static, String>;

/// The other side of a connection, for whoever serves it.
pub(super) struct Lease {
    /// When its client has to leave, if that can be.
    pub(super) notice: Option<(Notice, Dismissal)>,
    /// Fires when the connection is gone.
    pub(super) gone: CancellationToken,
    /// Cuts the connection.
    pub(super) cut: CancellationToken,
}

/// A connection and a guard that is dropped with it, its place among the allowed ones for example.
pub struct Connection<G> {
    stream: Box<dyn Duplex>,
    origin: Origin,
    notice: Option<Notice>,
    /// Tells whoever serves it when it is dropped.
    gone: Option<DropGuard>,
    /// Fires when it is cut; only of a client that can be dismissed.
    cut: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    _guard: G,
}

impl<G> Connection<G> {
    /// A process of this machine; keeps `guard` as long as `stream`.
    pub fn new(stream: UnixStream, newcomer: Newcomer, guard: G) -> Self {
        let peer = stream.peer_cred().map_or(Peer::Unknown, |told| Peer::Process {
            uid: told.uid(),
            pid: told.pid(),
        });
        Self::of(Box::new(stream), peer, newcomer, guard)
    }

    /// A client that somebody has looked at.
    pub fn of(stream: Box<dyn Duplex>, peer: Peer, newcomer: Newcomer, guard: G) -> Self {
        Self {
            stream,
            origin: Origin {
                peer,
                newcomer: Arc::new(newcomer),
                dismissal: None,
            },
            notice: None,
            gone: None,
            cut: None,
            _guard: guard,
        }
    }

    /// Lets the client stay until this says otherwise.
    #[must_use]
    pub fn until(mut self, notice: Notice) -> Self {
        self.origin.dismissal = Some(Dismissal::default());
        self.notice = Some(notice);
        self
    }

    /// Begins to be served.
    pub(super) fn begin(&mut self) -> Lease {
        let (gone, cut) = (CancellationToken::new(), CancellationToken::new());
        self.gone = Some(gone.clone().drop_guard());
        let notice = self.notice.take().zip(self.origin.dismissal());
        // Whoever cannot be dismissed is not asked at each read and write.
        self.cut = notice.as_ref().map(|_| Box::pin(cut.clone().cancelled_owned()));
        Lease { notice, gone, cut }
    }

    fn poll_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let cut = self.cut.as_mut().map(|cut| cut.as_mut().poll(context));
        if cut.is_some_and(|cut| cut.is_ready()) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl<G> Connected for Connection<G> {
    type ConnectInfo = Origin;

    fn connect_info(&self) -> Origin {
        self.origin.clone()
    }
}

impl<G: Unpin> AsyncRead for Connection<G> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<G: Unpin> AsyncWrite for Connection<G> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
