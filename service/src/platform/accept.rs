//! Accepts connections of our own user.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::socket::{Listener, peer_uid};
use super::{PlatformError, Result};

/// An accepted connection. The permit stands for its place among the connections that are allowed.
#[derive(Debug)]
pub struct Accepted<G> {
    /// The connection.
    pub stream: UnixStream,
    /// To be kept as long as the connection.
    pub permit: OwnedSemaphorePermit,
    /// What was made for it as soon as it was accepted.
    pub guard: G,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peers {
    /// This user alone, whatever the socket's mode says.
    Own(u32),
    /// Whom the socket's owner, group and mode let in.
    Permitted,
}

/// Who may connect, and how many at a time.
#[derive(Debug, Clone, Copy)]
pub struct AcceptRules {
    /// Who may connect.
    pub peers: Peers,
    /// Most connections at a time; more wait in the socket's backlog.
    pub connections_max: usize,
}

/// A running accept loop.
#[derive(Debug, Clone)]
pub struct AcceptLoop {
    wishes: mpsc::Sender<(Wish, oneshot::Sender<()>)>,
}

/// What an accept loop can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// An answer.
    Ping,
    /// To accept nothing more, so that whoever comes meets the next run of the service.
    Pause,
    /// To go on.
    Resume,
}

/// Pause after the system refused a connection, for lack of descriptors for example.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Whether somebody can come in.
enum Door {
    Open(UnixListener),
    Closed,
    /// It is to be open again; what has kept it from that is to be told once.
    Opening {
        told: bool,
    },
}

impl AcceptLoop {
    /// Starts to accept; connections come out of the receiver until `stop` fires. The socket file, if it is ours, goes when
    /// the loop ends. `arrive` is called for each connection as soon as it is accepted.
    pub fn start<G: Send + 'static>(
        listener: Listener,
        rules: AcceptRules,
        stop: CancellationToken,
        arrive: impl Fn() -> G + Send + Sync + 'static,
    ) -> Result<(Self, mpsc::Receiver<Accepted<G>>)> {
        let mut door = Door::Open(watched(&listener)?);
        let (connections, accepted) = mpsc::channel(1);
        let (wishes, mut wished) = mpsc::channel::<(Wish, oneshot::Sender<()>)>(1);
        let places = Arc::new(Semaphore::new(rules.connections_max));
        let let_in = move |stream, permit| let_in(stream, permit, rules.peers, &arrive);
        tokio::spawn(async move {
            // Owns the socket file until the end.
            let mut listener = listener;
            loop {
                let (mut asked, mut ends) = (None, false);
                let came: Vec<Accepted<G>> = tokio::select! {
                    biased;
                    () = stop.cancelled() => {
                        ends = true;
                        close(&mut listener, &places, &let_in)
                    }
                    Some((wish, done)) = wished.recv() => {
                        asked = Some(done);
                        match wish {
                            Wish::Ping => Vec::new(),
                            Wish::Pause => {
                                door = Door::Closed;
                                close(&mut listener, &places, &let_in)
                            }
                            Wish::Resume => {
                                door = opened(&mut listener, false);
                                Vec::new()
                            }
                        }
                    }
                    accepted = async {
                        match &door {
                            Door::Open(socket) => accept_one(socket, &places, &let_in).await,
                            Door::Closed => std::future::pending().await,
                            Door::Opening { .. } => {
                                tokio::time::sleep(REFUSED_PAUSE).await;
                                None
                            }
                        }
                    } => accepted.into_iter().collect(),
                };
                for accepted in came {
                    if connections.send(accepted).await.is_err() {
                        return;
                    }
                }
                if let Some(done) = asked {
                    let _ = done.send(());
                } else if ends {
                    return;
                } else if let Door::Opening { told } = door {
                    door = opened(&mut listener, told);
                }
            }
        });
        Ok((Self { wishes }, accepted))
    }

    /// True when the loop answers within `limit`.
    pub async fn is_alive(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.ask(Wish::Ping))
            .await
            .unwrap_or(false)
    }

    /// Accepts nothing from now on; whoever has connected is in. Who comes waits in the queue of a socket that a service
    /// manager holds, for the next run; a socket of our own is closed, so that nobody is found there and the next run is
    /// started.
    pub async fn pause(&self) {
        self.ask(Wish::Pause).await;
    }

    /// Accepts again after a pause.
    pub async fn resume(&self) {
        self.ask(Wish::Resume).await;
    }

    async fn ask(&self, wish: Wish) -> bool {
        let (done, answer) = oneshot::channel();
        self.wishes.send((wish, done)).await.is_ok() && answer.await.is_ok()
    }
}

/// The socket as the runtime watches it.
fn watched(listener: &Listener) -> Result<UnixListener> {
    let handle = listener.socket.try_clone().and_then(UnixListener::from_std);
    handle.map_err(PlatformError::io("watch the listening socket"))
}

/// Opens the door of a listener that may be closed.
fn opened(listener: &mut Listener, told: bool) -> Door {
    match listener.reopen().and_then(|()| watched(listener)) {
        Ok(socket) => Door::Open(socket),
        Err(error) => {
            if !told {
                tracing::error!(error = %error, "cannot listen again; trying on");
            }
            Door::Opening { told: true }
        }
    }
}

/// Closes a socket of ours and accepts those who wait in its queue: nobody else will. The system is asked, since the runtime
/// may not have heard of the latest. Nothing is done to a socket that a manager holds.
fn close<G>(
    listener: &mut Listener,
    places: &Arc<Semaphore>,
    let_in: &impl Fn(UnixStream, OwnedSemaphorePermit) -> Option<Accepted<G>>,
) -> Vec<Accepted<G>> {
    let mut pending = Vec::new();
    if !listener.close() {
        return pending;
    }
    while let Ok((stream, _)) = listener.socket.accept() {
        // Those whom there is no place for are let in all the same.
        let place = Arc::clone(places).try_acquire_owned();
        let Ok(place) = place.or_else(|_| Arc::new(Semaphore::new(1)).try_acquire_owned()) else {
            break;
        };
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| UnixStream::from_std(stream));
        pending.extend(stream.ok().and_then(|stream| let_in(stream, place)));
    }
    pending
}

async fn accept_one<G>(
    socket: &UnixListener,
    places: &Arc<Semaphore>,
    let_in: &impl Fn(UnixStream, OwnedSemaphorePermit) -> Option<Accepted<G>>,
) -> Option<Accepted<G>> {
    let permit = Arc::clone(places).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, _)) => let_in(stream, permit),
        Err(error) => {
            tracing::warn!(error = %error, "connection not accepted");
            tokio::time::sleep(REFUSED_PAUSE).await;
            None
        }
    }
}

/// The connection, if it is from somebody who may connect.
fn let_in<G>(
    stream: UnixStream,
    permit: OwnedSemaphorePermit,
    peers: Peers,
    arrive: &impl Fn() -> G,
) -> Option<Accepted<G>> {
    match peer_uid(&stream) {
        Ok(peer) if peers == Peers::Permitted || peers == Peers::Own(peer) => Some(Accepted {
            stream,
            permit,
            guard: arrive(),
        }),
        Ok(peer) => {
            tracing::warn!(peer, "connection of another user refused");
            None
        }
        Err(error) => {
            tracing::warn!(error = %error, "connection of an unknown user refused");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::platform::socket::bind;

    fn start(
        uid: u32,
        connections_max: usize,
    ) -> (tempfile::TempDir, AcceptLoop, mpsc::Receiver<Accepted<()>>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let listener = bind(&folder.path().join("s")).unwrap();
        let rules = AcceptRules {
            peers: Peers::Own(uid),
            connections_max,
        };
        let (accept_loop, accepted) =
            AcceptLoop::start(listener, rules, CancellationToken::new(), || ()).unwrap();
        (folder, accept_loop, accepted)
    }

    fn own_uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[tokio::test]
    async fn our_own_user_comes_in() {
        let (folder, accept_loop, mut accepted) = start(own_uid(), 8);
        let _client = UnixStream::connect(folder.path().join("s")).await.unwrap();
        assert!(accepted.recv().await.is_some());
        assert!(accept_loop.is_alive(Duration::from_secs(20)).await);
    }

    #[tokio::test]
    async fn another_user_stays_out() {
        let (folder, _loop, mut accepted) = start(own_uid() + 1, 8);
        let path = folder.path().join("s");
        let read = tokio::task::spawn_blocking(move || {
            let mut client = std::os::unix::net::UnixStream::connect(path).unwrap();
            client.read(&mut [0]).unwrap()
        });
        assert_eq!(read.await.unwrap(), 0, "the connection is closed");
        assert!(accepted.try_recv().is_err());
    }

    #[tokio::test]
    async fn connections_are_limited_and_the_next_one_waits() {
        let (folder, _loop, mut accepted) = start(own_uid(), 1);
        let _first = UnixStream::connect(folder.path().join("s")).await.unwrap();
        let _second = UnixStream::connect(folder.path().join("s")).await.unwrap();
        let first = accepted.recv().await.unwrap();
        tokio::task::yield_now().await;
        assert!(accepted.try_recv().is_err());
        drop(first);
        assert!(accepted.recv().await.is_some());
    }

    #[tokio::test]
    async fn a_pause_closes_our_own_socket_and_loses_nobody() {
        let (folder, accept_loop, mut accepted) = start(own_uid(), 8);
        let path = folder.path().join("s");
        // The channel takes one, the loop holds another; the third waits in the socket's queue.
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(UnixStream::connect(&path).await.unwrap());
        }
        let taking = tokio::spawn(async move {
            for _ in 0..3 {
                accepted.recv().await.unwrap();
            }
            accepted
        });
        accept_loop.pause().await;
        let mut accepted = taking.await.unwrap();
        assert!(!path.exists());
        accept_loop.resume().await;
        let _client = UnixStream::connect(&path).await.unwrap();
        assert!(accepted.recv().await.is_some());
    }

    /// Somebody who has found the socket's file connects a moment after it is gone. A link to the file stands for what he
    /// has found.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn whoever_has_found_a_closed_socket_is_told_that_nobody_listens() {
        let (folder, accept_loop, mut accepted) = start(own_uid(), 8);
        let (path, found) = (folder.path().join("s"), folder.path().join("found"));
        std::fs::hard_link(&path, &found).unwrap();
        let _early = UnixStream::connect(&found).await.unwrap();
        assert!(accepted.recv().await.is_some());
        accept_loop.pause().await;
        let late = UnixStream::connect(&found).await;
        assert_eq!(
            late.unwrap_err().kind(),
            std::io::ErrorKind::ConnectionRefused,
            "else it would wait for an answer that nobody gives"
        );
        accept_loop.resume().await;
        let _again = UnixStream::connect(&path).await.unwrap();
        assert!(accepted.recv().await.is_some());
    }

    #[tokio::test]
    async fn whoever_waits_when_the_loop_ends_is_let_in() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = folder.path().join("s");
        let listener = bind(&path).unwrap();
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(UnixStream::connect(&path).await.unwrap());
        }
        let stop = CancellationToken::new();
        stop.cancel();
        let rules = AcceptRules {
            peers: Peers::Own(own_uid()),
            connections_max: 1,
        };
        let (_loop, mut accepted) = AcceptLoop::start(listener, rules, stop, || ()).unwrap();
        let mut served = Vec::new();
        while let Some(accepted) = accepted.recv().await {
            served.push(accepted);
        }
        assert_eq!(served.len(), clients.len());
    }

    #[tokio::test]
    async fn the_socket_file_goes_with_the_loop() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = folder.path().join("s");
        let stop = CancellationToken::new();
        let rules = AcceptRules {
            peers: Peers::Own(own_uid()),
            connections_max: 1,
        };
        let (accept_loop, mut accepted) =
            AcceptLoop::start(bind(&path).unwrap(), rules, stop.clone(), || ()).unwrap();
        stop.cancel();
        assert!(accepted.recv().await.is_none());
        assert!(!accept_loop.is_alive(Duration::from_secs(20)).await);
        assert!(!path.exists());
    }
}
