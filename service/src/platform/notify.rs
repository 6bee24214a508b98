//! Tells systemd how we are. Without systemd nothing happens.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use sd_notify::NotifyState;

/// Says that we serve.
pub fn ready(status: &str) {
    let status = one_line(status);
    send(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// Says that we read the configuration again. [`ready`] ends this.
pub fn reloading() {
    // The time must come in the same message, or newer managers do not believe the next READY=1.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[
            NotifyState::Reloading,
            now,
            NotifyState::Status("reading the configuration"),
        ]),
        Err(error) => tracing::warn!(%error, "the steady clock cannot be read"),
    }
}

/// Says what we do, as long as we serve.
pub fn status(status: &str) {
    send(&[NotifyState::Status(&one_line(status))]);
}

/// Leaves something with systemd for our next run, under a name without control characters and colons. It is passed
/// after a restart and after a crash, and goes when the service is stopped.
pub fn store(name: &str, descriptor: BorrowedFd<'_>) {
    let states = [NotifyState::FdStore, NotifyState::FdName(name)];
    if let Err(error) = sd_notify::notify_with_fds(&states, &[descriptor]) {
        tracing::warn!(%error, "nothing can be left with systemd for the next start");
    }
}

/// Takes back what was stored under a name.
pub fn unstore(name: &str) {
    send(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

/// Says that we stop, and how long that may take.
pub fn stopping(status: &str, at_most: Duration) {
    let status = one_line(status);
    let microseconds = u32::try_from(at_most.as_micros()).unwrap_or(u32::MAX);
    send(&[
        NotifyState::Stopping,
        NotifyState::Status(&status),
        NotifyState::ExtendTimeoutUsec(microseconds),
    ]);
}

/// Says that we are alive.
pub fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] is to be called, when systemd watches us: at half of its patience.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|patience| patience / 2)
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        // An abstract or vsock address, for example, which the library does not speak.
        tracing::warn!(error = %error, "systemd could not be notified");
    }
}

/// A line break in a status would be taken for further assignments.
fn one_line(status: &str) -> String {
    status
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_cannot_smuggle_assignments() {
        assert_eq!(one_line("a\nMAINPID=1\r\u{0}b"), "a MAINPID=1  b");
    }
}
