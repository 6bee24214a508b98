//! Which of an authority's lists count, and what a client hears whom one of them names.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{
    CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint,
    KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};
use x509_cert::crl::{CertificateList, TbsCertList};
use x509_cert::der::asn1::OctetString;
use x509_cert::der::pem::{LineEnding, encode_string};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::Extension;

use super::super::credentials::{CredentialFiles, Credentials};
use super::super::revocation::RevocationLists;
use super::{Authority, written};

/// A list of what an authority has taken back.
struct List {
    /// Years on whose first days it begins and ends.
    years: (i32, i32),
    number: u64,
    /// The part of the certificates that it is about, if the authority has divided them.
    part: Option<&'static str>,
    revoked: Vec<u64>,
}

/// One of the whole authority that names nobody.
const EMPTY: List = List {
    years: (2024, 3000),
    number: 1,
    part: None,
    revoked: Vec::new(),
};

impl List {
    fn signed_by(self, authority: &Authority) -> String {
        let begin = date_time_ymd(self.years.0, 1, 1);
        let revoked = self.revoked.into_iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: begin,
            reason_code: None,
            invalidity_date: None,
        });
        let point = |part: &str| CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: vec![format!("http://crl.example.com/{part}.crl")],
            },
            scope: None,
        };
        let list = CertificateRevocationListParams {
            this_update: begin,
            next_update: date_time_ymd(self.years.1, 1, 1),
            crl_number: SerialNumber::from(self.number),
            issuing_distribution_point: self.part.map(point),
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&authority.0).unwrap().pem().unwrap()
    }
}

#[test]
fn of_an_authority_the_newest_list_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(), Authority::named("theirs"));
    let list = |authority: &Authority, years| List { years, ..EMPTY }.signed_by(authority);
    let year = |year| Some(SystemTime::from(date_time_ymd(year, 1, 1)));
    for (lists, count, end) in [
        (vec![list(&ours, (2020, 2021))], 1, year(2021)),
        (
            vec![list(&ours, (2020, 2021)), list(&ours, (2022, 2030))],
            1,
            year(2030),
        ),
        (
            vec![list(&ours, (2022, 2023)), list(&ours, (2020, 2030))],
            1,
            year(2023),
        ),
        (
            vec![list(&ours, (2022, 2030)), list(&theirs, (2020, 2021))],
            2,
            year(2021),
        ),
    ] {
        let path = written(folder.path(), "lists", &lists.concat(), 0o644);
        let read = RevocationLists::read(&path).unwrap();
        assert_eq!((read.lists.len(), read.end), (count, end));
    }
}

#[test]
fn of_two_lists_of_one_moment_the_greater_number_counts_and_then_the_later_place() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new();
    // Told apart by when they end.
    let list = |number, end| {
        List {
            years: (2024, end),
            number,
            ..EMPTY
        }
        .signed_by(&ours)
    };
    for (lists, end) in [
        ([list(255, 2031), list(256, 2032)], 2032),
        ([list(256, 2031), list(255, 2032)], 2031),
        ([list(7, 2031), list(7, 2032)], 2032),
        ([list(7, 2032), list(7, 2031)], 2031),
    ] {
        let path = written(folder.path(), "lists", &lists.concat(), 0o644);
        let read = RevocationLists::read(&path).unwrap();
        assert_eq!(read.lists.len(), 1);
        assert_eq!(read.end, Some(date_time_ymd(end, 1, 1).into()));
    }
}

#[test]
fn the_lists_of_several_parts_have_an_order_the_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new();
    let parts = ["a", "b", "c", "d", "e", "f"].into_iter().zip(2020..);
    let lists: Vec<String> = parts
        .map(|(part, begin)| {
            List {
                years: (begin, 3000),
                part: Some(part),
                ..EMPTY
            }
            .signed_by(&ours)
        })
        .collect();
    let path = written(folder.path(), "lists", &lists.concat(), 0o644);
    let read = RevocationLists::read(&path).unwrap().lists;
    let newest_last: Vec<_> = read.into_iter().rev().collect();
    let written = lists
        .iter()
        .map(|list| CertificateRevocationListDer::from_pem_slice(list.as_bytes()).unwrap());
    assert_eq!(newest_last, written.collect::<Vec<_>>());
}

/// A service with some lists, and a client whose certificate has the number 7 and may have another authority between.
struct Desk {
    folder: tempfile::TempDir,
    root: Authority,
    files: CredentialFiles,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Authority::new();
        let at = |name: &str, text: &str, mode| written(folder.path(), name, text, mode);
        let (certificate, key) = root.sign(&CertificateParams::new(["localhost".to_owned()]).unwrap());
        let files = CredentialFiles {
            certificate: at("certificate", &certificate.pem(), 0o644),
            key: at("key", &key, 0o600),
            client_authorities: at("authorities", &root.1, 0o644),
            revocation_lists: Some(folder.path().join("lists")),
            allowed: vec!["*".parse().unwrap()],
        };
        Self { folder, root, files }
    }

    /// What a client with this certificate and key hears of a service with these lists.
    fn heard(&self, lists: &[String], chain: &[CertificateDer<'static>], key: &str) -> Result<(), String> {
        written(self.folder.path(), "lists", &lists.concat(), 0o644);
        let config = Credentials::read(&self.files).unwrap().config;
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.root.1.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain.to_vec(), key)
            .unwrap();
        let mut client = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
        let mut server = ServerConnection::new(config).unwrap();
        loop {
            let mut sent = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut sent).unwrap();
            }
            server.read_tls(&mut io::Cursor::new(&sent)).unwrap();
            // What it minds is in its answer.
            let _ = server.process_new_packets();
            let mut answered = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut answered).unwrap();
            }
            if sent.is_empty() && answered.is_empty() {
                assert!(!server.is_handshaking());
                return Ok(());
            }
            client.read_tls(&mut io::Cursor::new(&answered)).unwrap();
            client.process_new_packets().map_err(|error| error.to_string())?;
        }
    }

    fn heard_of(&self, lists: [List; 2], (chain, key): &(Vec<CertificateDer<'static>>, String)) -> String {
        let lists = lists.map(|list| list.signed_by(&self.root));
        self.heard(&lists, chain, key).err().unwrap_or_default()
    }

    fn client(&self) -> (Vec<CertificateDer<'static>>, String) {
        let (certificate, key) = self.root.sign(&numbered(7));
        (vec![certificate.der().clone()], key)
    }
}

fn numbered(serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from(serial));
    params
}

#[test]
fn whoever_is_in_one_part_of_a_divided_list_is_refused_whichever_is_asked() {
    let desk = Desk::new();
    let client = desk.client();
    let part = |part, begin, revoked| List {
        years: (begin, 3000),
        part,
        revoked,
        ..EMPTY
    };
    let heard = desk.heard_of(
        [part(Some("a"), 2024, vec![6]), part(Some("b"), 2023, vec![8])],
        &client,
    );
    assert_eq!(heard, "");
    for (a, b) in [(Some("a"), Some("b")), (None, Some("b")), (Some("a"), None)] {
        for (begin_a, begin_b) in [(2024, 2023), (2023, 2024), (2024, 2024)] {
            for (in_a, in_b) in [(vec![7], vec![]), (vec![], vec![7])] {
                let lists = [part(a, begin_a, in_a), part(b, begin_b, in_b)];
                let heard = desk.heard_of(lists, &client);
                assert!(heard.contains("CertificateRevoked"), "{a:?} {b:?}: {heard:?}");
            }
        }
    }
}

#[test]
fn an_authority_between_is_refused_as_well_and_another_one_with_its_number_is_not() {
    let desk = Desk::new();
    let key = KeyPair::generate().unwrap();
    let mut params = numbered(9);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "department");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.signed_by(&key, &desk.root.0).unwrap();
    let department = Authority(rcgen::Issuer::new(params, key), certificate.pem());
    let (leaf, key) = department.sign(&numbered(7));
    let chain = [leaf.der().clone(), certificate.der().clone()];
    for (of_root, of_department, wanted) in [
        // The numbers are those of the other authority's certificates.
        (vec![7], vec![9], None),
        (vec![9], vec![], Some("CertificateRevoked")),
        (vec![], vec![7], Some("CertificateRevoked")),
    ] {
        let part = |part, begin, revoked| List {
            years: (begin, 3000),
            part: Some(part),
            revoked,
            ..EMPTY
        };
        // The part that TLS asks is the newer one, and names nobody.
        let lists = [
            part("a", 2024, Vec::new()).signed_by(&desk.root),
            part("b", 2023, of_root).signed_by(&desk.root),
            part("a", 2024, Vec::new()).signed_by(&department),
            part("b", 2023, of_department).signed_by(&department),
        ];
        let heard = desk.heard(&lists, &chain, &key);
        match wanted {
            None => assert_eq!(heard, Ok(())),
            Some(alert) => assert!(
                heard.as_ref().is_err_and(|heard| heard.contains(alert)),
                "{heard:?}"
            ),
        }
    }
}

#[test]
fn a_list_with_a_foreign_signature_says_nothing_of_anybody() {
    let desk = Desk::new();
    let (chain, key) = desk.client();
    let heard = desk.heard(&[EMPTY.signed_by(&Authority::new())], &chain, &key);
    assert!(
        heard.as_ref().is_err_and(|heard| heard.contains("UnknownCA")),
        "{heard:?}"
    );
}

/// A list with something else in it. Its signature is none any more, which is not asked when files are read.
fn changed(list: List, change: impl FnOnce(&mut TbsCertList)) -> String {
    let pem = list.signed_by(&Authority::new());
    let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut parsed = CertificateList::from_der(&der).unwrap();
    change(&mut parsed.tbs_cert_list);
    encode_string("X509 CRL", LineEnding::LF, &parsed.to_der().unwrap()).unwrap()
}

/// The extension of a list that is one part of several.
const PARTS: &str = "2.5.29.28";

fn extension(id: &str, value: &[u8]) -> Extension {
    Extension {
        extn_id: id.parse().unwrap(),
        critical: true,
        extn_value: OctetString::new(value).unwrap(),
    }
}

#[test]
fn lists_that_are_not_the_whole_truth_are_refused_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let add = |id, value: &'static [u8]| {
        changed(EMPTY, |list| {
            let extensions = list.crl_extensions.get_or_insert_default();
            extensions.push(extension(id, value));
        })
    };
    let of_others = changed(
        List {
            revoked: vec![7],
            ..EMPTY
        },
        |list| {
            let entry = &mut list.revoked_certificates.as_mut().unwrap()[0];
            entry.crl_entry_extensions = Some(vec![extension("2.5.29.29", &[0x30, 0])]);
        },
    );
    for (list, words) in [
        (add("2.5.29.27", &[2, 1, 7]), "a delta list"),
        (add(PARTS, &[0x30, 3, 0x84, 1, 0xff]), "an indirect list"),
        (of_others, "an indirect list"),
        (
            add(PARTS, &[0x30, 4, 0x83, 2, 1, 0x40]),
            "a list of some reasons alone",
        ),
        (
            add(PARTS, &[0x30, 3, 0x85, 1, 0xff]),
            "a list of attribute certificates alone",
        ),
    ] {
        // Wherever it stands, and whatever else there is.
        let lists = [EMPTY.signed_by(&Authority::new()), list].concat();
        let path = written(folder.path(), "lists", &lists, 0o644);
        let refused = RevocationLists::read(&path).err().unwrap();
        assert!(
            refused.starts_with("holds a revocation list of CN=ours that is ") && refused.contains(words),
            "{refused}"
        );
    }
    let of_clients = add(PARTS, &[0x30, 3, 0x81, 1, 0xff]);
    let path = written(folder.path(), "lists", &of_clients, 0o644);
    assert_eq!(RevocationLists::read(&path).unwrap().lists.len(), 1);
}
