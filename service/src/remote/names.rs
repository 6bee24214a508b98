//! What a certificate says of whose it is, and until when it counts.

use std::fmt::Write as _;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{self, Decode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::domain::client_names::{ClientName, NameKind};

/// The attribute of a subject that holds its common name.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The names in a certificate, the telling ones first; its hash is always among them. Asked only of certificates whose
/// signatures were verified.
pub(super) fn names_of(certificate: &CertificateDer<'_>) -> Result<Vec<ClientName>, der::Error> {
    let parsed = Certificate::from_der(certificate)?.tbs_certificate;
    let mut names = Vec::new();
    for name in parsed
        .get::<SubjectAltName>()?
        .map(|(_, alternative)| alternative.0)
        .unwrap_or_default()
    {
        names.extend(match &name {
            GeneralName::UniformResourceIdentifier(uri) => ClientName::new(NameKind::Uri, uri.as_str()),
            GeneralName::DnsName(name) => ClientName::new(NameKind::Dns, name.as_str()),
            GeneralName::Rfc822Name(address) => ClientName::new(NameKind::Email, address.as_str()),
            _ => None,
        });
    }
    let subject = parsed.subject.0.iter().flat_map(|part| part.0.iter());
    for attribute in subject.filter(|attribute| attribute.oid == COMMON_NAME) {
        let value = &attribute.value;
        let text = Utf8StringRef::try_from(value)
            .map(|text| text.as_str().to_owned())
            .or_else(|_| PrintableStringRef::try_from(value).map(|text| text.as_str().to_owned()));
        names.extend(
            text.ok()
                .and_then(|text| ClientName::new(NameKind::CommonName, &text)),
        );
    }
    let hash = Sha256::digest(certificate)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    names.extend(ClientName::new(NameKind::Sha256, &hash));
    Ok(names)
}

/// When a certificate stops to count.
pub(super) fn end_of(certificate: &CertificateDer<'_>) -> Result<SystemTime, der::Error> {
    let parsed = Certificate::from_der(certificate)?;
    Ok(parsed.tbs_certificate.validity.not_after.to_system_time())
}
