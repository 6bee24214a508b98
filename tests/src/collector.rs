//! A collector of OpenTelemetry's, as far as a service notices: it takes spans over HTTP, refuses them, or says nothing.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// What a collector does with what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes it.
    Takes,
    /// Reads it and never answers.
    Hangs,
}

/// What came in one request.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The lines before the body.
    pub head: String,
    /// What the service said of itself.
    pub resource: Vec<KeyValue>,
    /// The spans.
    pub spans: Vec<Span>,
}

/// A collector on a port of its own; it ends with the test's process.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Collector {
    /// Listens.
    pub fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a bound port has an address");
        let posted = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&posted);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || converse(stream, mood, &kept));
            }
        });
        Self { address, posted }
    }

    /// What `traces.endpoint` is set to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was posted so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans of it.
    pub fn spans(&self) -> Vec<Span> {
        self.posted()
            .into_iter()
            .flat_map(|posted| posted.spans)
            .collect()
    }
}

/// Reads requests of one connection until it ends.
fn converse(stream: TcpStream, mood: Mood, kept: &Mutex<Vec<Posted>>) {
    let mut reader = BufReader::new(stream);
    while let Some((head, body)) = request(&mut reader) {
        if mood == Mood::Hangs {
            continue;
        }
        let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("spans as OTLP has them");
        for of_resource in request.resource_spans {
            let scopes = of_resource.scope_spans.into_iter();
            let posted = Posted {
                head: head.clone(),
                resource: of_resource.resource.unwrap_or_default().attributes,
                spans: scopes.flat_map(|of_scope| of_scope.spans).collect(),
            };
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(posted);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if reader.get_mut().write_all(answer).is_err() {
            return;
        }
    }
}

/// Head and body of the next request.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    let mut length = 0;
    loop {
        let from = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        let line = head[from..].to_ascii_lowercase();
        if let Some(told) = line.strip_prefix("content-length:") {
            length = told.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// What is said under a name, as text.
pub fn said(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

/// An id as it is written.
pub fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a text cannot fail");
        text
    })
}
