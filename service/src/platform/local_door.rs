//! The door of this machine: a Unix socket, and our own user alone.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::accept::{Door, REFUSED_PAUSE, Refusals};
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

/// The door. The socket's file, if it is ours, goes with it.
pub struct LocalDoor<G, A> {
    state: State,
    refusals: Refusals,
    listener: Listener,
    places: Arc<Semaphore>,
    peers: Peers,
    arrive: A,
    connections: mpsc::Sender<Accepted<G>>,
}

/// Whether somebody can come in.
enum State {
    Open(UnixListener),
    Shut,
    /// It is to be open again and could not; it is tried when that moment comes, however often somebody asks meanwhile.
    Opening(Instant),
}

impl<G: Send + 'static, A: Fn() -> G + Send + Sync + 'static> LocalDoor<G, A> {
    /// A door at a socket; connections come out of the receiver. `arrive` is called for each as soon as it is accepted.
    ///
    /// # Errors
    ///
    /// When the runtime cannot watch the socket.
    pub fn at(
        listener: Listener,
        rules: AcceptRules,
        arrive: A,
    ) -> Result<(Self, mpsc::Receiver<Accepted<G>>)> {
        let (connections, accepted) = mpsc::channel(1);
        let door = Self {
            state: State::Open(watched(&listener)?),
            refusals: Refusals::default(),
            listener,
            places: Arc::new(Semaphore::new(rules.connections_max)),
            peers: rules.peers,
            arrive,
            connections,
        };
        Ok((door, accepted))
    }

    /// Opens a door that may be shut; `told` is whether somebody has heard that it cannot be, who is told once.
    fn reopen(&mut self, told: bool) {
        self.state = match self.listener.reopen().and_then(|()| watched(&self.listener)) {
            Ok(socket) => State::Open(socket),
            Err(error) => {
                if !told {
                    tracing::error!(error = %error, "cannot listen again; trying on");
                }
                State::Opening(Instant::now() + REFUSED_PAUSE)
            }
        };
    }

    /// The connection, if it is from somebody who may connect.
    fn let_in(&self, stream: UnixStream, permit: OwnedSemaphorePermit) -> Option<Accepted<G>> {
        match peer_uid(&stream) {
            Ok(peer) if self.peers == Peers::Permitted || self.peers == Peers::Own(peer) => Some(Accepted {
                stream,
                permit,
                guard: (self.arrive)(),
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
}

impl<G: Send + 'static, A: Fn() -> G + Send + Sync + 'static> Door for LocalDoor<G, A> {
    type Came = Accepted<G>;

    async fn next(&mut self) -> Option<Accepted<G>> {
        match &self.state {
            State::Open(socket) => {
                let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
                match socket.accept().await {
                    Ok((stream, _)) => {
                        self.refusals.end();
                        self.let_in(stream, permit)
                    }
                    Err(error) => {
                        self.refusals.refused(error, "connection").await;
                        None
                    }
                }
            }
            State::Shut => std::future::pending().await,
            State::Opening(again) => {
                tokio::time::sleep_until(*again).await;
                self.reopen(true);
                None
            }
        }
    }

    async fn pass(&mut self, came: Accepted<G>) -> ControlFlow<()> {
        match self.connections.send(came).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Closes a socket of ours, so that nobody is found there and the next run is started, and accepts those who wait in
    /// its queue: nobody else will. The system is asked, since the runtime may not have heard of the latest. Nothing is done
    /// to a socket that a manager holds.
    fn shut(&mut self) -> Vec<Accepted<G>> {
        self.state = State::Shut;
        let mut pending = Vec::new();
        if !self.listener.close() {
            return pending;
        }
        while let Ok((stream, _)) = self.listener.socket.accept() {
            // Those whom there is no place for are let in all the same.
            let place = Arc::clone(&self.places).try_acquire_owned();
            let Ok(place) = place.or_else(|_| Arc::new(Semaphore::new(1)).try_acquire_owned()) else {
                break;
            };
            let stream = stream
                .set_nonblocking(true)
                .and_then(|()| UnixStream::from_std(stream));
            pending.extend(stream.ok().and_then(|stream| self.let_in(stream, place)));
        }
        pending
    }

    fn open(&mut self) {
        self.reopen(false);
    }

    fn works(&self) -> bool {
        match self.state {
            State::Open(_) => !self.refusals.go_on(),
            State::Shut => true,
            State::Opening(_) => false,
        }
    }
}

/// The socket as the runtime watches it.
fn watched(listener: &Listener) -> Result<UnixListener> {
    let handle = listener.socket.try_clone().and_then(UnixListener::from_std);
    handle.map_err(PlatformError::io("watch the listening socket"))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::super::accept::AcceptLoop;
    use super::*;
    use crate::platform::socket::bind;

    const PATIENCE: Duration = Duration::from_secs(20);

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
        let (accept_loop, accepted) = start_at(listener, rules, CancellationToken::new());
        (folder, accept_loop, accepted)
    }

    fn start_at(
        listener: Listener,
        rules: AcceptRules,
        stop: CancellationToken,
    ) -> (AcceptLoop, mpsc::Receiver<Accepted<()>>) {
        let (door, accepted) = LocalDoor::at(listener, rules, || ()).unwrap();
        (AcceptLoop::start(door, stop), accepted)
    }

    fn own_uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[tokio::test]
    async fn our_own_user_comes_in() {
        let (folder, accept_loop, mut accepted) = start(own_uid(), 8);
        let _client = UnixStream::connect(folder.path().join("s")).await.unwrap();
        assert!(accepted.recv().await.is_some());
        assert!(accept_loop.is_alive(PATIENCE).await);
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

    #[tokio::test]
    async fn a_door_that_cannot_be_opened_again_says_so_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        let path = inner.join("s");
        let rules = AcceptRules {
            peers: Peers::Own(own_uid()),
            connections_max: 8,
        };
        let (accept_loop, mut accepted) = start_at(bind(&path).unwrap(), rules, CancellationToken::new());
        accept_loop.pause().await;
        assert!(accept_loop.is_alive(PATIENCE).await, "it is shut on purpose");
        std::fs::remove_dir_all(&inner).unwrap();
        accept_loop.resume().await;
        assert!(!accept_loop.is_alive(PATIENCE).await);
        std::fs::create_dir(&inner).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !accept_loop.is_alive(PATIENCE).await {
            assert!(Instant::now() < deadline, "it stays shut");
            tokio::time::sleep(REFUSED_PAUSE).await;
        }
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
        let (_loop, mut accepted) = start_at(listener, rules, stop);
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
        let (accept_loop, mut accepted) = start_at(bind(&path).unwrap(), rules, stop.clone());
        stop.cancel();
        assert!(accepted.recv().await.is_none());
        assert!(!accept_loop.is_alive(PATIENCE).await);
        assert!(!path.exists());
    }
}
