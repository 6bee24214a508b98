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
use crate::platform::accept::{AcceptLoop, AcceptRules, Peers};
use crate::platform::socket::Listener;
use crate::remote::accept::RemoteLoop;
use crate::rpc::{Arrivals, Connection, Peer};

/// All ways in.
#[derive(Clone)]
pub(super) struct Doors {
    local: AcceptLoop,
    remote: Option<RemoteLoop>,
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
        let (local, accepted) = AcceptLoop::start(listener, rules, stop.clone(), arrive.clone())?;
        let accepted = ReceiverStream::new(accepted)
            .map(|accepted| Connection::new(accepted.stream, accepted.guard, accepted.permit));
        let opened = remote.map(
            |Remote {
                 listener,
                 credentials,
             }| {
                RemoteLoop::start(
                    listener,
                    credentials,
                    remote::rules(settings),
                    stop.clone(),
                    arrive,
                )
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
                let peer = Peer::Remote {
                    name: client.name,
                    address: client.address,
                };
                Connection::of(client.stream, peer, client.guard, client.permit)
            });
        // The server goes on when no more connections come.
        let connections =
            futures_util::stream::select(accepted, admitted).chain(futures_util::stream::pending());
        Ok((Self { local, remote }, connections))
    }

    /// Where clients of other machines come in.
    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        self.remote.as_ref().map(RemoteLoop::address)
    }

    /// True when everybody who comes while nobody serves finds somebody who starts the service: `sfctl` does where it
    /// finds no socket, a manager where it holds one. Nobody does that for a TCP socket of our own.
    pub(super) fn may_be_left(&self) -> bool {
        self.remote.as_ref().is_none_or(RemoteLoop::is_passed)
    }

    /// Lets nobody in from now on; see [`AcceptLoop::pause`].
    pub(super) async fn pause(&self) {
        if let Some(remote) = &self.remote {
            remote.pause().await;
        }
        self.local.pause().await;
    }

    /// Lets everybody in again.
    pub(super) async fn resume(&self) {
        self.local.resume().await;
        if let Some(remote) = &self.remote {
            remote.resume().await;
        }
    }

    /// True when connections are accepted within `limit`.
    pub(super) async fn are_alive(&self, limit: Duration) -> bool {
        let remote_is_alive = match &self.remote {
            Some(remote) => remote.is_alive(limit).await,
            None => true,
        };
        remote_is_alive && self.local.is_alive(limit).await
    }
}
