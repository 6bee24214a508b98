//! The protocol under TLS, with a certificate of the tests' own.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use snowflake_emulator::protocol::{Accounts, Connector, Server, Settings, Tls};
use snowflake_emulator::results::{Spool, SpoolLimits};
use snowflake_emulator::session::{Instance, InstanceConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn client() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("cert.pem")).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn a_certificate_makes_it_tls() {
    let folder = tempfile::tempdir().unwrap();
    let instance = Arc::new(Instance::open(&InstanceConfig::in_memory()).unwrap());
    let limits = SpoolLimits {
        memory_bytes_max: 1 << 20,
        first_bytes_max: 32 << 20,
        disk_bytes_max: 1 << 20,
    };
    let settings = Settings {
        tls: Some(Tls::read(&file("cert.pem"), &file("key.pem")).unwrap()),
        ..Settings::default()
    };
    let spool = Spool::open(folder.path(), limits).unwrap();
    let connector = Connector::new(settings, Accounts::Anyone, Arc::new(instance), spool);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Server::new(listener, connector).serve(stop.clone()));

    // One who speaks no TLS is not answered, and is in nobody's way.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = client().connect(name, stream).await.unwrap();
    let request = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    stop.cancel();
    tokio::time::timeout(Duration::from_mins(1), serving)
        .await
        .unwrap()
        .unwrap();
}

#[test]
fn what_is_no_pair_is_refused() {
    assert!(Tls::read(&file("cert.pem"), &file("cert.pem")).is_err());
    assert!(Tls::read(&file("none.pem"), &file("key.pem")).is_err());
}
