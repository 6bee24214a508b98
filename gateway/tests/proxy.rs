//! The way through a proxy, and past it.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use snowflake_session_gateway::{GatewayConfig, ProxySettings, probe};

const PATIENCE: Duration = Duration::from_secs(20);

fn through(proxy: &str) -> GatewayConfig {
    let variables = BTreeMap::from([("HTTPS_PROXY".to_owned(), proxy.to_owned())]);
    GatewayConfig {
        proxy: ProxySettings::from_environment(&variables).unwrap(),
        ..GatewayConfig::default()
    }
}

/// Answers one request and gives its head.
fn answer_once(answer: &'static [u8]) -> (u16, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        stream.write_all(answer).unwrap();
        String::from_utf8(head).unwrap()
    });
    (port, server)
}

#[tokio::test]
async fn a_server_elsewhere_is_asked_for_at_the_proxy() {
    let (port, proxy) = answer_once(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    let login = "user:s3%40me";
    let config = through(&format!("http://{login}@127.0.0.1:{port}"));
    let url = "https://acme.snowflakecomputing.example/".parse().unwrap();
    let error = probe(&config, &url, PATIENCE).await.unwrap_err().to_string();
    let head = tokio::task::spawn_blocking(|| proxy.join().unwrap())
        .await
        .unwrap();
    assert!(
        head.starts_with("CONNECT acme.snowflakecomputing.example:443 HTTP/1.1\r\n"),
        "{head}"
    );
    // `user:s3@me`.
    assert!(
        head.to_ascii_lowercase()
            .contains("proxy-authorization: basic dxnlcjpzm0btzq=="),
        "{head}"
    );
    assert!(!error.contains("s3"), "{error}");
}

#[tokio::test]
async fn a_server_of_this_machine_is_reached_directly() {
    let (port, server) = answer_once(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    // Nobody listens at the proxy.
    let config = through("http://127.0.0.1:1");
    let url = format!("http://127.0.0.1:{port}/").parse().unwrap();
    probe(&config, &url, PATIENCE).await.unwrap();
    let head = tokio::task::spawn_blocking(|| server.join().unwrap())
        .await
        .unwrap();
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
}
