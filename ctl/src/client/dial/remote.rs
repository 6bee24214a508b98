//! Dialling a service of another machine: TCP, TLS 1.3, a certificate of each side.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, join, split};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use tonic::transport::Channel;

use super::certificate;
use super::{channel_on, endpoint};
use crate::config::RemotePlace;
use crate::exit_code::Exit;
use crate::failure::{Failure, root_cause};

/// Most time until the service has said its first word.
const DIAL_WAIT_MAX: Duration = Duration::from_secs(10);

/// Silence after which a service is asked whether it is still there, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Length of the head of an HTTP/2 frame, and where its type and its stream stand.
const HEAD_BYTES: usize = 9;
const SETTINGS: u8 = 4;

/// Why a service of another machine could not be dialled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// A file of ours cannot be used.
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: String },
    /// Certificate and key do not belong together.
    #[error("certificate and key cannot be used: {0}")]
    Pair(Error),
    /// Nobody is found there, or nobody listens.
    #[error("cannot connect to {0}")]
    Connect(String, #[source] io::Error),
    /// It does not show a certificate that we can trust.
    #[error("{server} shows no certificate that counts: {why}")]
    NotTrusted { server: String, why: String },
    /// It does not take our certificate.
    #[error("{why}")]
    NotAccepted {
        why: &'static str,
        hint: String,
        certificate: PathBuf,
    },
    /// It hung up, or says something else than HTTP/2.
    #[error("{0} does not speak to us as a service does: {1}")]
    Strange(String, String),
    /// It said nothing.
    #[error("{0} did not answer within {limit} s", limit = DIAL_WAIT_MAX.as_secs())]
    Silent(String),
    /// The transport could not be set up.
    #[error("cannot speak to the service at {0}")]
    Transport(String, #[source] tonic::transport::Error),
}

/// Dials.
pub(super) async fn dial(place: &RemotePlace) -> Result<Channel, RemoteError> {
    let connector = connector(place)?;
    let server = place.to_string();
    let deadline = Instant::now() + DIAL_WAIT_MAX;
    let stream = timeout_at(deadline, connect(place, connector))
        .await
        .map_err(|_| RemoteError::Silent(server.clone()))??;
    let endpoint = endpoint()
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    let (head, stream) = stream;
    // What was read already comes first.
    let (reader, writer) = split(stream);
    let stream = join(io::Cursor::new(head).chain(reader), writer);
    channel_on(stream, endpoint)
        .await
        .map_err(|error| RemoteError::Transport(server, error))
}

/// Connects and waits for the service's first word, the head of its HTTP/2 settings. Only then are we let in: in TLS 1.3
/// a client has finished its handshake before the server looks at its certificate, and whoever writes on at once hears of
/// a broken pipe instead of the reason.
async fn connect(
    place: &RemotePlace,
    connector: TlsConnector,
) -> Result<([u8; HEAD_BYTES], TlsStream<TcpStream>), RemoteError> {
    let server = place.to_string();
    let stream = TcpStream::connect((&*place.host, place.port))
        .await
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|error| RemoteError::Connect(server.clone(), error))?;
    let name = ServerName::try_from(place.host.clone())
        .map_err(|error| RemoteError::Strange(server.clone(), error.to_string()))?;
    let mut stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| explained(place, &error))?;
    let mut head = [0; HEAD_BYTES];
    stream
        .read_exact(&mut head)
        .await
        .map_err(|error| explained(place, &error))?;
    if head[3] != SETTINGS {
        return Err(RemoteError::Strange(server, "it is no HTTP/2".to_owned()));
    }
    Ok((head, stream))
}

/// Reads our files.
fn connector(place: &RemotePlace) -> Result<TlsConnector, RemoteError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&place.ca)? {
        roots.add(authority).map_err(|error| RemoteError::File {
            path: place.ca.clone(),
            why: error.to_string(),
        })?;
    }
    let chain = certificates(&place.certificate)?;
    let key = key(&place.key)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(RemoteError::Pair)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(RemoteError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// All certificates of a PEM file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RemoteError> {
    let failed = |why: String| RemoteError::File {
        path: path.to_owned(),
        why,
    };
    let text = std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(failed("holds no certificate in PEM form".to_owned())),
        // Its text could quote a line.
        Err(_) => Err(failed("is not well-formed PEM".to_owned())),
    }
}

/// The key of a PEM file that is its owner's alone.
fn key(path: &Path) -> Result<PrivateKeyDer<'static>, RemoteError> {
    let failed = |why: String| RemoteError::File {
        path: path.to_owned(),
        why,
    };
    let unreadable = |error: io::Error| failed(format!("cannot be read: {error}"));
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(failed(format!(
            "its mode is {mode:04o}, so others can read the key; run `chmod 600 {}`",
            path.display()
        )));
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| failed("holds no key in PEM form".to_owned()))
}

/// What went wrong on the way to the service's first word.
fn explained(place: &RemotePlace, error: &io::Error) -> RemoteError {
    let server = place.to_string();
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it hung up".to_owned(),
            _ => error.to_string(),
        };
        return RemoteError::Strange(server, why);
    };
    match tls {
        Error::AlertReceived(alert) => match of_alert(*alert, &place.certificate) {
            Some((why, hint)) => RemoteError::NotAccepted {
                why,
                hint,
                certificate: place.certificate.clone(),
            },
            None => RemoteError::Strange(server, tls.to_string()),
        },
        Error::InvalidCertificate(why) => RemoteError::NotTrusted {
            server,
            why: match why {
                CertificateError::UnknownIssuer => "none of our authorities has signed it".to_owned(),
                CertificateError::NotValidForNameContext { .. } | CertificateError::NotValidForName => {
                    format!("it is not for the name {}", place.host)
                }
                why => Error::InvalidCertificate(why.clone()).to_string(),
            },
        },
        _ => RemoteError::Strange(server, tls.to_string()),
    }
}

/// What a service means that refuses a certificate, and what to do; `None` for alerts about something else.
fn of_alert(alert: AlertDescription, certificate: &Path) -> Option<(&'static str, String)> {
    let renew = || "have a new one signed".to_owned();
    Some(match alert {
        AlertDescription::AccessDenied => {
            let read = certificates(certificate).ok();
            let told = read.and_then(|all| certificate::facts(all.first()?).ok());
            let names = told.map(|told| told.names.join(", ")).unwrap_or_default();
            let hint = match names.as_str() {
                "" => "have it named in the service's `tcp.allow`".to_owned(),
                names => format!("have one of its names in the service's `tcp.allow`: {names}"),
            };
            ("the service has nobody of its names on its list", hint)
        }
        AlertDescription::UnknownCA => (
            "the service does not know the authority that signed it",
            "have it signed by one in the service's `tcp.client_authorities`; if it is, the service has no list in \
             `tcp.revocation_lists` of that authority that counts now, and its log says so"
                .to_owned(),
        ),
        AlertDescription::CertificateExpired => (
            "it does not count now: it has ended, or a clock is wrong",
            renew(),
        ),
        AlertDescription::CertificateRevoked => ("it was revoked", renew()),
        AlertDescription::UnsupportedCertificate => (
            "it is not for clients",
            "have one signed for the use `clientAuth`".to_owned(),
        ),
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRequired
        | AlertDescription::DecryptError => ("the service cannot verify it", renew()),
        _ => return None,
    })
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        match &error {
            RemoteError::File { .. } | RemoteError::Pair(_) => {
                Failure::new(Exit::Usage, "the files for TLS cannot be used")
                    .caused_by(&error)
                    .hint(
                        "`--tls-ca`, `--tls-cert` and `--tls-key` name them, or SFCTL_TLS_CA, _CERT and _KEY",
                    )
            }
            RemoteError::NotAccepted {
                hint, certificate, ..
            } => {
                let mut failure =
                    Failure::unreachable("the service did not accept this client's certificate")
                        .caused_by(&error)
                        .hint(hint.clone());
                failure
                    .facts
                    .push(format!("certificate: {}", certificate.display()));
                failure
            }
            RemoteError::NotTrusted { .. } => Failure::unreachable("cannot trust the service")
                .caused_by(&error)
                .hint("name its authority with `--tls-ca`, and the service as its certificate does"),
            RemoteError::Connect(_, source) => Failure::unreachable("cannot reach the service")
                .caused_by(&error)
                .caused_by(source)
                .hint("it listens where its `tcp.listen` or its socket unit says"),
            RemoteError::Strange(..) | RemoteError::Silent(_) => {
                Failure::unreachable("cannot reach the service")
                    .caused_by(&error)
                    .hint("see on its machine whether it serves TCP there: `sfctl service status`")
            }
            RemoteError::Transport(_, source) => Failure::unreachable("cannot reach the service")
                .caused_by(&error)
                .caused_by(root_cause(source)),
        }
    }
}
