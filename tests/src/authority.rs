//! An authority of our own: certificates for services and clients.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, SanType, SerialNumber, date_time_ymd,
};

use crate::stage::Stage;

/// Signs whatever it is asked to.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// One with a name of its own.
    ///
    /// # Panics
    ///
    /// When no key can be made.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("keys can be made");
        let pem = params.self_signed(&key).expect("its own key signs").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes its certificate as NAME.pem in the home.
    pub fn write(&self, stage: &Stage, name: &str) {
        stage.write(&format!("{name}.pem"), &self.pem);
    }

    /// Signs one for a service at this host, a name or an address.
    ///
    /// # Panics
    ///
    /// When it is neither.
    pub fn server(&self, host: &str) -> Signed {
        let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// Signs one for a client of this common name and URI, which ends with this year.
    ///
    /// # Panics
    ///
    /// When it is no URI.
    pub fn client(&self, name: &str, uri: &str, end_year: i32) -> Signed {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params
            .subject_alt_names
            .push(SanType::URI(uri.try_into().expect("a URI")));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = date_time_ymd(end_year, 12, 31);
        self.sign(&params)
    }

    /// A list of certificates that were taken back, as PEM, which names none. It is from 2024, and the next one is due on the
    /// first day of a year.
    ///
    /// # Panics
    ///
    /// When it cannot be signed.
    pub fn revocations(&self, due_year: i32) -> String {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(due_year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let signed = list.signed_by(&self.issuer).expect("the authority signs");
        signed.pem().expect("it can be written")
    }

    fn sign(&self, params: &CertificateParams) -> Signed {
        let key = KeyPair::generate().expect("keys can be made");
        let signed = params.signed_by(&key, &self.issuer).expect("the authority signs");
        Signed {
            certificate: signed.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate and its key, as PEM.
pub struct Signed {
    /// The certificate alone.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Signed {
    /// Writes NAME.pem and NAME.key in the home.
    ///
    /// # Panics
    ///
    /// When the home is not ours.
    pub fn write(&self, stage: &Stage, name: &str) {
        stage.write(&format!("{name}.pem"), &self.certificate);
        let path = stage.write(&format!("{name}.key"), &self.key);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
    }
}
