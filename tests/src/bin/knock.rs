//! `knock SOCKET [NUMBER]`: connects to a service again and again, several at a time, asks how it is, and counts what came of it.
//!
//! Goes on until its input has ended and it has made so many connections; then it prints one line: `connections N refused N broken N`. It shows whether a
//! service that is restarted turns anybody away.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hyper_util::rt::TokioIo;
use snowflake_session_proto::v1::GetStatusRequest;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use tokio::net::UnixStream;
use tonic::transport::{Endpoint, Uri};
use tower::service_fn;

/// Callers at a time.
const CALLERS: usize = 8;

/// Longest wait for one answer; a restart takes far less.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause of a caller between two connections, so that eight of them do not take a whole core.
const PAUSE: Duration = Duration::from_millis(4);

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let socket = arguments.next().map(PathBuf::from).context("knock where?")?;
    let least = arguments
        .next()
        .map_or(Ok(0), |number| number.parse())
        .context("knock how often?")?;
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    std::thread::spawn(move || {
        // An error ends the input as its end does.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        told.store(true, Ordering::Release);
    });
    let counts = Arc::new(Counts::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let callers = (0..CALLERS).map(|_| {
            tokio::spawn(call(
                socket.clone(),
                least,
                Arc::clone(&counts),
                Arc::clone(&ended),
            ))
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (connections, refused, broken) = (
        read(&counts.connections),
        read(&counts.refused),
        read(&counts.broken),
    );
    writeln!(
        std::io::stdout(),
        "connections {connections} refused {refused} broken {broken}"
    )?;
    Ok(())
}

async fn call(socket: PathBuf, least: u64, counts: Arc<Counts>, ended: Arc<AtomicBool>) {
    while !ended.load(Ordering::Acquire) || counts.connections.load(Ordering::Relaxed) < least {
        counts.connections.fetch_add(1, Ordering::Relaxed);
        match UnixStream::connect(&socket).await {
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => complain(&counts, &socket, &error.into()),
            Ok(stream) => match tokio::time::timeout(PATIENCE, ask(stream)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => complain(&counts, &socket, &error),
                Err(error) => complain(&counts, &socket, &error.into()),
            },
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(stream: UnixStream) -> Result<()> {
    let mut stream = Some(TokioIo::new(stream));
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(service_fn(move |_: Uri| {
            let stream = stream
                .take()
                .ok_or(std::io::Error::from(ErrorKind::ConnectionReset));
            std::future::ready(stream)
        }))
        .await?;
    LifecycleServiceClient::new(channel)
        .get_status(GetStatusRequest {})
        .await?;
    Ok(())
}

fn complain(counts: &Counts, socket: &Path, error: &anyhow::Error) {
    counts.broken.fetch_add(1, Ordering::Relaxed);
    let _ = writeln!(std::io::stderr(), "{}: {error:#}", socket.display());
}
