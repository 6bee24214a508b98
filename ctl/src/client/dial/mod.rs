//! Dialling the service: over the socket of this machine, or by [`remote`] over TLS to another.

pub(crate) mod certificate;
mod remote;

use std::error::Error;
use std::io;
use std::path::Path;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

pub(crate) use remote::RemoteError;

use super::Client;
use crate::config::Settings;
use crate::failure::{Failure, root_cause};

/// Flow control: what may be under way unread, in bytes, for one stream and for the connection. The
/// connection has more, so that a cancellation passes beside a result that nobody reads.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Largest HTTP/2 frame taken, in bytes; the default of 16 KiB costs a third of the throughput.
const FRAME_BYTES_MAX: u32 = 256 << 10;

/// Why the service could not be dialled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// No socket, or nobody behind it.
    #[error("nobody listens on {0}")]
    NobodyListens(String, #[source] io::Error),
    /// The socket belongs to another user, who would see every statement.
    #[error("the socket {0} is served by user {1}")]
    Foreign(String, u32),
    /// Anything else.
    #[error("cannot dial {0}")]
    Socket(String, #[source] io::Error),
    /// The transport could not be set up on the open socket.
    #[error("cannot speak to the service on {0}")]
    Transport(String, #[source] tonic::transport::Error),
    /// A service of another machine.
    #[error(transparent)]
    Remote(Box<RemoteError>),
}

impl DialError {
    /// True when dialling again gives the same: certificates are in the way, on one side or the other.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Remote(error) if matches!(
            **error,
            RemoteError::File { .. }
                | RemoteError::Pair(_)
                | RemoteError::NotTrusted { .. }
                | RemoteError::NotAccepted { .. }
        ))
    }
}

/// Dials the service once.
pub(crate) async fn dial(settings: &Settings) -> Result<Client, DialError> {
    let channel = match &settings.remote {
        Some(place) => remote::dial(place)
            .await
            .map_err(|error| DialError::Remote(Box::new(error)))?,
        None => local(&settings.socket).await?,
    };
    Ok(Client {
        channel,
        timeout: settings.timeout,
        trace: settings
            .trace
            .iter()
            .filter_map(|(key, value)| Some((*key, value.parse().ok()?)))
            .collect(),
        agent: settings.agent.as_deref().and_then(|agent| agent.parse().ok()),
    })
}

async fn local(socket: &Path) -> Result<Channel, DialError> {
    let shown = socket.display().to_string();
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) => {
            return Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    DialError::NobodyListens(shown, error)
                }
                _ => DialError::Socket(shown, error),
            });
        }
    };
    // Root may hold the socket for us (a system unit); any other user may not.
    let server = stream
        .peer_cred()
        .map_err(|error| DialError::Socket(shown.clone(), error))?
        .uid();
    if server != 0 && server != rustix::process::geteuid().as_raw() {
        return Err(DialError::Foreign(shown, server));
    }
    channel_on(stream, endpoint())
        .await
        .map_err(|error| DialError::Transport(shown, error))
}

fn endpoint() -> Endpoint {
    Endpoint::from_static("http://snowflake-session")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
}

/// Speaks gRPC on a stream.
async fn channel_on(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    endpoint: Endpoint,
) -> Result<Channel, tonic::transport::Error> {
    // The open stream is handed over once: a connection that breaks is an error to report, not one to
    // mend unseen, since a query may have been lost with it.
    let mut stream = Some(stream);
    let connector = service_fn(move |_| {
        let stream = stream.take();
        async move {
            stream
                .map(TokioIo::new)
                .ok_or(io::Error::from(io::ErrorKind::ConnectionReset))
        }
    });
    endpoint.connect_with_connector(connector).await
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        let error = match error {
            DialError::Remote(error) => return (*error).into(),
            error => error,
        };
        let mut failure = Failure::unreachable("cannot reach the service").caused_by(&error);
        if let Some(source) = error.source() {
            failure = failure.caused_by(root_cause(source));
        }
        match error {
            DialError::NobodyListens(..) => failure.hint("start it with `sfctl service start`"),
            DialError::Foreign(..) => {
                failure.hint("name your own service's socket with `--socket` or SFCTL_SOCKET")
            }
            DialError::Socket(..) | DialError::Transport(..) | DialError::Remote(_) => {
                failure.hint("see how it is with `sfctl service status`")
            }
        }
    }
}
