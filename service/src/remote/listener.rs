//! How we come to a listening TCP socket.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// A listening socket.
#[derive(Debug)]
pub struct RemoteListener {
    /// The socket, non-blocking.
    pub(super) socket: TcpListener,
    address: SocketAddr,
    is_passed: bool,
}

impl RemoteListener {
    /// Listens at an address.
    ///
    /// # Errors
    ///
    /// When the system refuses it.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::of(TcpListener::bind(address)?, false)
    }

    /// Takes a socket that a service manager holds.
    ///
    /// # Errors
    ///
    /// When the system refuses to tell or to set what it takes.
    pub fn passed(socket: TcpListener) -> io::Result<Self> {
        Self::of(socket, true)
    }

    fn of(socket: TcpListener, is_passed: bool) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            address: socket.local_addr()?,
            socket,
            is_passed,
        })
    }

    /// Where clients find it; the port is the real one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// True when a service manager holds the socket: who connects while nobody serves it waits there.
    pub fn is_passed(&self) -> bool {
        self.is_passed
    }
}
