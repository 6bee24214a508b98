//! Judges a client while it shakes hands, so that one that may not come learns it from TLS itself.

use std::fmt;
use std::iter;
use std::slice;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme,
};

use super::names::names_of;
use super::revocation::Revoked;
use crate::domain::client_names::{AllowedClient, ClientName, admitted};

/// Lets in whom the authorities vouch for and the configuration names.
pub(super) struct Admission {
    /// Knows the authorities.
    pub(super) signed: Arc<dyn ClientCertVerifier>,
    /// What they have taken back.
    pub(super) revoked: Revoked,
    /// Who may come.
    pub(super) allowed: Arc<[AllowedClient]>,
}

impl fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Admission").finish_non_exhaustive()
    }
}

impl Admission {
    /// The name under which a client is let in.
    pub(super) fn name_of(&self, certificate: &CertificateDer<'_>) -> Result<ClientName, Error> {
        let names = names_of(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let name = admitted(&names, &self.allowed).ok_or(CertificateError::ApplicationVerificationFailure)?;
        Ok(name.clone())
    }

    /// Judges a client that was let in once more, by the certificates that it has shown, its own first, and the name by which
    /// it is known since then.
    ///
    /// # Errors
    ///
    /// Why it would not be let in under that name now, for itself and for the log.
    pub(super) fn judge_again(&self, chain: &[CertificateDer<'_>], name: &ClientName) -> Result<(), String> {
        let Some((certificate, between)) = chain.split_first() else {
            return Err("it has shown no certificate".to_owned());
        };
        self.verify_client_cert(certificate, between, UnixTime::now())
            .map_err(|error| why(&error))?;
        if admitted(slice::from_ref(name), &self.allowed).is_none() {
            return Err(format!("`tcp.allow` no longer names {name}"));
        }
        Ok(())
    }
}

/// Why a client that came in before would not be let in now.
fn why(error: &Error) -> String {
    let Error::InvalidCertificate(about) = error else {
        return error.to_string();
    };
    let why = match about {
        CertificateError::Revoked => "its certificate was revoked",
        CertificateError::ApplicationVerificationFailure => "`tcp.allow` no longer names it",
        CertificateError::UnknownIssuer => "the authority of its certificate is no longer trusted",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has ended",
        CertificateError::UnknownRevocationStatus | CertificateError::ExpiredRevocationListContext { .. } => {
            "no revocation list that counts says whether its certificate was revoked"
        }
        _ => return error.to_string(),
    };
    why.to_owned()
}

/// What a client is told of an error. For a revocation list that does not count TLS would say that the handshake failed, as
/// it does for one who speaks another protocol; of the client's certificate, all that is known is nothing.
fn told(error: Error) -> Error {
    if let Error::InvalidCertRevocationList(_) = error {
        tracing::warn!(%error, "a revocation list cannot be used (`tcp.revocation_lists`)");
        return CertificateError::UnknownRevocationStatus.into();
    }
    error
}

impl ClientCertVerifier for Admission {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.signed.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .signed
            .verify_client_cert(certificate, between, now)
            .map_err(told)?;
        for certificate in iter::once(certificate).chain(between) {
            if self
                .revoked
                .has(certificate)
                .map_err(|_| CertificateError::BadEncoding)?
            {
                return Err(CertificateError::Revoked.into());
            }
        }
        self.name_of(certificate)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // Only TLS 1.3 is configured.
        Err(PeerMisbehaved::SelectedUnofferedCipherSuite.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}
