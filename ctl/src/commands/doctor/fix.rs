//! Repairs that cannot do any harm.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::check::{Check, Fix};
use crate::launch::run_program;

/// Most time for the manager to read its units.
const UNITS_WAIT_MAX: Duration = Duration::from_secs(30);

/// Repairs what can be repaired, and tells what was done and what could not be.
pub(super) async fn repair(checks: &[Check]) -> Vec<String> {
    let mut told = Vec::new();
    for fix in checks.iter().flat_map(|check| &check.fixes) {
        let (what, done) = match fix {
            Fix::Mode { path, mode } => (
                format!("mode {mode:o} for {}", path.display()),
                set_mode(path, *mode),
            ),
            Fix::StaleSocket(path) => (format!("removed {}", path.display()), remove_stale(path)),
            Fix::ReadUnits => ("systemctl --user daemon-reload".to_owned(), read_units().await),
        };
        told.push(match done {
            Ok(()) => what,
            Err(error) => format!("{what}: this could not be done: {error}"),
        });
    }
    told
}

/// Takes rights away; never more of them than the mode leaves, and never those of somebody else's file.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let is_link = found.file_type().is_symlink();
    if is_link || found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    fs::set_permissions(
        path,
        fs::Permissions::from_mode(found.permissions().mode() & mode),
    )
}

/// Removes a socket unless somebody listens on it by now.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path)?.file_type().is_socket();
    let is_refused =
        UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if is_socket && is_refused {
        fs::remove_file(path)
    } else {
        Err(io::Error::from(io::ErrorKind::AddrInUse))
    }
}

async fn read_units() -> io::Result<()> {
    let deadline = Instant::now() + UNITS_WAIT_MAX;
    match run_program("systemctl", &["--user", "daemon-reload"], deadline).await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
        Err(failure) => Err(io::Error::other(super::scene::told(failure))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn rights_are_only_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("f"), folder.path().join("l"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for (before, after) in [(0o644, 0o600), (0o444, 0o400)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(before)).unwrap();
            set_mode(&file, 0o600).unwrap();
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, after);
        }
        assert!(set_mode(&link, 0o600).is_err());
    }

    #[test]
    fn a_socket_that_is_served_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(remove_stale(&path).is_err());
        drop(listener);
        remove_stale(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "not a socket").unwrap();
        assert!(remove_stale(&path).is_err());
    }
}
