//! Signals: the first wish to stop drains, the second ends us at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{PlatformError, Result};

/// Exit code of a service that was stopped twice.
const INTERRUPTED: i32 = 130;

/// Arranges that a second SIGTERM or SIGINT ends the process whatever it does. To be called before the
/// runtime and before READY=1, so that no signal falls into a gap.
pub fn arm() -> Result<()> {
    let stopped_once = Arc::new(AtomicBool::new(false));
    for number in [SIGTERM, SIGINT] {
        // The order matters: the exit looks at the flag before this signal raises it.
        signal_hook::flag::register_conditional_shutdown(number, INTERRUPTED, Arc::clone(&stopped_once))
            .and_then(|_| signal_hook::flag::register(number, Arc::clone(&stopped_once)))
            .map_err(PlatformError::io("register for signals"))?;
    }
    Ok(())
}

/// Signals as the service hears them. To be made inside the runtime, before READY=1.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Stop: SIGTERM or SIGINT.
    Stop,
    /// Read the configuration again: SIGHUP.
    Reload,
}

impl Signals {
    /// Begins to listen.
    pub fn listen() -> Result<Self> {
        let hear = |number: i32| {
            signal(SignalKind::from_raw(number)).map_err(PlatformError::io("listen to signals"))
        };
        Ok(Self {
            terminate: hear(SIGTERM)?,
            interrupt: hear(SIGINT)?,
            hangup: hear(SIGHUP)?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}
