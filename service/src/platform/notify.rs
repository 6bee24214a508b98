//! Tells systemd how we are. Without systemd nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that we serve.
pub fn ready(status: &str) {
    let status = one_line(status);
    send(&[NotifyState::Ready, NotifyState::Status(&status)]);
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
