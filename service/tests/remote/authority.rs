//! An authority of our own, and clients with what it signed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::transport::Channel;
use x509_cert::crl::CertificateList;
use x509_cert::der::asn1::OctetString;
use x509_cert::der::pem::{LineEnding, encode_string};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::Extension;

/// Signs whatever it is asked to.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    /// What a client shows beside its own certificate: those up to the authority that everybody knows.
    between: Vec<CertificateDer<'static>>,
    /// Certificates that it has signed.
    signed: AtomicU64,
}

/// A certificate and its key.
pub(crate) struct Signed {
    certificate: rcgen::Certificate,
    key: KeyPair,
    between: Vec<CertificateDer<'static>>,
    serial: u64,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
            between: Vec::new(),
            signed: AtomicU64::new(0),
        }
    }

    /// An authority that this one vouches for, and the number of its certificate.
    pub(crate) fn below(&self, name: &str) -> (Self, u64) {
        let Signed {
            certificate,
            key,
            serial,
            ..
        } = self.sign(&authority_params(name));
        let mut between = vec![certificate.der().clone()];
        between.extend(self.between.iter().cloned());
        let authority = Self {
            issuer: Issuer::new(authority_params(name), key),
            certificate,
            between,
            signed: AtomicU64::new(0),
        };
        (authority, serial)
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A list of the certificates with these numbers, as PEM. It is from the first day of a year, and ends with that of
    /// another.
    pub(crate) fn revocations(&self, serials: &[u64], (begin, end): (i32, i32)) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(begin, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(begin, 1, 1),
            next_update: date_time_ymd(end, 1, 1),
            crl_number: SerialNumber::from(u64::from(begin.unsigned_abs())),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A list that tells only what is new since another one.
    pub(crate) fn delta(&self) -> String {
        let pem = self.revocations(&[], (2024, 3000));
        let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut list = CertificateList::from_der(&der).unwrap();
        let extensions = list.tbs_cert_list.crl_extensions.get_or_insert_default();
        extensions.push(Extension {
            extn_id: "2.5.29.27".parse().unwrap(),
            critical: true,
            extn_value: OctetString::new([2, 1, 7]).unwrap(),
        });
        encode_string("X509 CRL", LineEnding::LF, &list.to_der().unwrap()).unwrap()
    }

    fn sign(&self, params: &CertificateParams) -> Signed {
        let serial = self.signed.fetch_add(1, Ordering::Relaxed) + 1;
        let mut params = params.clone();
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().unwrap();
        Signed {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            key,
            between: self.between.clone(),
            serial,
        }
    }

    pub(crate) fn server(&self) -> Signed {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// A client with this URI in its certificate.
    pub(crate) fn client(&self, uri: &str) -> Signed {
        self.sign(&client_params(uri))
    }

    pub(crate) fn expired_client(&self, uri: &str) -> Signed {
        let mut params = client_params(uri);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.sign(&params)
    }

    /// Shakes hands with what listens on this port of localhost, with a certificate or without one.
    pub(crate) async fn greet(
        &self,
        port: u16,
        client: Option<&Signed>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match client {
            Some(client) => {
                let key = PrivateKeyDer::try_from(client.key.serialize_der()).unwrap();
                let mut chain = vec![client.certificate.der().clone()];
                chain.extend(client.between.iter().cloned());
                config.with_client_auth_cert(chain, key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().unwrap(), stream)
            .await
    }

    /// A channel to what listens there.
    pub(crate) async fn channel(&self, port: u16, client: &Signed) -> Channel {
        crate::support::channel_on(self.greet(port, Some(client)).await.unwrap()).await
    }
}

impl Signed {
    /// The number of the certificate.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Writes both as PEM.
    pub(crate) fn write(&self, certificate: &Path, key: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(certificate, self.certificate.pem()).unwrap();
        std::fs::write(key, self.key.serialize_pem()).unwrap();
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn client_params(uri: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "client");
    params
        .subject_alt_names
        .push(SanType::URI(uri.try_into().unwrap()));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}
