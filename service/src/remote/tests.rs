//! Files that can be used and files that cannot, and the door itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

use super::credentials::{CredentialFile, CredentialFiles, Credentials};
use super::names::names_of;

mod revocation;

/// An authority that signs whatever it is asked to.
struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    fn new() -> Self {
        Self::named("ours")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    /// A certificate and its key, as PEM.
    fn sign(&self, params: &CertificateParams) -> (rcgen::Certificate, String) {
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.0).unwrap();
        (signed, key.serialize_pem())
    }
}

fn written(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_certificate_gives_all_its_names() {
    let mut params = CertificateParams::new(["Etl.corp".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "etl");
    for name in [
        SanType::URI("spiffe://corp/etl".try_into().unwrap()),
        SanType::Rfc822Name("etl@corp".try_into().unwrap()),
        SanType::IpAddress("10.0.0.7".parse().unwrap()),
    ] {
        params.subject_alt_names.push(name);
    }
    let (certificate, _) = Authority::new().sign(&params);
    let names = names_of(certificate.der()).unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let (hash, names) = names.split_last().unwrap();
    assert_eq!(
        names,
        [
            "dns:etl.corp",
            "uri:spiffe://corp/etl",
            "email:etl@corp",
            "cn:etl"
        ]
    );
    assert!(hash.starts_with("sha256:") && hash.len() == 71, "{hash}");
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str, mode| written(folder.path(), name, text, mode);
    let authority = Authority::new();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let (certificate, key) = authority.sign(&params);
    let (_, other_key) = authority.sign(&params);
    let good = CredentialFiles {
        certificate: at("certificate", &certificate.pem(), 0o644),
        key: at("key", &key, 0o600),
        client_authorities: at("authorities", &authority.1, 0o644),
        revocation_lists: None,
        allowed: vec!["*".parse().unwrap()],
    };
    assert!(Credentials::read(&good).is_ok_and(|read| read.revocations_end().is_none()));
    let (open, other, empty) = (
        at("open", &key, 0o640),
        at("other", &other_key, 0o600),
        at("empty", "", 0o600),
    );
    let broken = at(
        "broken",
        "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END X-----",
        0o600,
    );
    let missing = folder.path().join("missing");
    let key = |path: &PathBuf| CredentialFiles {
        key: path.clone(),
        ..good.clone()
    };
    let certificate = |path: &PathBuf| CredentialFiles {
        certificate: path.clone(),
        ..good.clone()
    };
    let authorities = |path: &PathBuf| CredentialFiles {
        client_authorities: path.clone(),
        ..good.clone()
    };
    for (files, file, words) in [
        (key(&open), CredentialFile::Key, "its mode is 0640"),
        (
            key(&other),
            CredentialFile::Key,
            "cannot be used with the certificate",
        ),
        (key(&empty), CredentialFile::Key, "holds no key"),
        (key(&missing), CredentialFile::Key, "cannot be read"),
        (
            certificate(&missing),
            CredentialFile::Certificate,
            "cannot be read",
        ),
        (
            certificate(&empty),
            CredentialFile::Certificate,
            "holds no certificate",
        ),
        (
            certificate(&broken),
            CredentialFile::Certificate,
            "not well-formed",
        ),
        (
            authorities(&good.key),
            CredentialFile::ClientAuthorities,
            "holds no certificate",
        ),
        (
            authorities(&folder.path().to_owned()),
            CredentialFile::ClientAuthorities,
            "is not a file",
        ),
    ] {
        let error = Credentials::read(&files).unwrap_err();
        assert_eq!(error.file, file, "{error}");
        assert!(
            error.to_string().contains(words) && !error.to_string().contains("c2VjcmV0"),
            "{error}"
        );
    }
}
