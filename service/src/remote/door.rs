//! The door for other machines: TCP, and a handshake with whom the connection is from.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::credentials::Credentials;
use super::listener::RemoteListener;
use super::standing::Standing;
use crate::platform::accept::{Door, REFUSED_TIME_MAX, Refusals};

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
    /// Whether it would be let in still.
    pub standing: Standing,
    /// Where it calls from.
    pub address: SocketAddr,
    /// To be kept as long as the connection: its place among the allowed ones.
    pub permit: OwnedSemaphorePermit,
    /// What was made for it when it was accepted.
    pub guard: G,
}

/// Most bytes of a refused client that are thrown away so that it can read why it was refused.
const REFUSED_BYTES_MAX: usize = 64 << 10;

/// Shares of [`RemoteRules::dead_peer_timeout`] by which a silent client is asked whether it is still there.
const PROBES: u32 = 3;

/// The door. Each handshake takes the credentials as they are when it begins.
pub struct RemoteDoor<G, A> {
    socket: TcpListener,
    is_open: bool,
    refusals: Refusals,
    /// Clients whom nobody has taken for long.
    stranded: Arc<AtomicUsize>,
    places: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    rules: RemoteRules,
    credentials: watch::Receiver<Credentials>,
    arrive: A,
    clients: mpsc::Sender<Admitted<G>>,
}

/// Somebody at the door, with a place among the connections and one among the handshakes.
pub struct Newcomer<G> {
    stream: TcpStream,
    address: SocketAddr,
    place: OwnedSemaphorePermit,
    handshake: OwnedSemaphorePermit,
    guard: G,
}

impl<G: Send + 'static, A: Fn() -> G + Send + Sync + 'static> RemoteDoor<G, A> {
    /// A door at a socket; clients who were let in come out of the receiver. `arrive` is called for each connection as soon
    /// as it is accepted.
    ///
    /// # Errors
    ///
    /// When the runtime cannot watch the socket.
    pub fn at(
        listener: RemoteListener,
        credentials: watch::Receiver<Credentials>,
        rules: RemoteRules,
        arrive: A,
    ) -> io::Result<(Self, mpsc::Receiver<Admitted<G>>)> {
        let (clients, admitted) = mpsc::channel(1);
        let door = Self {
            socket: TcpListener::from_std(listener.socket)?,
            is_open: true,
            refusals: Refusals::default(),
            stranded: Arc::default(),
            places: Arc::new(Semaphore::new(rules.connections_max)),
            handshakes: Arc::new(Semaphore::new(rules.handshakes_max)),
            rules,
            credentials,
            arrive,
            clients,
        };
        Ok((door, admitted))
    }
}

impl<G: Send + 'static, A: Fn() -> G + Send + Sync + 'static> Door for RemoteDoor<G, A> {
    type Came = Newcomer<G>;

    async fn next(&mut self) -> Option<Newcomer<G>> {
        if !self.is_open {
            return std::future::pending().await;
        }
        let handshake = Arc::clone(&self.handshakes).acquire_owned().await.ok()?;
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, address)) => {
                self.refusals.end();
                if let Err(error) = prepare(&stream, self.rules.dead_peer_timeout) {
                    tracing::warn!(%address, %error, "a connection over TCP could not be prepared, and is closed");
                    return None;
                }
                Some(Newcomer {
                    stream,
                    address,
                    place,
                    handshake,
                    guard: (self.arrive)(),
                })
            }
            Err(error) => {
                self.refusals.refused(error, "connection over TCP").await;
                None
            }
        }
    }

    /// Shakes hands beside the loop, so that nobody waits for a slow one.
    async fn pass(&mut self, came: Newcomer<G>) -> ControlFlow<()> {
        let Newcomer {
            stream,
            address,
            place: permit,
            handshake,
            guard,
        } = came;
        let (credentials, clients) = (self.credentials.clone(), self.clients.clone());
        let (limit, stranded) = (self.rules.handshake_timeout, Arc::clone(&self.stranded));
        tokio::spawn(async move {
            if let Some((stream, standing)) = greet(stream, address, credentials, limit).await {
                let client = Admitted {
                    stream,
                    name: standing.name().to_string(),
                    standing,
                    address,
                    permit,
                    guard,
                };
                hand_over(client, &clients, &stranded).await;
            }
            drop(handshake);
        });
        ControlFlow::Continue(())
    }

    /// Who waits in the queue of the socket, ours or a manager's, is found there by whoever opens it again.
    fn shut(&mut self) -> Vec<Newcomer<G>> {
        self.is_open = false;
        Vec::new()
    }

    fn open(&mut self) {
        self.is_open = true;
    }

    /// Handshakes that are held up by clients do not count: each has its deadline.
    fn works(&self) -> bool {
        !self.is_open || !self.refusals.go_on() && self.stranded.load(Ordering::Relaxed) == 0
    }
}

/// Passes a client on, and counts it as stranded when nobody takes it for long.
async fn hand_over<T>(client: T, clients: &mpsc::Sender<T>, stranded: &AtomicUsize) {
    let soon = timeout(REFUSED_TIME_MAX, clients.reserve()).await;
    let place = if let Ok(place) = soon {
        place
    } else {
        stranded.fetch_add(1, Ordering::Relaxed);
        let place = clients.reserve().await;
        stranded.fetch_sub(1, Ordering::Relaxed);
        place
    };
    // If nobody takes any more, the service is gone.
    if let Ok(place) = place {
        place.send(client);
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
    mut credentials: watch::Receiver<Credentials>,
    limit: Duration,
) -> Option<(Box<TlsStream<TcpStream>>, Standing)> {
    let deadline = Instant::now() + limit;
    let acceptor = TlsAcceptor::from(Arc::clone(&credentials.borrow_and_update().config));
    let refused = match timeout_at(deadline, acceptor.accept(stream).into_fallible()).await {
        Ok(Ok(stream)) => {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let chain = chain.iter().map(|certificate| certificate.clone().into_owned());
            match Standing::of(chain.collect(), credentials) {
                Some(standing) => return Some((Box::new(stream), standing)),
                None => "none of its names may come any more".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends of what the configuration takes.
    #[tokio::test]
    async fn connections_are_prepared_for_short_and_long_silence() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        for (timeout, interval) in [(3, 1), (24 * 3600, 6 * 3600)] {
            prepare(&stream, Duration::from_secs(timeout)).unwrap();
            let idle = sockopt::tcp_keepidle(&stream).unwrap();
            assert_eq!(idle, Duration::from_secs(interval));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_whom_nobody_takes_are_counted_until_somebody_does() {
        let (clients, mut admitted) = mpsc::channel(1);
        let stranded = Arc::new(AtomicUsize::new(0));
        let count = || stranded.load(Ordering::Relaxed);
        let hand = |client: u8| {
            let (clients, stranded) = (clients.clone(), Arc::clone(&stranded));
            tokio::spawn(async move { hand_over(client, &clients, &stranded).await })
        };
        hand(1).await.unwrap();
        let (second, third) = (hand(2), hand(3));
        tokio::time::sleep(REFUSED_TIME_MAX / 2).await;
        assert_eq!(count(), 0);
        tokio::time::sleep(REFUSED_TIME_MAX).await;
        assert_eq!(count(), 2);
        assert_eq!(admitted.recv().await, Some(1));
        while count() == 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(count(), 1);
        // Nobody takes any more, and nobody waits for that.
        drop(admitted);
        second.await.unwrap();
        third.await.unwrap();
        assert_eq!(count(), 0);
    }
}
