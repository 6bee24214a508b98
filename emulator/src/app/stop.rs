//! When to stop: signals, and the end of standard input.

use std::io::Read as _;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Bytes of standard input that are read and forgotten at a time.
const STDIN_BLOCK: usize = 1024;

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
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if watcher.requested.is_cancelled() {
                    watcher.repeated.cancel();
                    return;
                }
                tracing::info!("stopping");
                watcher.requested.cancel();
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
