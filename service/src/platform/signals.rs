//! Signals: the first wish to stop drains, the second ends us at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{PlatformError, Result};

/// Exit code of a service that was stopped twice.
const INTERRUPTED: i32 = 130;

/// What happened between arming and listening.
#[derive(Debug, Default)]
pub struct Armed {
    stopped_once: Arc<AtomicBool>,
}

/// Arranges that no signal falls into the gap before [`Signals::listen`]: a first SIGTERM or SIGINT is
/// remembered, a second one ends the process whatever it does, and SIGHUP no longer kills. To be called
/// before the runtime and before anybody can know us.
pub fn arm() -> Result<Armed> {
    let armed = Armed::default();
    for number in [SIGTERM, SIGINT] {
        // The order matters: the exit looks at the flag before this signal raises it.
        let flag = &armed.stopped_once;
        signal_hook::flag::register_conditional_shutdown(number, INTERRUPTED, Arc::clone(flag))
            .and_then(|_| signal_hook::flag::register(number, Arc::clone(flag)))
            .map_err(PlatformError::io("register for signals"))?;
    }
    // The configuration has just been read, so nobody needs to look at this flag.
    signal_hook::flag::register(SIGHUP, Arc::default()).map_err(PlatformError::io("register for signals"))?;
    Ok(armed)
}

/// Signals as the service hears them. To be made inside the runtime, before READY=1.
pub struct Signals {
    armed: Armed,
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
    /// Begins to listen; a wish to stop that came since arming is heard first.
    pub fn listen(armed: Armed) -> Result<Self> {
        let hear = |number: i32| {
            signal(SignalKind::from_raw(number)).map_err(PlatformError::io("listen to signals"))
        };
        Ok(Self {
            armed,
            terminate: hear(SIGTERM)?,
            interrupt: hear(SIGINT)?,
            hangup: hear(SIGHUP)?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Wish {
        if self.armed.stopped_once.load(Ordering::Acquire) {
            return Wish::Stop;
        }
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}
