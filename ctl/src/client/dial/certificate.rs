//! What a certificate says of whose it is, and when it counts: for messages, never for a decision.

use std::time::SystemTime;

use x509_cert::Certificate;
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{self, Decode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

/// The attribute of a subject that holds its common name.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// What is told of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    /// Its names, as the service's `tcp.allow` takes them.
    pub(crate) names: Vec<String>,
    /// From when it counts.
    pub(crate) begin: SystemTime,
    /// Until when.
    pub(crate) end: SystemTime,
}

/// Reads a certificate.
pub(crate) fn facts(certificate: &[u8]) -> Result<CertificateFacts, der::Error> {
    let parsed = Certificate::from_der(certificate)?.tbs_certificate;
    let alternative = parsed.get::<SubjectAltName>()?.map(|(_, names)| names.0);
    let mut names: Vec<String> = alternative
        .unwrap_or_default()
        .iter()
        .filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => Some(format!("uri:{}", uri.as_str())),
            GeneralName::DnsName(name) => Some(format!("dns:{}", name.as_str())),
            GeneralName::Rfc822Name(address) => Some(format!("email:{}", address.as_str())),
            _ => None,
        })
        .collect();
    let subject = parsed.subject.0.iter().flat_map(|part| part.0.iter());
    for attribute in subject.filter(|attribute| attribute.oid == COMMON_NAME) {
        let value = &attribute.value;
        let text = Utf8StringRef::try_from(value)
            .map(|text| text.as_str().to_owned())
            .or_else(|_| PrintableStringRef::try_from(value).map(|text| text.as_str().to_owned()));
        names.extend(text.ok().map(|text| format!("cn:{text}")));
    }
    Ok(CertificateFacts {
        names,
        begin: parsed.validity.not_before.to_system_time(),
        end: parsed.validity.not_after.to_system_time(),
    })
}

/// Reads the first certificate of a PEM file; else why it cannot be read.
pub(crate) fn facts_of(path: &std::path::Path) -> Result<CertificateFacts, String> {
    let all = super::remote::certificates(path).map_err(|error| error.to_string())?;
    all.first()
        .ok_or_else(|| "holds no certificate".to_owned())
        .and_then(|first| facts(first).map_err(|error| format!("{}: {error}", path.display())))
}

/// The names of the authorities in a PEM file; else why it cannot be read.
pub(crate) fn authorities_of(path: &std::path::Path) -> Result<Vec<Name>, String> {
    let all = super::remote::certificates(path).map_err(|error| error.to_string())?;
    let subjects = all
        .iter()
        .map(|authority| Certificate::from_der(authority).map(|parsed| parsed.tbs_certificate.subject));
    subjects
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: {error}", path.display()))
}
