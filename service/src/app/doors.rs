//! The ways in: the socket of this machine, and TCP for others. They are opened, held shut and closed together.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::remote::{self, Remote};
use crate::config::Settings;
use crate::platform::PlatformError;
use crate::platform::accept::AcceptLoop;
use crate::platform::local_door::{AcceptRules, LocalDoor, Peers};
use crate::platform::socket::Listener;
use crate::remote::door::RemoteDoor;
use crate::remote::standing::Standing;
use crate::rpc::{Arrivals, Connection, Peer};

/// All ways in.
#[derive(Clone)]
pub(super) struct Doors {
    local: AcceptLoop,
    remote: Option<RemoteWay>,
}

/// The way in for other machines.
#[derive(Clone)]
struct RemoteWay {
    accepting: AcceptLoop,
    address: SocketAddr,
    /// A service manager holds the socket and keeps who comes while nobody serves it.
    is_passed: bool,
}

impl Doors {
    /// Opens them; who comes in is in the stream, which does not end, until `stop` fires.
    pub(super) fn open(
        listener: Listener,
        remote: Option<Remote>,
        settings: &Settings,
        arrivals: &Arrivals,
        stop: &CancellationToken,
    ) -> Result<(Self, impl Stream<Item = Connection<OwnedSemaphorePermit>> + use<>), Failure> {
        let peers = if settings.socket.shared {
            Peers::Permitted
        } else {
            Peers::Own(rustix::process::geteuid().as_raw())
        };
        let arrivals = arrivals.clone();
        let arrive = move || arrivals.arrive();
        let connections_max = settings.rpc.connections_max;
        let rules = AcceptRules {
            peers,
            connections_max,
        };
        let (door, accepted) = LocalDoor::at(listener, rules, arrive.clone())?;
        let local = AcceptLoop::start(door, stop.clone());
        let accepted = ReceiverStream::new(accepted)
            .map(|accepted| Connection::new(accepted.stream, accepted.guard, accepted.permit));
        let opened = remote.map(
            |Remote {
                 listener,
                 credentials,
             }| {
                let (address, is_passed) = (listener.address(), listener.is_passed());
                let (door, admitted) =
                    RemoteDoor::at(listener, credentials, remote::rules(settings), arrive)?;
                let way = RemoteWay {
                    accepting: AcceptLoop::start(door, stop.clone()),
                    address,
                    is_passed,
                };
                Ok((way, admitted))
            },
        );
        let opened = opened.transpose().map_err(|source| PlatformError::Io {
            what: "watch the TCP socket".to_owned(),
            source,
        })?;
        let (remote, admitted) = opened.unzip();
        let admitted = futures_util::stream::iter(admitted)
            .flat_map(ReceiverStream::new)
            .map(|client| {
                let (name, address) = (client.name, client.address);
                let notice = dismissed(client.standing, name.clone(), address);
                let peer = Peer::Remote { name, address };
                Connection::of(client.stream, peer, client.guard, client.permit).until(Box::pin(notice))
            });
        // The server goes on when no more connections come.
        let connections =
            futures_util::stream::select(accepted, admitted).chain(futures_util::stream::pending());
        Ok((Self { local, remote }, connections))
    }

    /// Where clients of other machines come in.
    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        self.remote.as_ref().map(|remote| remote.address)
    }

    /// True when everybody who comes while nobody serves finds somebody who starts the service: `sfctl` does where it
    /// finds no socket, a manager where it holds one. Nobody does that for a TCP socket of our own.
    pub(super) fn may_be_left(&self) -> bool {
        self.remote.as_ref().is_none_or(|remote| remote.is_passed)
    }

    /// Lets nobody in from now on; see [`AcceptLoop::pause`].
    pub(super) async fn pause(&self) {
        if let Some(remote) = &self.remote {
            remote.accepting.pause().await;
        }
        self.local.pause().await;
    }

    /// Lets everybody in again.
    pub(super) async fn resume(&self) {
        self.local.resume().await;
        if let Some(remote) = &self.remote {
            remote.accepting.resume().await;
        }
    }

    /// True when all of them say within `limit` that they work: not when one is stuck, for example because nobody takes
    /// those who have come, cannot be opened again, or is refused everything by the system.
    pub(super) async fn are_alive(&self, limit: Duration) -> bool {
        let remote = async {
            match &self.remote {
                Some(remote) => remote.accepting.is_alive(limit).await,
                None => true,
            }
        };
        // Side by side, so that the limit is that of all.
        let (remote, local) = tokio::join!(remote, self.local.is_alive(limit));
        remote && local
    }
}

/// Waits until a client would not be let in any more; says why, and tells the log.
async fn dismissed(standing: Standing, name: String, address: SocketAddr) -> String {
    let why = standing.lost().await;
    tracing::warn!(%address, identity = name, reason = why, "client over TCP dismissed");
    why
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;
    use crate::config::{self, Environment, RunFlags};
    use crate::platform::socket::bind;

    /// A limit that a door that is not stuck keeps on a machine at work.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_door_is_alive_while_somebody_takes_those_who_come() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = folder.path().join("s");
        let home = ("HOME".to_owned(), folder.path().to_str().unwrap().to_owned());
        let environment: Environment = [home].into_iter().collect();
        let settings = config::load(&environment, &RunFlags::default()).unwrap();
        let stop = CancellationToken::new();
        let (doors, connections) =
            Doors::open(bind(&path).unwrap(), None, &settings, &Arrivals::default(), &stop).unwrap();
        assert!(doors.are_alive(PATIENCE).await);

        // The program runs, its runtime too, and yet nobody gets in.
        let _clients: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(&path).unwrap()).collect();
        let deadline = Instant::now() + PATIENCE;
        while doors.are_alive(Duration::from_millis(20)).await {
            assert!(Instant::now() < deadline, "it is taken for alive");
        }
        let taking = tokio::spawn(connections.for_each(|connection| async move { drop(connection) }));
        assert!(doors.are_alive(PATIENCE).await);
        stop.cancel();
        let deadline = Instant::now() + PATIENCE;
        while doors.are_alive(PATIENCE).await {
            assert!(Instant::now() < deadline, "it is taken for alive");
        }
        taking.abort();
    }
}
