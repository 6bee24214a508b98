//! Judges a client while it shakes hands, so that one that may not come learns it from TLS itself.

use std::fmt;
use std::iter;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme,
};

use super::names::names_of;
use super::revocation::Revoked;
use crate::domain::client_names::{AllowedClient, admitted};

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

/// The name under which a client is let in.
pub(super) fn name_of(certificate: &CertificateDer<'_>, allowed: &[AllowedClient]) -> Result<String, Error> {
    let names = names_of(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let name = admitted(&names, allowed).ok_or(CertificateError::ApplicationVerificationFailure)?;
    Ok(name.to_string())
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
        name_of(certificate, &self.allowed)?;
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
