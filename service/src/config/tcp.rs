//! The section `[tcp]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::read::Reader;
use crate::domain::client_names::AllowedClient;

/// Clients of other machines.
#[derive(Debug, Clone)]
pub struct TcpSettings {
    /// Where to listen, unless a service manager passes a socket.
    pub listen: Option<SocketAddr>,
    /// What it takes to know each other; `None` while nothing is configured.
    pub tls: Option<TlsFiles>,
    /// Who may connect.
    pub allow: Vec<AllowedClient>,
    /// How long a client may take to make its TLS connection.
    pub handshake_timeout: Duration,
    /// How long the connection of a client that may no longer come may last once it was told.
    pub parting_timeout: Duration,
    /// Most clients that are making one at a time.
    pub handshakes_max: usize,
    /// Most connections at a time.
    pub connections_max: usize,
    /// How long a client may be silent and unreachable before its connection counts as dead.
    pub dead_peer_timeout: Duration,
}

/// PEM files. What is in them is read when the service starts and when it reads its configuration again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The service's certificate and those up to its authority.
    pub certificate: PathBuf,
    /// The key of that certificate.
    pub key: PathBuf,
    /// Authorities of the clients' certificates.
    pub client_authorities: PathBuf,
    /// What those authorities have taken back; `None` where nobody asks for that.
    pub revocation_lists: Option<PathBuf>,
}

/// The keys without which nobody is served over TCP.
const FILES: [&str; 3] = ["tcp.certificate", "tcp.key", "tcp.client_authorities"];
const REVOCATION_LISTS: &str = "tcp.revocation_lists";
const LISTEN: &str = "tcp.listen";
const ALLOW: &str = "tcp.allow";

/// Linux waits at most nine hours before it asks a silent client whether it is there, and that is a quarter of the time.
const DEAD_PEER_TIMEOUT_MAX: Duration = Duration::from_hours(24);

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_>) -> TcpSettings {
    let text = reader.text(LISTEN);
    let listen = match text.parse::<SocketAddr>() {
        _ if text.is_empty() => None,
        Ok(address) => Some(address),
        Err(_) => {
            reader.fault(
                LISTEN,
                format!("{text:?} is not an address such as \"0.0.0.0:7443\""),
            );
            None
        }
    };
    let files = FILES.map(|key| reader.path(key));
    let revocation_lists = reader.path(REVOCATION_LISTS);
    let allow = reader.list(ALLOW);
    let is_asked_for = listen.is_some()
        || files.iter().any(Option::is_some)
        || revocation_lists.is_some()
        || !allow.is_empty();
    if is_asked_for {
        for (key, _) in FILES.iter().zip(&files).filter(|(_, file)| file.is_none()) {
            reader.fault(
                key,
                "is missing; over TCP both sides show certificates, or nobody is served",
            );
        }
        if allow.is_empty() {
            reader.fault(
                ALLOW,
                "names nobody who may connect; \"*\" is everybody with a certificate of the authorities",
            );
        }
    }
    let tls = match files {
        [Some(certificate), Some(key), Some(client_authorities)] => Some(TlsFiles {
            certificate,
            key,
            client_authorities,
            revocation_lists,
        }),
        _ => None,
    };
    TcpSettings {
        listen,
        tls,
        allow,
        handshake_timeout: reader.duration("tcp.handshake_timeout", Duration::from_millis(100)),
        parting_timeout: reader.duration("tcp.parting_timeout", Duration::from_millis(100)),
        handshakes_max: reader.count("tcp.handshakes_max", 1),
        connections_max: reader.count("tcp.connections_max", 1),
        dead_peer_timeout: reader.duration_within(
            "tcp.dead_peer_timeout",
            Duration::from_secs(3),
            DEAD_PEER_TIMEOUT_MAX,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layers::Layers;
    use super::super::network;
    use super::*;

    /// What is wrong with both times, the one of clients and the one of Snowflake.
    fn faults(of_clients: &str, upstream: &str) -> Vec<String> {
        let mut layers = Layers::new();
        let variables = [("TCP", of_clients), ("NETWORK", upstream)].map(|(section, value)| {
            (
                format!("SNOWFLAKE_SESSIOND_{section}__DEAD_PEER_TIMEOUT"),
                value.to_owned(),
            )
        });
        layers.environment(&variables.into_iter().collect());
        let mut reader = Reader::new(&layers);
        read(&mut reader);
        network::read(&mut reader);
        let faults = reader.faults();
        faults.into_iter().map(|fault| fault.message).collect()
    }

    #[test]
    fn a_dead_peer_is_noticed_within_what_the_system_can_wait() {
        assert_eq!(faults("24h", "12h"), [""; 0]);
        assert_eq!(
            faults("25h", "13h"),
            [
                "`tcp.dead_peer_timeout`: 90000s is more than 86400s",
                "`network.dead_peer_timeout`: 46800s is more than 43200s",
            ]
        );
    }
}
