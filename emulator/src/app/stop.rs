//! When to stop: signals, and the end of standard input.

use std::io::Read as _;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Bytes of standard input that are read and forgotten at a time.
const STDIN_BLOCK: usize = 1024;

/// Signals so close together are one request: whoever signals a process and its group, as `timeout` and
/// terminals do, sends two.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// Requests to stop.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    requested: CancellationToken,
    repeated: CancellationToken,
}

impl Stop {
    /// Begins to watch: SIGTERM and SIGINT, and standard input if asked for.
    pub(super) fn watch(stop_with_stdin: bool) -> std::io::Result<Self> {
        let stop = Self {
            requested: CancellationToken::new(),
            repeated: CancellationToken::new(),
        };
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let watcher = stop.clone();
        tokio::spawn(async move {
            let mut first: Option<Instant> = None;
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                match first {
                    None => {
                        tracing::info!("stopping");
                        first = Some(Instant::now());
                        watcher.requested.cancel();
                    }
                    Some(first) if first.elapsed() < SAME_REQUEST => {}
                    Some(_) => {
                        watcher.repeated.cancel();
                        return;
                    }
                }
            }
        });
        if stop_with_stdin {
            let requested = stop.requested.clone();
            // A thread of its own: a blocked read would keep the runtime from ending.
            std::thread::Builder::new()
                .name("stdin".to_owned())
                .spawn(move || {
                    let mut block = [0; STDIN_BLOCK];
                    let mut stdin = std::io::stdin().lock();
                    while matches!(stdin.read(&mut block), Ok(length) if length > 0) {}
                    requested.cancel();
                })?;
        }
        Ok(stop)
    }

    /// Cancelled at the first request.
    pub(super) fn requested(&self) -> CancellationToken {
        self.requested.clone()
    }

    /// Returns at the second request.
    pub(super) async fn repeated(&self) {
        self.repeated.cancelled().await;
    }
}
