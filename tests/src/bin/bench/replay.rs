//! A server that answers the large select in Snowflake's own shape: Arrow chunks by URL, compressed with gzip.
//!
//! Logins are passed through to the emulator, so each client sees the answer it expects; the select is asked once, its
//! chunks are compressed, and both are replayed from memory. What is left is the client's own cost.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::SELECT;
use snowflake_session_tests::wire::Wire;

/// The running server.
pub(crate) struct Replay {
    /// TCP port on 127.0.0.1.
    pub(crate) port: u16,
}

impl Replay {
    /// A connection of `connections.toml` that leads here.
    pub(crate) fn connection(&self, name: &str) -> String {
        format!(
            "[{name}]\naccount = \"local\"\nuser = \"tester\"\npassword = \"secret\"\nhost = \"127.0.0.1\"\nport = {}\n\
             protocol = \"http\"\n",
            self.port
        )
    }
}

struct Kept {
    emulator: u16,
    answer: Bytes,
    chunks: HashMap<String, Bytes>,
}

/// Fetches the large select from the emulator and starts to replay it.
pub(crate) async fn start(emulator: u16) -> Result<Replay> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let mut wire = Wire::login(emulator, "PythonConnector").await?;
    let mut data = wire.query(SELECT).await?;
    let mut chunks = HashMap::new();
    for (index, chunk) in data["chunks"]
        .as_array_mut()
        .context("a large result has chunks")?
        .iter_mut()
        .enumerate()
    {
        let url = chunk["url"].as_str().context("a chunk has a URL")?;
        let path = url
            .find("://")
            .and_then(|at| url[at + 3..].find('/').map(|slash| &url[at + 3 + slash..]));
        let plain = wire.get(path.unwrap_or(url)).await?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&plain)?;
        let packed = encoder.finish()?;
        let own = format!("/chunk/{index}");
        chunk["compressedSize"] = json!(packed.len());
        chunk["url"] = json!(format!("http://127.0.0.1:{port}{own}"));
        chunks.insert(own, Bytes::from(packed));
    }
    let answer = json!({"data": data, "code": null, "message": null, "success": true}).to_string();
    let kept = Arc::new(Kept {
        emulator,
        answer: Bytes::from(answer),
        chunks,
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(serve(stream, kept));
        }
    });
    Ok(Replay { port })
}

async fn serve(stream: TcpStream, kept: Arc<Kept>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&kept)));
    // A client that goes away ends its own measurement, not the server.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, kept: Arc<Kept>) -> Result<Response<Full<Bytes>>> {
    if let Some(chunk) = kept.chunks.get(request.uri().path()) {
        return Ok(Response::builder()
            .header("content-encoding", "gzip")
            .body(Full::new(chunk.clone()))?);
    }
    let is_query = request.uri().path() == "/queries/v1/query-request";
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if is_query && holds_select(&head.headers, &body) {
        return Ok(Response::builder()
            .header("content-type", "application/json")
            .body(Full::new(kept.answer.clone()))?);
    }
    let stream = TcpStream::connect(("127.0.0.1", kept.emulator)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (head, body) = sender
        .send_request(Request::from_parts(head, Full::new(body)))
        .await?
        .into_parts();
    Ok(Response::from_parts(
        head,
        Full::new(body.collect().await?.to_bytes()),
    ))
}

/// Whether a query request, compressed or not, is the large select.
fn holds_select(headers: &hyper::HeaderMap, body: &[u8]) -> bool {
    let plain = if headers
        .get("content-encoding")
        .is_some_and(|encoding| encoding == "gzip")
    {
        let mut decoder = flate2::write::GzDecoder::new(Vec::new());
        decoder
            .write_all(body)
            .and_then(|()| decoder.finish())
            .unwrap_or_default()
    } else {
        body.to_vec()
    };
    serde_json::from_slice::<Value>(&plain).is_ok_and(|body| body["sqlText"].as_str() == Some(SELECT))
}
