//! Who signed a certificate; whether it is trusted is decided by somebody else.

use std::fmt;

use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::ObjectIdentifier;

/// A name as a certificate has it; at least one part is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issuer {
    /// `CN`.
    pub common_name: String,
    /// `O`.
    pub organization: String,
}

impl fmt::Display for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.common_name.as_str(), self.organization.as_str()];
        let mut parts = parts.into_iter().filter(|part| !part.is_empty());
        formatter.write_str(parts.next().unwrap_or_default())?;
        parts.try_for_each(|part| write!(formatter, ", {part}"))
    }
}

/// Longest part of a name that is kept, in characters.
const PART_MAX: usize = 100;

/// The attributes of a name that hold its common name and its organisation.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// The issuer of a certificate; `None` for what is none, or names nobody.
pub(crate) fn issuer_of(certificate: &[u8]) -> Option<Issuer> {
    let parsed = Certificate::from_der(certificate).ok()?.tbs_certificate;
    let mut issuer = Issuer::default();
    for attribute in parsed.issuer.0.iter().flat_map(|part| part.0.iter()) {
        let part = if attribute.oid == COMMON_NAME {
            &mut issuer.common_name
        } else if attribute.oid == ORGANIZATION {
            &mut issuer.organization
        } else {
            continue;
        };
        // Whichever of the kinds of text it is written in; it is only shown.
        let text = String::from_utf8_lossy(attribute.value.value());
        *part = text.chars().filter(|c| !c.is_control()).take(PART_MAX).collect();
    }
    (issuer != Issuer::default()).then_some(issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed by themselves, as `O = Acme Inc, CN = Acme TLS inspection`, and as `C = DE` alone.
    const INSPECTION: &[u8] = include_bytes!("../tests/certificates/inspection.der");
    const NAMELESS: &[u8] = include_bytes!("../tests/certificates/nameless.der");

    #[test]
    fn the_issuer_is_read() {
        let issuer = issuer_of(INSPECTION).unwrap();
        assert_eq!(issuer.to_string(), "Acme TLS inspection, Acme Inc");
    }

    #[test]
    fn what_names_nobody_or_is_no_certificate_has_no_issuer() {
        assert_eq!(issuer_of(NAMELESS), None);
        assert_eq!(issuer_of(&INSPECTION[..INSPECTION.len() - 1]), None);
        assert_eq!(issuer_of(b""), None);
    }
}
