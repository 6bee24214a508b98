//! Sockets that a service manager passes: systemd by number, launchd by name.
//!
//! The one place that turns a file descriptor number into an owned descriptor, which the language cannot
//! check; the checks here are what stands in for that.

use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketType, sockopt};

use super::socket::Listener;
use super::{PlatformError, Result};

/// Name under which our units pass the gRPC socket.
const NAME: &str = "grpc";

/// Takes the socket that systemd passed, if it passed one. `announced` is the value of `LISTEN_FDS`.
///
/// Must be called once, before anything else opens files.
///
/// # Errors
///
/// [`PlatformError::Activation`] when sockets were announced and none is ours to serve: binding the path
/// then would take it away from systemd.
pub fn from_systemd(announced: Option<&str>) -> Result<Option<Listener>> {
    let Some(announced) = announced else {
        return Ok(None);
    };
    let passed = sd_notify::listen_fds_with_names()
        .map_err(PlatformError::io("take the sockets that systemd passed"))?;
    let passed: Vec<(RawFd, String)> = passed.collect();
    let unusable = |what: String| PlatformError::Activation { what };
    if passed.is_empty() {
        return Err(unusable(format!(
            "LISTEN_FDS={announced}, but no socket for this process"
        )));
    }
    let only = passed.len() == 1;
    let ours: Vec<_> = passed
        .iter()
        .filter(|(_, name)| name == NAME || (only && name == "unknown"))
        .map(|(fd, _)| *fd)
        .collect();
    match ours[..] {
        [fd] => adopt(fd).map(Some),
        [] => {
            let names: Vec<_> = passed.into_iter().map(|(_, name)| name).collect();
            Err(unusable(format!(
                "no socket named {NAME}, only {}",
                names.join(", ")
            )))
        }
        _ => Err(unusable(format!("several sockets named {NAME}"))),
    }
}

/// Takes the socket that launchd passed, if we run under launchd.
#[cfg(target_os = "macos")]
pub fn from_launchd() -> Result<Option<Listener>> {
    match raunch::activate_socket(NAME) {
        Ok(passed) => match passed[..] {
            [fd] => adopt(fd).map(Some),
            _ => Err(PlatformError::Activation {
                what: format!("{} sockets named {NAME}", passed.len()),
            }),
        },
        Err(raunch::Error::NotManaged | raunch::Error::NotInPlist) => Ok(None),
        Err(error) => Err(PlatformError::Activation {
            what: format!("no socket: {error}"),
        }),
    }
}

/// launchd is macOS's.
#[cfg(not(target_os = "macos"))]
pub fn from_launchd() -> Result<Option<Listener>> {
    Ok(None)
}

/// Becomes the owner of a passed descriptor after checking what it is.
#[allow(
    unsafe_code,
    reason = "a passed descriptor is a number until somebody owns it"
)]
fn adopt(fd: RawFd) -> Result<Listener> {
    // SAFETY: the manager opened the descriptor for this process, nothing else here knows its number, and
    // this function is reached once for it.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    let unusable = |what: &str| PlatformError::Activation {
        what: format!("descriptor {fd}, which {what}"),
    };
    let is = |answer: rustix::io::Result<bool>| answer.map_err(|_| unusable("is not a socket"));
    if !is(sockopt::socket_domain(&owned).map(|family| family == AddressFamily::UNIX))? {
        return Err(unusable("is not a Unix socket"));
    }
    if !is(sockopt::socket_type(&owned).map(|kind| kind == SocketType::STREAM))? {
        return Err(unusable("is not a stream socket"));
    }
    if !is(sockopt::socket_acceptconn(&owned))? {
        return Err(unusable("does not listen"));
    }
    let socket = UnixListener::from(owned);
    socket
        .set_nonblocking(true)
        .map_err(PlatformError::io("prepare the passed socket"))?;
    let address = socket
        .local_addr()
        .map_err(PlatformError::io("ask the passed socket for its path"))?;
    let path = address.as_pathname().map(PathBuf::from).unwrap_or_default();
    Ok(Listener::passed(socket, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_units_pass_the_socket_under_our_name() {
        let unit = include_str!("../../../systemd/user/snowflake-session.socket");
        assert!(
            unit.lines()
                .any(|line| line == format!("FileDescriptorName={NAME}"))
        );
        let agent = include_str!("../../../launchd/com.github.snowflake-session.plist");
        let (_, sockets) = agent
            .split_once("<key>Sockets</key>")
            .expect("an agent with sockets");
        assert!(
            sockets
                .trim_start_matches("\n\t<dict>\n\t\t")
                .starts_with(&format!("<key>{NAME}</key>"))
        );
    }

    #[test]
    fn nothing_announced_is_nothing_passed() {
        assert!(from_systemd(None).is_ok_and(|passed| passed.is_none()));
    }
}
