//! Lists of certificates that their authorities have taken back.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use tokio_rustls::rustls::pki_types::CertificateRevocationListDer;
use x509_cert::crl::CertificateList;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{self, Decode as _, Encode as _};

use super::credentials::all;

/// Largest file with lists, in bytes: they grow with what an authority has taken back in years.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The extension by which an authority tells the parts of a divided list from each other.
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

/// The lists of a file that count; each authority has one, or one for each part of it.
pub(super) struct RevocationLists {
    /// As TLS wants them.
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    /// When the first of them ends. The clients of its authority are refused from then on.
    pub(super) end: Option<SystemTime>,
}

/// Whose certificates a list is about.
#[derive(PartialEq, Eq, Hash)]
struct Scope {
    authority: Vec<u8>,
    /// Which part of them, if the authority has divided its list.
    part: Option<Vec<u8>>,
}

/// When a list counts. TLS refuses one without an end.
struct Facts {
    begin: SystemTime,
    end: Option<SystemTime>,
}

impl RevocationLists {
    /// Reads a file. Of two lists of the same scope the newer one counts, wherever it stands: TLS takes the first, and
    /// would not see what was taken back since.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let mut newest: HashMap<_, (Facts, CertificateRevocationListDer<'static>)> = HashMap::new();
        for list in all::<CertificateRevocationListDer<'static>>(path, FILE_BYTES_MAX, "revocation list")? {
            let (scope, facts) = facts_of(&list)
                .map_err(|error| format!("holds a revocation list that is none of version 2: {error}"))?;
            if newest
                .get(&scope)
                .is_none_or(|(known, _)| known.begin < facts.begin)
            {
                newest.insert(scope, (facts, list));
            }
        }
        let (facts, lists): (Vec<_>, Vec<_>) = newest.into_values().unzip();
        Ok(Self {
            lists,
            end: facts.iter().filter_map(|facts| facts.end).min(),
        })
    }
}

fn facts_of(list: &CertificateRevocationListDer<'_>) -> Result<(Scope, Facts), der::Error> {
    let told = CertificateList::from_der(list)?.tbs_cert_list;
    let mut extensions = told.crl_extensions.iter().flatten();
    let part = extensions.find(|extension| extension.extn_id == ISSUING_DISTRIBUTION_POINT);
    let scope = Scope {
        authority: told.issuer.to_der()?,
        part: part.map(|extension| extension.extn_value.as_bytes().to_vec()),
    };
    let facts = Facts {
        begin: told.this_update.to_system_time(),
        end: told.next_update.map(|time| time.to_system_time()),
    };
    Ok((scope, facts))
}
