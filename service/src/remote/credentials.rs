//! Reads certificates, key and authorities, and makes of them what TLS needs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::names::end_of;
use super::revocation::{RevocationLists, Revoked};
use super::verifier::Admission;
use crate::domain::client_names::AllowedClient;
use crate::platform::named_file::{self, Kind};

/// Largest file that is read, in bytes; a store of all public authorities has a fifth of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where everything is, and who may come.
#[derive(Debug, Clone)]
pub struct CredentialFiles {
    /// PEM file with the service's certificate and those up to its authority.
    pub certificate: PathBuf,
    /// PEM file with the key of that certificate.
    pub key: PathBuf,
    /// PEM file with the authorities of the clients' certificates.
    pub client_authorities: PathBuf,
    /// PEM file with what those have taken back, where that is asked.
    pub revocation_lists: Option<PathBuf>,
    /// Who may come.
    pub allowed: Vec<AllowedClient>,
}

/// One of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialFile {
    /// The service's certificate.
    Certificate,
    /// Its key.
    Key,
    /// The authorities of the clients.
    ClientAuthorities,
    /// What those have taken back.
    RevocationLists,
}

/// Why a file cannot be used. No text quotes what is in it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct CredentialError {
    /// Which one it is.
    pub file: CredentialFile,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// What it takes to shake hands with clients.
#[derive(Clone)]
pub struct Credentials {
    pub(super) config: Arc<ServerConfig>,
    pub(super) admission: Arc<Admission>,
    end: SystemTime,
    revocations_end: Option<SystemTime>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads and checks the files.
    ///
    /// # Errors
    ///
    /// The first file that cannot be used: unreadable, not PEM, a key that others can read or that is not the
    /// certificate's, no authority, revocation lists that TLS does not understand.
    pub fn read(files: &CredentialFiles) -> Result<Self, CredentialError> {
        use CredentialFile::{Certificate, ClientAuthorities, Key, RevocationLists as Lists};
        let of = |file, path: &Path| {
            let path = path.to_owned();
            move |why: String| CredentialError {
                file,
                path: path.clone(),
                why,
            }
        };
        let (certificate_error, key_error, authorities_error) = (
            of(Certificate, &files.certificate),
            of(Key, &files.key),
            of(ClientAuthorities, &files.client_authorities),
        );
        let chain: Vec<CertificateDer<'static>> =
            all(&files.certificate, FILE_BYTES_MAX, "certificate").map_err(&certificate_error)?;
        let end = end_of(&chain[0]).map_err(|error| certificate_error(error.to_string()))?;
        let key = named_file::read(&files.key, FILE_BYTES_MAX, Kind::Secret)
            .map_err(|error| key_error(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| key_error(not_pem(&error, "key")))?;
        let mut roots = RootCertStore::empty();
        let authorities: Vec<CertificateDer<'static>> =
            all(&files.client_authorities, FILE_BYTES_MAX, "certificate").map_err(&authorities_error)?;
        for authority in authorities {
            roots
                .add(authority)
                .map_err(|error| authorities_error(error.to_string()))?;
        }
        let provider = Arc::new(default_provider());
        let mut signed = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let (mut revocations_end, mut revoked) = (None, Revoked::default());
        let lists_error = of(Lists, files.revocation_lists.as_deref().unwrap_or(Path::new("")));
        if let Some(path) = &files.revocation_lists {
            let read = RevocationLists::read(path).map_err(&lists_error)?;
            (revocations_end, revoked) = (read.end, read.revoked);
            // Nobody is let in of whom it is not known: each authority between a client and ours needs a list that counts
            // now. Without the second word a list that has ended would count on, and what it does not tell would be let in.
            signed = signed.with_crls(read.lists).enforce_revocation_expiration();
        }
        let signed = signed.build().map_err(|error| match error {
            VerifierBuilderError::InvalidCrl(why) => {
                lists_error(format!("holds a list that cannot be used: {why:?}"))
            }
            error => authorities_error(error.to_string()),
        })?;
        let admission = Arc::new(Admission {
            signed,
            revoked,
            allowed: files.allowed.clone().into(),
        });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| key_error(error.to_string()))?
            .with_client_cert_verifier(Arc::clone(&admission) as Arc<dyn ClientCertVerifier>)
            .with_single_cert(chain, key)
            .map_err(|error| key_error(format!("it cannot be used with the certificate: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A session that is resumed is not judged again: neither by the clock nor by who may come now.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            admission,
            end,
            revocations_end,
        })
    }

    /// When the service's certificate stops to count.
    pub fn end(&self) -> SystemTime {
        self.end
    }

    /// When the first of the revocation lists stops to count, if there are any.
    pub fn revocations_end(&self) -> Option<SystemTime> {
        self.revocations_end
    }
}

/// All that a file has of a kind, at least one.
pub(super) fn all<T: PemObject>(path: &Path, bytes_max: u64, kind: &str) -> Result<Vec<T>, String> {
    let text = named_file::read(path, bytes_max, Kind::Public).map_err(|error| error.to_string())?;
    let all = T::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| not_pem(&error, kind))?;
    if all.is_empty() {
        return Err(format!("holds no {kind} in PEM form"));
    }
    Ok(all)
}

fn not_pem(error: &pem::Error, kind: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("holds no {kind} in PEM form"),
        // The other texts can quote a line.
        _ => "is not well-formed PEM".to_owned(),
    }
}
