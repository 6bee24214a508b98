//! Who calls: what the system or a certificate says of the other end of the connection, and what the client says of itself.

use snowflake_session_proto::{AGENT_KEY, CLIENT_KEY};
use tonic::Request;

use super::connection::{Origin, Peer};
use crate::domain::audit::Caller;

/// Who sent a request.
pub(super) fn caller<T>(request: &Request<T>) -> Caller {
    let said = |key| {
        request
            .metadata()
            .get(key)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let (client, agent) = (said(CLIENT_KEY), said(AGENT_KEY));
    match request.extensions().get::<Origin>().map(|origin| &origin.peer) {
        Some(Peer::Process { uid, pid }) => Caller::new(Some(*uid), *pid, client, agent),
        Some(Peer::Remote { name, address }) => {
            Caller::new(None, None, client, agent).from_afar(name.clone(), address.to_string())
        }
        Some(Peer::Unknown) | None => Caller::new(None, None, client, agent),
    }
}
