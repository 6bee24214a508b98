//! Starts the service in the background when no service manager does.
//!
//! `daemonize` forks, and has known traps; each is kept out here. It must run before any thread exists
//! ([`detach`] is called by `main` before the runtime). It reports success to the parent whatever becomes
//! of the child; so the parent listens on a pipe instead and ends as the child says, or as its silence
//! says. Its pid file, user, group and privileged-action features are not used: the lock that two starts
//! race for is ours, taken before the fork and inherited.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use daemonize::{Daemonize, Outcome, Stdio};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{PlatformError, Result};

/// Which side of the fork we are on.
pub enum Side {
    /// The caller's process: the service's fate so far.
    Parent(Fate),
    /// The background process, which must report.
    Child(Report),
}

/// What became of the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The service is ready.
    Ready,
    /// It ended with this code and text.
    Failed {
        /// Exit code.
        code: u8,
        /// What it said.
        message: String,
    },
    /// It ended without a word.
    Silent,
    /// It said nothing in time.
    Late,
}

/// The child's way to tell its parent. Dropping it without a word says that the child failed silently.
#[derive(Debug)]
pub struct Report {
    pipe: std::fs::File,
}

impl Report {
    /// Says that the service is ready; the parent then ends well.
    pub fn ready(mut self) {
        // A parent that was killed does not listen; the service goes on all the same.
        let _ = self.pipe.write_all(b"R");
    }

    /// Says why the service ends; the parent prints it and ends with `code`.
    pub fn failed(mut self, code: u8, message: &str) {
        let _ = self
            .pipe
            .write_all(&[b'F', code])
            .and_then(|()| self.pipe.write_all(message.as_bytes()));
    }
}

/// Forks into the background. The child's stderr, which only a panic uses, goes to `stderr_file`; the parent
/// waits for the child's word at most for `limit`.
///
/// # Errors
///
/// What the system says; then there is no child, or it is gone.
pub fn detach(stderr_file: &Path, limit: Duration) -> Result<Side> {
    let (read, write) = std::io::pipe().map_err(PlatformError::io("make a pipe"))?;
    let (read, write) = (OwnedFd::from(read), OwnedFd::from(write));
    let stderr = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(stderr_file)
        .map_err(PlatformError::io(format!("open {}", stderr_file.display())))?;
    let daemon = Daemonize::new()
        .working_directory("/")
        .umask(0o077)
        .stdout(Stdio::devnull())
        .stderr(stderr);
    match daemon.execute() {
        Outcome::Parent(Ok(_)) => {
            drop(write);
            Ok(Side::Parent(listen(read, limit)))
        }
        Outcome::Child(Ok(_)) => {
            drop(read);
            Ok(Side::Child(Report { pipe: write.into() }))
        }
        Outcome::Parent(Err(error)) => Err(PlatformError::io("start in the background")(
            std::io::Error::other(error),
        )),
        Outcome::Child(Err(error)) => {
            // We are the child: the parent must hear it, and this process must not go on as if it were the
            // parent.
            Report { pipe: write.into() }.failed(EX_OSERR, &format!("cannot detach: {error}"));
            Err(PlatformError::io("detach")(std::io::Error::other(error)))
        }
    }
}

/// The system's error code for "the operating system would not".
const EX_OSERR: u8 = 71;

/// Waits for the child's word, or for its end.
fn listen(read: OwnedFd, limit: Duration) -> Fate {
    let mut polled = [PollFd::new(&read, PollFlags::IN)];
    let limit = Timespec::try_from(limit).ok();
    if matches!(poll(&mut polled, limit.as_ref()), Ok(0)) {
        return Fate::Late;
    }
    let mut pipe = std::fs::File::from(read);
    let mut first = [0];
    if pipe.read_exact(&mut first).is_err() {
        return Fate::Silent;
    }
    if first == *b"R" {
        return Fate::Ready;
    }
    let mut rest = Vec::new();
    // What was read before an error is still worth printing.
    let _ = pipe.read_to_end(&mut rest);
    match rest.split_first() {
        Some((code, message)) => Fate::Failed {
            code: *code,
            message: String::from_utf8_lossy(message).into_owned(),
        },
        None => Fate::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(report: impl FnOnce(Report)) -> Fate {
        let (read, write) = std::io::pipe().unwrap();
        report(Report {
            pipe: OwnedFd::from(write).into(),
        });
        listen(read.into(), Duration::from_millis(50))
    }

    #[test]
    fn the_parent_learns_the_fate_of_the_child() {
        assert_eq!(fate(Report::ready), Fate::Ready);
        assert_eq!(fate(drop), Fate::Silent);
        let mut kept = None;
        assert_eq!(fate(|report| kept = Some(report)), Fate::Late);
        assert_eq!(
            fate(|report| report.failed(78, "bad key")),
            Fate::Failed {
                code: 78,
                message: "bad key".into()
            }
        );
    }
}
