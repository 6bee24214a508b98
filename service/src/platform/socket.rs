//! How we come to a listening socket: our own at a path, safely.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::lock::FileLock;
use super::socket_path::check_length;
use super::{PlatformError, Result};

/// A listening socket and what it takes to leave no trace of it.
#[derive(Debug)]
pub struct Listener {
    /// The socket itself, non-blocking.
    pub socket: UnixListener,
    /// Where clients find it.
    pub path: PathBuf,
    /// Present when we made the socket file; then we remove it.
    own: Option<OwnFile>,
}

#[derive(Debug)]
struct OwnFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    _lock: FileLock,
}

impl Listener {
    /// A socket that somebody else made and keeps.
    pub(super) fn passed(socket: UnixListener, path: PathBuf) -> Self {
        Self {
            socket,
            path,
            own: None,
        }
    }

    /// True when a service manager holds the socket.
    pub fn is_passed(&self) -> bool {
        self.own.is_none()
    }
}

impl Listener {
    /// Lets nobody find a socket of ours any more, nor reach it who has found it; says whether it is ours. Who has connected
    /// by then waits in its queue.
    ///
    /// Both steps are needed: who has looked the file up before it went connects a moment after. On Linux the second
    /// one sees to it that he is told so; elsewhere that moment remains.
    pub(super) fn close(&mut self) -> bool {
        let Some(own) = &self.own else {
            return false;
        };
        own.remove();
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Read);
        true
    }

    /// Listens again after [`close`](Self::close), at the same path, whose lock was kept.
    pub(super) fn reopen(&mut self) -> Result<()> {
        let Some(own) = &mut self.own else {
            return Ok(());
        };
        let (socket, device, inode) = listen(&self.path)?;
        self.socket = socket;
        (own.device, own.inode) = (device, inode);
        Ok(())
    }
}

impl OwnFile {
    /// Removes the very file that we made: somebody may have replaced it.
    fn remove(&self) {
        let is_ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if is_ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Makes a socket at `path` and listens: private folder, lock file, no living service at the path, mode 0600.
///
/// # Errors
///
/// [`PlatformError::InUse`] when another service holds the path, [`PlatformError::PathTaken`] when something
/// else is there, [`PlatformError::NotPrivate`] when others could reach the folder.
pub fn bind(path: &Path) -> Result<Listener> {
    check_length(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    private_folder(folder)?;
    let lock = FileLock::acquire(
        &path.with_extension("lock"),
        &format!("socket {}", path.display()),
    )?;
    let (socket, device, inode) = listen(path)?;
    let own = OwnFile {
        path: path.to_owned(),
        device,
        inode,
        _lock: lock,
    };
    Ok(Listener {
        socket,
        path: path.to_owned(),
        own: Some(own),
    })
}

/// A new socket at a path whose lock we have, in a folder that is private, with the device and inode of its file.
fn listen(path: &Path) -> Result<(UnixListener, u64, u64)> {
    remove_stale(path)?;
    let socket =
        UnixListener::bind(path).map_err(PlatformError::io(format!("listen on {}", path.display())))?;
    // The private folder kept others out until here.
    let restricted = std::fs::set_permissions(path, Permissions::from_mode(0o600))
        .and_then(|()| socket.set_nonblocking(true))
        .and_then(|()| std::fs::symlink_metadata(path));
    let made = restricted.map_err(PlatformError::io(format!("restrict {}", path.display())))?;
    Ok((socket, made.dev(), made.ino()))
}

/// Makes a folder that only we can reach, or checks that an existing one is such.
pub fn private_folder(folder: &Path) -> Result<()> {
    owned_folder(folder, 0o077)
}

/// Makes a folder that only we can reach, or checks that an existing one is ours and nobody else can write to it. For
/// one that others made for us: what is private is in folders and files of its own.
pub fn own_folder(folder: &Path) -> Result<()> {
    owned_folder(folder, 0o022)
}

/// Makes a private folder, or checks that an existing one is ours and lets nobody else do what is `forbidden`.
fn owned_folder(folder: &Path, forbidden: u32) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(PlatformError::io(format!("make folder {}", folder.display())))?;
    let found = std::fs::symlink_metadata(folder)
        .map_err(PlatformError::io(format!("look at folder {}", folder.display())))?;
    let uid = rustix::process::geteuid().as_raw();
    let why = if !found.is_dir() {
        "it is not a folder itself".to_owned()
    } else if found.uid() != uid {
        format!("it belongs to user {}, we are user {uid}", found.uid())
    } else if found.mode() & forbidden != 0 {
        format!(
            "its mode is {:04o}; run `chmod 700 {}`",
            found.mode() & 0o7777,
            folder.display()
        )
    } else {
        return Ok(());
    };
    Err(PlatformError::NotPrivate {
        path: folder.to_owned(),
        why,
    })
}

/// Removes a socket that a dead service left, and nothing else.
fn remove_stale(path: &Path) -> Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PlatformError::io(format!("look at {}", path.display()))(error)),
    };
    let taken = |why: String| {
        Err(PlatformError::PathTaken {
            path: path.to_owned(),
            why,
        })
    };
    if !found.file_type().is_socket() {
        return taken("is not a socket".to_owned());
    }
    match UnixStream::connect(path) {
        Ok(_) => taken("somebody answers there".to_owned()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(
            PlatformError::io(format!("remove the stale socket {}", path.display())),
        ),
        Err(error) => taken(format!("cannot be connected to: {error}")),
    }
}

/// True when somebody accepts connections at `path`.
pub fn answers(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// User of the peer of a connection.
pub(super) fn peer_uid(stream: &tokio::net::UnixStream) -> io::Result<u32> {
    stream.peer_cred().map(|credentials| credentials.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        folder
    }

    #[test]
    fn a_socket_is_private_and_goes_with_us() {
        let folder = private();
        let path = folder.path().join("deep/er/grpc.sock");
        let listener = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777,
            0o700
        );
        assert!(answers(&path) && !listener.is_passed());
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let folder = private();
        let path = folder.path().join("grpc.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dead service leaves its socket");
        let first = bind(&path).unwrap();
        let error = bind(&path).unwrap_err();
        assert!(
            matches!(error, PlatformError::InUse { pid: Some(_), .. }),
            "{error}"
        );
        drop(first);

        let foreign = UnixListener::bind(&path).unwrap();
        let error = bind(&path).unwrap_err();
        assert!(matches!(error, PlatformError::PathTaken { .. }), "{error}");
        assert!(path.exists());
        drop(foreign);
    }

    #[test]
    fn a_file_that_is_no_socket_is_not_touched() {
        let folder = private();
        let path = folder.path().join("grpc.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(
            bind(&path).unwrap_err(),
            PlatformError::PathTaken { .. }
        ));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_replaced_socket_is_left_alone() {
        let folder = private();
        let path = folder.path().join("grpc.sock");
        let listener = bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _replacement = UnixListener::bind(&path).unwrap();
        drop(listener);
        assert!(path.exists());
    }

    #[test]
    fn an_open_folder_is_refused() {
        let folder = private();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let error = bind(&folder.path().join("grpc.sock")).unwrap_err();
        assert!(matches!(error, PlatformError::NotPrivate { .. }), "{error}");
        let link = folder.path().join("link");
        let target = folder.path().join("target");
        private_folder(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(
            private_folder(&link).unwrap_err(),
            PlatformError::NotPrivate { .. }
        ));
    }
}
