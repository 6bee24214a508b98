//! Who calls: what the system or a certificate says of the other end of the connection, and what the client says of itself.

use http::HeaderMap;
use snowflake_session_proto::{AGENT_KEY, CLIENT_KEY};
use tonic::Request;

use super::connection::{Origin, Peer};
use crate::domain::audit::Caller;

/// Who sent a request.
pub(super) fn caller<T>(request: &Request<T>) -> Caller {
    let peer = request.extensions().get::<Origin>().map(|origin| &origin.peer);
    caller_of(peer, request.metadata().as_ref())
}

/// Whose a request with these headers is, from this other end of a connection.
pub(super) fn caller_of(peer: Option<&Peer>, headers: &HeaderMap) -> Caller {
    let said = |key| {
        headers
            .get(key)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let (client, agent) = (said(CLIENT_KEY), said(AGENT_KEY));
    match peer {
        Some(Peer::Process { uid, pid }) => Caller::new(Some(*uid), *pid, client, agent),
        Some(Peer::Remote { name, address }) => {
            Caller::new(None, None, client, agent).from_afar(name.clone(), address.to_string())
        }
        Some(Peer::Unknown) | None => Caller::new(None, None, client, agent),
    }
}
