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

/// What systemd says of it in the environment, as it stands there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Announced<'a> {
    /// `LISTEN_PID`: whom it is for.
    pub pid: Option<&'a str>,
    /// `LISTEN_FDS`: how many descriptors there are; nothing is announced without it.
    pub count: Option<&'a str>,
    /// `LISTEN_FDNAMES`: their names, with colons between them.
    pub names: Option<&'a str>,
}

/// Which descriptor is what.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The gRPC socket.
    pub local: Option<RawFd>,
    /// The TCP socket.
    pub tcp: Option<RawFd>,
    /// What was stored, with its names.
    pub stored: Vec<(RawFd, String)>,
}

/// The first descriptor that systemd passes.
const FIRST: RawFd = 3;

/// Most descriptors that are understood. Our units pass two sockets and store less than ten things.
const DESCRIPTORS_MAX: usize = 256;

/// What descriptors are called that nobody has named.
const UNNAMED: &str = "unknown";

impl Announced<'_> {
    /// Understands it, for the process with this number.
    ///
    /// # Errors
    ///
    /// [`PlatformError::Activation`] for what is not as systemd writes it, is for another process, or has nothing that is
    /// ours.
    pub fn numbers(&self, own_pid: u32) -> Result<Numbers> {
        let Some(announced) = self.count else {
            return Ok(Numbers::default());
        };
        let unusable = |what: String| PlatformError::Activation { what };
        let number = |name: &str, text: &str| {
            let parsed = text.parse::<u32>();
            parsed.map_err(|_| unusable(format!("{name}={text:?}, which is no number")))
        };
        let count = number("LISTEN_FDS", announced)?;
        let pid = self.pid.map(|pid| number("LISTEN_PID", pid)).transpose()?;
        if pid != Some(own_pid) || count == 0 {
            return Err(unusable(format!(
                "LISTEN_FDS={count}, but no socket for this process"
            )));
        }
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= DESCRIPTORS_MAX)
            .ok_or_else(|| {
                unusable(format!(
                    "{count} descriptors, at most {DESCRIPTORS_MAX} are possible"
                ))
            })?;
        let names: Vec<&str> = match self.names {
            Some(names) => names.split(':').collect(),
            None => vec![UNNAMED; count],
        };
        if names.len() != count {
            return Err(unusable(format!("{} names for {count} descriptors", names.len())));
        }
        Numbers::of((FIRST..).zip(names))
    }
}

impl Numbers {
    fn of<'a>(named: impl Iterator<Item = (RawFd, &'a str)>) -> Result<Self> {
        let unusable = |what: String| PlatformError::Activation { what };
        let (stored, sockets): (Vec<_>, Vec<_>) = named.partition(|(_, name)| name.starts_with(STORED));
        let stored = stored.into_iter().map(|(fd, name)| (fd, name.to_owned()));
        let stored = stored.collect();
        if sockets.is_empty() {
            // Then nobody holds a socket for us, and the path is ours to bind.
            return Ok(Self {
                stored,
                ..Self::default()
            });
        }
        let only = sockets.len() == 1;
        let one = |wanted: &str| {
            let is_wanted = |name: &str| name == wanted || (only && wanted == NAME && name == UNNAMED);
            let mut found = sockets.iter().filter(|(_, name)| is_wanted(name));
            match (found.next(), found.next()) {
                (found, None) => Ok(found.map(|(fd, _)| *fd)),
                _ => Err(unusable(format!("several sockets named {wanted}"))),
            }
        };
        let (local, tcp) = (one(NAME)?, one(TCP_NAME)?);
        if local.is_none() && tcp.is_none() {
            let names: Vec<_> = sockets.iter().map(|(_, name)| *name).collect();
            return Err(unusable(format!(
                "no socket named {NAME} or {TCP_NAME}, only {}",
                names.join(", ")
            )));
        }
        Ok(Self { local, tcp, stored })
    }
}

/// Takes what systemd passed and announces.
///
/// Must be called once, before anything else opens files.
///
/// # Errors
///
/// [`PlatformError::Activation`] when sockets were announced and none is ours to serve: binding the path
/// then would take it away from systemd.
pub fn from_systemd(announced: Announced<'_>) -> Result<Passed> {
    if announced.count.is_none() {
        return Ok(Passed::default());
    }
    let Numbers { local, tcp, stored } = announced.numbers(std::process::id())?;
    // Looks at each whether it is open at all, and sees to it that no child gets it.
    sd_notify::listen_fds()
        .map(drop)
        .map_err(PlatformError::io("take the sockets that systemd passed"))?;
    let stored = stored.into_iter().map(|(fd, name)| Stored {
        name,
        descriptor: own(fd),
    });
    Ok(Passed {
        stored: stored.collect(),
        listener: local.map(adopt).transpose()?,
        tcp: tcp.map(adopt_tcp).transpose()?,
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
        assert!(
            from_systemd(Announced::default())
                .is_ok_and(|passed| passed.listener.is_none() && passed.stored.is_empty())
        );
    }

    #[test]
    fn descriptors_are_told_apart_by_their_names() {
        let check = |count: &str, names: Option<&str>, expected: std::result::Result<Numbers, &str>| {
            let announced = Announced {
                pid: Some("7"),
                count: Some(count),
                names,
            };
            match (announced.numbers(7), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{count} {names:?}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{words}: {error}"),
                (found, expected) => panic!("{count} {names:?}: {found:?}, not {expected:?}"),
            }
        };
        let numbers = |local, tcp, stored: &[(RawFd, &str)]| {
            let stored = stored.iter().map(|(fd, name)| (*fd, (*name).to_owned()));
            Ok(Numbers {
                local,
                tcp,
                stored: stored.collect(),
            })
        };
        check("1", None, numbers(Some(3), None, &[]));
        check(
            "3",
            Some("grpc-tcp:stored-a:grpc"),
            numbers(Some(5), Some(3), &[(4, "stored-a")]),
        );
        check("1", Some("stored-a"), numbers(None, None, &[(3, "stored-a")]));
        check("2", Some("http:grpc"), numbers(Some(4), None, &[]));
        check("2", None, Err("only unknown, unknown"));
        check("2", Some("grpc:grpc"), Err("several sockets named grpc"));
        check("2", Some("grpc"), Err("1 names for 2 descriptors"));
        check("0", Some("grpc"), Err("no socket for this process"));
        check("-1", None, Err("LISTEN_FDS=\"-1\", which is no number"));
        check("4294967295", None, Err("4294967295 descriptors, at most 256"));
        let other = Announced {
            pid: Some("8"),
            count: Some("1"),
            names: None,
        };
        assert!(other.numbers(7).is_err());
    }
}
