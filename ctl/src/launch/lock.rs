//! The lock under which a service is started.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use tokio::time::Instant;

use super::POLL_INTERVAL;
use crate::exit_code::Exit;
use crate::failure::Failure;

/// Name of the lock file, beside the socket.
const LOCK_NAME: &str = "sfctl-start.lock";

/// Held until it is dropped, or the process ends.
pub(super) struct StartLock {
    _file: File,
}

/// Takes the lock, waiting for another holder until the deadline. Makes the socket's folder, 0700, if needed.
pub(super) async fn acquire(socket: &Path, deadline: Instant) -> Result<StartLock, Failure> {
    let directory = socket
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let failed = |error: io::Error| {
        Failure::usage(format!("cannot use the socket's folder {}", directory.display())).caused_by(error)
    };
    ensure_directory(directory).map_err(failed)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(directory.join(LOCK_NAME))
        .map_err(failed)?;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(StartLock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Failure::new(Exit::Unreachable, "the service is not ready")
                    .caused_by("another command has been starting it for too long")
                    .hint("run `sfctl service run` to see what it does"));
            }
            Err(error) => return Err(failed(error.into())),
        }
    }
}

fn ensure_directory(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).recursive(true).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    // In a shared folder such as /tmp somebody else may have been first.
    let metadata = std::fs::metadata(directory)?;
    if metadata.uid() == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it belongs to user {}", metadata.uid()),
        ))
    }
}
