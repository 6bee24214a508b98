//! What a service manager passes: sockets, by systemd with numbers and by launchd with names, and what an earlier run
//! of the service has stored with systemd.
//!
//! The one place that turns a file descriptor number into an owned descriptor, which the language cannot
//! check; the checks here are what stands in for that.

use std::net::TcpListener;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketType, getsockname, sockopt};

use super::socket::Listener;
use super::{PlatformError, Result};

/// Name under which our units pass the gRPC socket.
const NAME: &str = "grpc";

/// Name under which our units pass the TCP socket.
const TCP_NAME: &str = "grpc-tcp";

/// Beginning of the names under which this service, in any version, stores what it leaves for its next run.
const STORED: &str = "stored-";

/// Something that an earlier run stored.
#[derive(Debug)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// The thing.
    pub descriptor: OwnedFd,
}

/// What systemd passed.
#[derive(Debug, Default)]
pub struct Passed {
    /// The gRPC socket.
    pub listener: Option<Listener>,
    /// The TCP socket, for clients of other machines.
    pub tcp: Option<TcpListener>,
    /// What was stored.
    pub stored: Vec<Stored>,
}

/// Takes what systemd passed. `announced` is the value of `LISTEN_FDS`.
///
/// Must be called once, before anything else opens files.
///
/// # Errors
///
/// [`PlatformError::Activation`] when sockets were announced and none is ours to serve: binding the path
/// then would take it away from systemd.
pub fn from_systemd(announced: Option<&str>) -> Result<Passed> {
    let Some(announced) = announced else {
        return Ok(Passed::default());
    };
    let unusable = |what: String| PlatformError::Activation { what };
    let failed = || PlatformError::io("take the sockets that systemd passed");
    // Counted first: for another process there are none, and then names without sockets would be an error of theirs.
    if sd_notify::listen_fds().map_err(failed())?.len() == 0 {
        return Err(unusable(format!(
            "LISTEN_FDS={announced}, but no socket for this process"
        )));
    }
    let passed = sd_notify::listen_fds_with_names().map_err(failed())?;
    let passed: Vec<(RawFd, String)> = passed.collect();
    let (stored, passed): (Vec<_>, Vec<_>) =
        passed.into_iter().partition(|(_, name)| name.starts_with(STORED));
    let stored = stored.into_iter().map(|(fd, name)| Stored {
        name,
        descriptor: own(fd),
    });
    let stored = stored.collect();
    if passed.is_empty() {
        // Then nobody holds a socket for us, and the path is ours to bind.
        return Ok(Passed {
            stored,
            ..Passed::default()
        });
    }
    let only = passed.len() == 1;
    let named = |wanted: &str| -> Vec<RawFd> {
        let is_wanted = |name: &str| name == wanted || (only && wanted == NAME && name == "unknown");
        let named = passed.iter().filter(|(_, name)| is_wanted(name));
        named.map(|(fd, _)| *fd).collect()
    };
    let one = |wanted: &str| match named(wanted)[..] {
        [] => Ok(None),
        [fd] => Ok(Some(fd)),
        _ => Err(unusable(format!("several sockets named {wanted}"))),
    };
    let (local, tcp) = (one(NAME)?, one(TCP_NAME)?);
    if local.is_none() && tcp.is_none() {
        let names: Vec<_> = passed.iter().map(|(_, name)| name.as_str()).collect();
        return Err(unusable(format!(
            "no socket named {NAME} or {TCP_NAME}, only {}",
            names.join(", ")
        )));
    }
    Ok(Passed {
        listener: local.map(adopt).transpose()?,
        tcp: tcp.map(adopt_tcp).transpose()?,
        stored,
    })
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

/// Becomes the owner of a passed descriptor.
#[allow(
    unsafe_code,
    reason = "a passed descriptor is a number until somebody owns it"
)]
fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the manager opened the descriptor for this process, nothing else here knows its number, and
    // this function is reached once for it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Becomes the owner of a passed Unix socket after checking what it is.
fn adopt(fd: RawFd) -> Result<Listener> {
    let owned = listening(fd, "a Unix socket", |family| family == AddressFamily::UNIX)?;
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

/// Becomes the owner of a passed TCP socket after checking what it is.
fn adopt_tcp(fd: RawFd) -> Result<TcpListener> {
    let is_internet = |family| family == AddressFamily::INET || family == AddressFamily::INET6;
    listening(fd, "a TCP socket", is_internet).map(TcpListener::from)
}

/// Becomes the owner of a passed socket of this kind that listens.
fn listening(fd: RawFd, kind: &str, is_kind: impl Fn(AddressFamily) -> bool) -> Result<OwnedFd> {
    let owned = own(fd);
    let unusable = |what: &str| PlatformError::Activation {
        what: format!("descriptor {fd}, which {what}"),
    };
    let is = |answer: rustix::io::Result<bool>| answer.map_err(|_| unusable("is not a socket"));
    if !is(getsockname(&owned).map(|address| is_kind(address.address_family())))? {
        return Err(unusable(&format!("is not {kind}")));
    }
    if !is(sockopt::socket_type(&owned).map(|kind| kind == SocketType::STREAM))? {
        return Err(unusable("is not a stream socket"));
    }
    if !listens(&owned).map_err(|_| unusable("is not a socket"))? {
        return Err(unusable("does not listen"));
    }
    Ok(owned)
}

#[cfg(not(target_os = "macos"))]
fn listens(socket: &OwnedFd) -> rustix::io::Result<bool> {
    sockopt::socket_acceptconn(socket)
}

/// Longest queue of connections that macOS allows unless told otherwise.
#[cfg(target_os = "macos")]
const SOMAXCONN: i32 = 128;

/// rustix cannot ask on macOS. To listen once more changes nothing but the length of the queue, and only a socket that
/// cannot listen refuses.
#[cfg(target_os = "macos")]
fn listens(socket: &OwnedFd) -> rustix::io::Result<bool> {
    Ok(rustix::net::listen(socket, SOMAXCONN).is_ok())
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
        for unit in [
            include_str!("../../../systemd/user/snowflake-session-tcp.socket"),
            include_str!("../../../systemd/system/snowflake-session-tcp.socket"),
        ] {
            assert!(
                unit.lines()
                    .any(|line| line == format!("FileDescriptorName={TCP_NAME}"))
            );
        }
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
        assert!(from_systemd(None).is_ok_and(|passed| passed.listener.is_none() && passed.stored.is_empty()));
    }
}
