//! Clients of other machines: from the configuration to the room that lets them in.

use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::Failure;
use crate::config::{Fault, Faults, Settings, TlsFiles};
use crate::platform::PlatformError;
use crate::remote::credentials::{CredentialError, CredentialFile, CredentialFiles, Credentials};
use crate::remote::door::RemoteRules;
use crate::remote::listener::RemoteListener;

/// How long before its end the service's certificate is complained about.
const END_IS_NEAR: Duration = Duration::from_hours(14 * 24);

/// What it takes to serve clients of other machines.
#[derive(Debug)]
pub struct Remote {
    /// Where they come in.
    pub listener: RemoteListener,
    /// What counts for those who come now.
    pub credentials: watch::Receiver<Credentials>,
}

/// Comes to a socket, if other machines are to be served, and reads what that takes. The sender is for what is read again.
pub(super) fn open(
    settings: &Settings,
    passed: Option<TcpListener>,
) -> Result<Option<(Remote, watch::Sender<Credentials>)>, Failure> {
    let credentials = read(settings)?;
    let address = settings.tcp.listen;
    let Some(credentials) = credentials else {
        // The configuration has been checked for an address without credentials; this one comes from a manager.
        return match passed {
            None => Ok(None),
            Some(_) => Err(Failure::from(PlatformError::Activation {
                what: "a TCP socket, but `tcp.certificate`, `tcp.key`, `tcp.client_authorities` and `tcp.allow` do not \
                       say who may use it"
                    .to_owned(),
            })),
        };
    };
    let (listener, what) = match (passed, address) {
        (Some(socket), _) => (
            RemoteListener::passed(socket),
            "use the passed TCP socket".to_owned(),
        ),
        (None, Some(address)) => (
            RemoteListener::bind(address),
            format!("listen on {address} (`tcp.listen`)"),
        ),
        (None, None) => return Ok(None),
    };
    let listener = listener.map_err(|source| PlatformError::Io { what, source })?;
    for complaint in complaints(&credentials, SystemTime::now()) {
        tracing::warn!("{complaint}");
    }
    let (sender, credentials) = watch::channel(credentials);
    Ok(Some((
        Remote {
            listener,
            credentials,
        },
        sender,
    )))
}

/// Reads certificates, key and authorities, where they are configured.
pub(super) fn read(settings: &Settings) -> Result<Option<Credentials>, Faults> {
    let Some(files) = &settings.tcp.tls else {
        return Ok(None);
    };
    let TlsFiles {
        certificate,
        key,
        client_authorities,
        revocation_lists,
    } = files.clone();
    let files = CredentialFiles {
        certificate,
        key,
        client_authorities,
        revocation_lists,
        allowed: settings.tcp.allow.clone(),
    };
    let read = Credentials::read(&files).map(Some);
    read.map_err(|error| Faults(vec![fault(&error, settings)]))
}

/// What is wrong with a file, at the place that names it.
fn fault(error: &CredentialError, settings: &Settings) -> Fault {
    let key = match error.file {
        CredentialFile::Certificate => "tcp.certificate",
        CredentialFile::Key => "tcp.key",
        CredentialFile::ClientAuthorities => "tcp.client_authorities",
        CredentialFile::RevocationLists => "tcp.revocation_lists",
    };
    let named = settings.listing.0.iter().find(|setting| setting.key == key);
    Fault {
        place: named.map_or_else(|| key.to_owned(), |setting| setting.source.clone()),
        message: format!("`{key}`: {error}"),
    }
}

/// What an administrator should know of files that can be used: that the certificate ends soon, or has, and that a
/// revocation list has.
pub(super) fn complaints(credentials: &Credentials, now: SystemTime) -> Vec<String> {
    let shown = |time: SystemTime| {
        jiff::Timestamp::try_from(time).map_or_else(|_| "long ago".to_owned(), |time| time.to_string())
    };
    let mut complaints = Vec::new();
    let end = credentials.end();
    if end <= now + END_IS_NEAR {
        complaints.push(format!(
            "the certificate for clients over TCP {} (`tcp.certificate`): {}; a reload takes a new one",
            if end <= now { "has ended" } else { "ends soon" },
            shown(end)
        ));
    }
    // Not beforehand: many are made anew every day.
    if let Some(end) = credentials.revocations_end().filter(|end| *end <= now) {
        complaints.push(format!(
            "a list of revoked certificates has ended (`tcp.revocation_lists`): {}; clients of its authority are refused \
             until a reload takes a new one",
            shown(end)
        ));
    }
    complaints
}

/// Limits of what comes over TCP.
pub(super) fn rules(settings: &Settings) -> RemoteRules {
    let tcp = &settings.tcp;
    RemoteRules {
        connections_max: tcp.connections_max,
        handshakes_max: tcp.handshakes_max,
        handshake_timeout: tcp.handshake_timeout,
        dead_peer_timeout: tcp.dead_peer_timeout,
    }
}
