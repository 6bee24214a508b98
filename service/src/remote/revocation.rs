//! Lists of certificates that their authorities have taken back.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::SystemTime;

use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_cert::Certificate;
use x509_cert::crl::{CertificateList, TbsCertList};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{self, Decode as _, Encode as _};
use x509_cert::ext::pkix::CrlNumber;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;

use super::credentials::all;

/// Largest file with lists, in bytes: they grow with what an authority has taken back in years.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The extension by which an authority tells the parts of a divided list from each other.
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

/// The extension in which an authority counts its lists.
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");

/// The extension of a list that tells only what is new since another one.
const DELTA: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");

/// The extension of an entry that is about a certificate of another authority.
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error("that is none of version 2: {0}")]
    Malformed(#[from] der::Error),
    /// TLS would refuse it without a word on which one it is.
    #[error(
        "of {authority} that is {kind}; only complete lists of an authority's own certificates can be used"
    )]
    Unsupported { authority: String, kind: &'static str },
}

/// The lists of a file that count; each authority has one, or one for each part of it.
pub(super) struct RevocationLists {
    /// As TLS wants them, the newest first.
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    /// When the first of them ends. The clients of its authority are refused from then on.
    pub(super) end: Option<SystemTime>,
    /// What they name.
    pub(super) revoked: Revoked,
}

/// What the lists of each authority name, all of them together.
///
/// TLS asks one list about a certificate: the first whose part may be meant. Where a certificate does not say in which part
/// it is, that can be any; so what one of them has taken back is refused, whichever was asked.
#[derive(Default)]
pub(super) struct Revoked(HashMap<Vec<u8>, HashSet<Vec<u8>>>);

impl Revoked {
    /// True when a list of the certificate's authority names it.
    pub(super) fn has(&self, certificate: &CertificateDer<'_>) -> Result<bool, der::Error> {
        if self.0.is_empty() {
            return Ok(false);
        }
        let told = Certificate::from_der(certificate)?.tbs_certificate;
        let of_authority = self.0.get(&told.issuer.to_der()?);
        Ok(of_authority.is_some_and(|serials| serials.contains(told.serial_number.as_bytes())))
    }
}

/// Whose certificates a list is about.
#[derive(PartialEq, Eq, Hash)]
struct Scope {
    authority: Vec<u8>,
    /// Which part of them, if the authority has divided its list.
    part: Option<Vec<u8>>,
}

/// How new a list is: of two of the same moment the one with the greater number is newer, and of two of the same number
/// the one that stands later in the file.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Age {
    begin: SystemTime,
    /// Digits and their count, which comes first so that numbers are ordered as such.
    number: Option<(usize, Vec<u8>)>,
    place: usize,
}

/// What is to be known of a list beside what TLS asks it. TLS refuses one without an end.
struct Facts {
    age: Age,
    end: Option<SystemTime>,
    serials: Vec<Vec<u8>>,
    list: CertificateRevocationListDer<'static>,
}

impl RevocationLists {
    /// Reads a file. Of two lists of the same scope the newer one counts, wherever it stands: TLS takes the first, and
    /// would not see what was taken back since.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let mut newest: HashMap<Scope, Facts> = HashMap::new();
        let lists = all::<CertificateRevocationListDer<'static>>(path, FILE_BYTES_MAX, "revocation list")?;
        for (place, list) in lists.into_iter().enumerate() {
            let (scope, facts) =
                facts_of(list, place).map_err(|error| format!("holds a revocation list {error}"))?;
            if newest.get(&scope).is_none_or(|known| known.age < facts.age) {
                newest.insert(scope, facts);
            }
        }
        let end = newest.values().filter_map(|facts| facts.end).min();
        let mut newest: Vec<(Scope, Facts)> = newest.into_iter().collect();
        newest.sort_by(|(_, left), (_, right)| right.age.cmp(&left.age));
        let (mut lists, mut revoked) = (Vec::new(), Revoked::default());
        for (scope, facts) in newest {
            revoked
                .0
                .entry(scope.authority)
                .or_default()
                .extend(facts.serials);
            lists.push(facts.list);
        }
        Ok(Self { lists, end, revoked })
    }
}

fn facts_of(list: CertificateRevocationListDer<'static>, place: usize) -> Result<(Scope, Facts), ListError> {
    let told = CertificateList::from_der(&list)?.tbs_cert_list;
    let extension = |id| {
        let mut extensions = told.crl_extensions.iter().flatten();
        extensions
            .find(|extension| extension.extn_id == id)
            .map(|extension| extension.extn_value.as_bytes())
    };
    let point = extension(ISSUING_DISTRIBUTION_POINT);
    let kind = unsupported(&told, extension(DELTA).is_some(), point)?;
    if let Some(kind) = kind {
        let authority = told.issuer.to_string();
        let authority = authority.replace(|character: char| character.is_control(), "?");
        return Err(ListError::Unsupported { authority, kind });
    }
    let number = extension(CRL_NUMBER).and_then(|number| CrlNumber::from_der(number).ok());
    let scope = Scope {
        authority: told.issuer.to_der()?,
        part: point.map(<[u8]>::to_vec),
    };
    let age = Age {
        begin: told.this_update.to_system_time(),
        number: number.map(|CrlNumber(number)| (number.as_bytes().len(), number.as_bytes().to_vec())),
        place,
    };
    let serials = told.revoked_certificates.iter().flatten();
    let facts = Facts {
        age,
        end: told.next_update.map(|time| time.to_system_time()),
        serials: serials
            .map(|revoked| revoked.serial_number.as_bytes().to_vec())
            .collect(),
        list,
    };
    Ok((scope, facts))
}

/// What a list is that cannot be used, if it is.
fn unsupported(
    list: &TbsCertList,
    is_delta: bool,
    point: Option<&[u8]>,
) -> Result<Option<&'static str>, der::Error> {
    if is_delta {
        return Ok(Some("a delta list: it tells only what is new since another list"));
    }
    let point = point.map(IssuingDistributionPoint::from_der).transpose()?;
    let mut of_entries = list
        .revoked_certificates
        .iter()
        .flatten()
        .flat_map(|entry| entry.crl_entry_extensions.iter().flatten());
    let is_of_others = of_entries.any(|extension| extension.extn_id == CERTIFICATE_ISSUER);
    if is_of_others || point.as_ref().is_some_and(|point| point.indirect_crl) {
        return Ok(Some(
            "an indirect list: it tells of certificates of other authorities",
        ));
    }
    Ok(match point {
        Some(point) if point.only_some_reasons.is_some() => Some(
            "a list of some reasons alone, so that a certificate that is not on it may be revoked all the same",
        ),
        Some(point) if point.only_contains_attribute_certs => {
            Some("a list of attribute certificates alone, which nobody shows here")
        }
        _ => None,
    })
}
