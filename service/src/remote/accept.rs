//! Accepts TCP connections and shakes hands with whom they are from.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::credentials::Credentials;
use super::listener::RemoteListener;

/// Limits of what comes over TCP.
#[derive(Debug, Clone, Copy)]
pub struct RemoteRules {
    /// Most connections at a time; more wait in the socket's backlog.
    pub connections_max: usize,
    /// Most clients that are shaking hands at a time; more wait there, too.
    pub handshakes_max: usize,
    /// How long a client may take for it.
    pub handshake_timeout: Duration,
    /// How long a client may be silent and out of reach.
    pub dead_peer_timeout: Duration,
}

/// A client that was let in.
#[derive(Debug)]
pub struct Admitted<G> {
    /// The connection.
    pub stream: Box<TlsStream<TcpStream>>,
    /// The name in its certificate by which it was let in.
    pub name: String,
    /// Where it calls from.
    pub address: SocketAddr,
    /// To be kept as long as the connection: its place among the allowed ones.
    pub permit: OwnedSemaphorePermit,
    /// What was made for it when it was accepted.
    pub guard: G,
}

/// A running accept loop.
#[derive(Debug, Clone)]
pub struct RemoteLoop {
    wishes: mpsc::Sender<(Wish, oneshot::Sender<()>)>,
    address: SocketAddr,
    is_passed: bool,
}

/// What a running loop can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Ping,
    Pause,
    Resume,
}

/// Pause after the system refused a connection, for lack of descriptors for example.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Most bytes of a refused client that are thrown away so that it can read why it was refused.
const REFUSED_BYTES_MAX: usize = 64 << 10;

/// Shares of [`RemoteRules::dead_peer_timeout`] by which a silent client is asked whether it is still there.
const PROBES: u32 = 3;

impl RemoteLoop {
    /// Starts to accept; clients come out of the receiver until `stop` fires. Each handshake takes the credentials as
    /// they are when it begins. `arrive` is called for each connection as soon as it is accepted.
    ///
    /// # Errors
    ///
    /// When the runtime cannot watch the socket.
    pub fn start<G: Send + 'static>(
        listener: RemoteListener,
        credentials: watch::Receiver<Credentials>,
        rules: RemoteRules,
        stop: CancellationToken,
        arrive: impl Fn() -> G + Send + 'static,
    ) -> io::Result<(Self, mpsc::Receiver<Admitted<G>>)> {
        let (address, is_passed) = (listener.address(), listener.is_passed());
        let socket = TcpListener::from_std(listener.socket)?;
        let (clients, admitted) = mpsc::channel(1);
        let (wishes, mut wished) = mpsc::channel::<(Wish, oneshot::Sender<()>)>(1);
        let doorway = Doorway {
            places: Arc::new(Semaphore::new(rules.connections_max)),
            handshakes: Arc::new(Semaphore::new(rules.handshakes_max)),
            rules,
        };
        tokio::spawn(async move {
            let mut paused = false;
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    Some((wish, done)) = wished.recv() => {
                        paused = match wish {
                            Wish::Ping => paused,
                            Wish::Pause => true,
                            Wish::Resume => false,
                        };
                        let _ = done.send(());
                    }
                    accepted = doorway.accept(&socket), if !paused => {
                        let Some((stream, address, place, handshake)) = accepted else {
                            continue;
                        };
                        let guard = arrive();
                        let (credentials, clients) = (credentials.borrow().clone(), clients.clone());
                        tokio::spawn(async move {
                            let greeted = greet(stream, address, &credentials, rules.handshake_timeout).await;
                            if let Some((stream, name)) = greeted {
                                let client = Admitted { stream, name, address, permit: place, guard };
                                // Nobody takes it any more: the service is gone.
                                let _ = clients.send(client).await;
                            }
                            drop(handshake);
                        });
                    }
                }
            }
        });
        let loop_ = Self {
            wishes,
            address,
            is_passed,
        };
        Ok((loop_, admitted))
    }

    /// Accepts nothing from now on. Who has been accepted goes on shaking hands.
    pub async fn pause(&self) {
        self.ask(Wish::Pause).await;
    }

    /// Accepts again after a pause.
    pub async fn resume(&self) {
        self.ask(Wish::Resume).await;
    }

    /// True when the loop answers within `limit`.
    pub async fn is_alive(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.ask(Wish::Ping))
            .await
            .unwrap_or(false)
    }

    async fn ask(&self, wish: Wish) -> bool {
        let (done, answer) = oneshot::channel();
        self.wishes.send((wish, done)).await.is_ok() && answer.await.is_ok()
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// True when a service manager holds the socket and keeps who comes while nobody serves it.
    pub fn is_passed(&self) -> bool {
        self.is_passed
    }
}

/// Where connections wait until there is room for them.
struct Doorway {
    places: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    rules: RemoteRules,
}

type Entered = (TcpStream, SocketAddr, OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Doorway {
    /// The next connection, once there is room for it.
    async fn accept(&self, socket: &TcpListener) -> Option<Entered> {
        let handshake = Arc::clone(&self.handshakes).acquire_owned().await.ok()?;
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        match socket.accept().await {
            Ok((stream, address)) => {
                if let Err(error) = prepare(&stream, self.rules.dead_peer_timeout) {
                    tracing::debug!(%address, %error, "a connection over TCP ended at once");
                    return None;
                }
                Some((stream, address, place, handshake))
            }
            Err(error) => {
                tracing::warn!(error = %error, "connection over TCP not accepted");
                tokio::time::sleep(REFUSED_PAUSE).await;
                None
            }
        }
    }
}

/// Answers are sent at once, and a client that is gone is noticed.
fn prepare(stream: &TcpStream, dead_peer_timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // The system counts in seconds.
    let interval = (dead_peer_timeout / (PROBES + 1)).max(Duration::from_secs(1));
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, interval)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    #[cfg(target_os = "linux")]
    {
        // For what was sent to it and is not acknowledged; macOS has no such limit of its own.
        let limit = u32::try_from(dead_peer_timeout.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(stream, limit)?;
    }
    Ok(())
}

/// Shakes hands with a client; `None` when it may not come, does not speak TLS, or takes too long.
async fn greet(
    stream: TcpStream,
    address: SocketAddr,
    credentials: &Credentials,
    limit: Duration,
) -> Option<(Box<TlsStream<TcpStream>>, String)> {
    let deadline = Instant::now() + limit;
    let acceptor = TlsAcceptor::from(Arc::clone(&credentials.config));
    let refused = match timeout_at(deadline, acceptor.accept(stream).into_fallible()).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let name = certificates
                .and_then(<[_]>::first)
                .and_then(|certificate| credentials.name_of(certificate));
            match name {
                Some(name) => return Some((Box::new(stream), name)),
                None => "its certificate gives no name".to_owned(),
            }
        }
        Ok(Err((error, stream))) => {
            let why = error.to_string();
            // The alert that says why is on its way; closing a socket with something unread in it would destroy it.
            let _ = timeout_at(deadline, part(stream)).await;
            why
        }
        Err(_) => format!("it took longer than {limit:?} (`tcp.handshake_timeout`)"),
    };
    tracing::warn!(%address, reason = refused, "client over TCP refused");
    None
}

/// Lets a refused client read until it hangs up.
async fn part(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut buffer = [0; 4096];
    let mut unread = REFUSED_BYTES_MAX;
    while unread > 0 {
        match stream.read(&mut buffer).await? {
            0 => break,
            length => unread = unread.saturating_sub(length),
        }
    }
    Ok(())
}
