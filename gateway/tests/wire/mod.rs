//! A server on bare TCP for what a well-behaved HTTP server cannot do: cut connections, answer in part, fall silent.
//!
//! It speaks just enough HTTP/1.1 to read a request, and then does what the test says with the connection. Logins and
//! renewals are answered unless the test answers them itself.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "a module of test binaries")]

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;
use url::{Url, form_urlencoded};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Heard {
    pub path: String,
    pub pairs: HashMap<String, String>,
    /// Lower-case names.
    pub headers: HashMap<String, String>,
    pub body: Value,
    /// Number of the connection it came on, from 0.
    pub connection: usize,
    /// How many requests for the same path came before.
    pub earlier: usize,
}

impl Heard {
    pub fn request_id(&self) -> &str {
        self.pairs.get("requestId").map_or("", String::as_str)
    }

    pub fn pair(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str)
    }
}

/// What to do with a connection after a request.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Send these bytes and read the next request.
    Send(Vec<u8>),
    /// Send these bytes and reset the connection.
    SendAndReset(Vec<u8>),
    /// Send these bytes, then one byte at a time with this pause.
    Trickle(Vec<u8>, Duration),
    /// Say nothing more and leave the connection open.
    Silence,
}

impl Deed {
    /// Resets the connection without a word.
    pub fn reset() -> Self {
        Self::SendAndReset(Vec::new())
    }

    pub fn json(value: &Value) -> Self {
        Self::Send(response("200 OK", &[], value.to_string().as_bytes()))
    }

    pub fn success(data: Value) -> Self {
        Self::json(&json!({ "data": data, "code": null, "message": null, "success": true }))
    }

    pub fn failure(code: &str, message: &str) -> Self {
        Self::json(&json!({ "data": null, "code": code, "message": message, "success": false }))
    }

    /// The answer to a statement that ran.
    pub fn done(query_id: &str) -> Self {
        Self::success(done_data(query_id))
    }

    pub fn status(status: &str, headers: &[(&str, &str)]) -> Self {
        Self::Send(response(status, headers, b""))
    }
}

pub fn done_data(query_id: &str) -> Value {
    json!({
        "queryId": query_id, "rowtype": [], "rowset": [], "total": 0, "returned": 0, "queryResultFormat": "json",
    })
}

/// A whole HTTP response.
pub fn response(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write!(bytes, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len()).unwrap();
    for (name, value) in headers {
        write!(bytes, "{name}: {value}\r\n").unwrap();
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

type Script = Arc<dyn Fn(&Heard) -> Option<Deed> + Send + Sync>;

/// A running server. It closes its port and all connections when it is dropped.
pub struct Wire {
    pub url: Url,
    heard: Arc<Mutex<Vec<Heard>>>,
    _listening: AbortOnDropHandle<()>,
}

impl Wire {
    /// `script` says what to do; `None` leaves a request to the server, which knows logins and renewals.
    pub async fn start(script: impl Fn(&Heard) -> Option<Deed> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listening = tokio::spawn(listen(listener, Arc::new(script), Arc::clone(&heard)));
        Self {
            url,
            heard,
            _listening: AbortOnDropHandle::new(listening),
        }
    }

    pub fn heard(&self, path: &str) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| heard.path == path).cloned().collect()
    }

    pub fn statements(&self) -> Vec<Heard> {
        self.heard(STATEMENT)
    }
}

pub const STATEMENT: &str = "queries/v1/query-request";

async fn listen(listener: TcpListener, script: Script, heard: Arc<Mutex<Vec<Heard>>>) {
    let mut connections = Vec::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let serving = serve(stream, connections.len(), Arc::clone(&script), Arc::clone(&heard));
        connections.push(AbortOnDropHandle::new(tokio::spawn(serving)));
    }
}

async fn serve(mut stream: TcpStream, connection: usize, script: Script, heard: Arc<Mutex<Vec<Heard>>>) {
    let mut buffer = Vec::new();
    while let Some(mut request) = read_request(&mut stream, &mut buffer, connection).await {
        {
            let mut heard = heard.lock().unwrap();
            request.earlier = heard
                .iter()
                .filter(|earlier| earlier.path == request.path)
                .count();
            heard.push(request.clone());
        }
        match script(&request).unwrap_or_else(|| default_deed(&request)) {
            Deed::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Deed::SendAndReset(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
                // A lingering time of zero turns the close into a reset.
                stream.set_zero_linger().unwrap();
                return;
            }
            Deed::Trickle(bytes, pause) => {
                let _ = stream.write_all(&bytes).await;
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
                return;
            }
            Deed::Silence => std::future::pending().await,
        }
    }
}

fn default_deed(request: &Heard) -> Deed {
    match request.path.as_str() {
        "session/v1/login-request" => Deed::success(json!({
            "token": "session-0", "masterToken": "master-0",
            "validityInSeconds": 3600, "masterValidityInSeconds": 14400,
        })),
        "session/token-request" => Deed::success(json!({
            "sessionToken": format!("session-{}", request.earlier + 1),
            "masterToken": format!("master-{}", request.earlier + 1),
            "validityInSecondsST": 3600, "validityInSecondsMT": 14400,
        })),
        "session" | "session/heartbeat" => Deed::success(Value::Null),
        _ => Deed::status("404 Not Found", &[]),
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Heard> {
    let head_end = loop {
        if let Some(place) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break place;
        }
        read_some(stream, buffer).await?;
    };
    let head = String::from_utf8(buffer.drain(..head_end + 4).collect()).unwrap();
    let mut lines = head.lines();
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length {
        read_some(stream, buffer).await?;
    }
    let body: Vec<u8> = buffer.drain(..length).collect();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Heard {
        path: path.trim_start_matches('/').to_owned(),
        pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        connection,
        earlier: 0,
    })
}

async fn read_some(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 4096];
    let count = stream.read(&mut bytes).await.ok().filter(|count| *count > 0)?;
    buffer.extend_from_slice(&bytes[..count]);
    Some(())
}
