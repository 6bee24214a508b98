//! Who calls: what the system says of the other end of the socket, and what the client says of itself.

use snowflake_session_proto::{AGENT_KEY, CLIENT_KEY};
use tonic::Request;
use tonic::transport::server::UdsConnectInfo;

use crate::domain::audit::Caller;

/// Who sent a request.
pub(super) fn caller<T>(request: &Request<T>) -> Caller {
    let peer = request
        .extensions()
        .get::<UdsConnectInfo>()
        .and_then(|info| info.peer_cred.as_ref());
    let said = |key| {
        request
            .metadata()
            .get(key)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    Caller::new(
        peer.map(tokio::net::unix::UCred::uid),
        peer.and_then(tokio::net::unix::UCred::pid),
        said(CLIENT_KEY),
        said(AGENT_KEY),
    )
}
