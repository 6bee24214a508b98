//! launchd: the agent of a user's service, its property list, and what `launchctl` is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::systemd::{run, succeeded};
use crate::failure::Failure;

/// Name of the agent.
pub(crate) const LABEL: &str = "com.github.snowflake-session";

const TEMPLATE: &str = include_str!("../../../launchd/com.github.snowflake-session.plist");

/// Longest path of a socket on macOS, in bytes.
const SOCKET_BYTES_MAX: usize = 103;

/// Most time for launchd to do one thing. A service that drains may take most of it.
const STEP_WAIT_MAX: Duration = Duration::from_mins(1);

/// The agent of this user.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    file: PathBuf,
    uid: u32,
}

/// What the property list is filled in with.
#[derive(Clone, Debug)]
pub(crate) struct Filling<'a> {
    /// The service's program.
    pub(crate) program: &'a Path,
    /// Where clients look.
    pub(crate) socket: &'a Path,
    /// The user's home.
    pub(crate) home: &'a Path,
}

impl Agent {
    /// The agent of the user with this home, installed or not.
    pub(crate) fn of(home: &Path) -> Self {
        Self {
            file: home.join(format!("Library/LaunchAgents/{LABEL}.plist")),
            uid: rustix::process::getuid().as_raw(),
        }
    }

    /// True when there is one on this system.
    pub(crate) fn is_installed(&self) -> bool {
        cfg!(target_os = "macos") && self.file.exists()
    }

    /// Writes the property list and has the socket held from now on.
    pub(crate) async fn install(&self, filling: &Filling<'_>) -> Result<(), Failure> {
        let text = property_list(filling)?;
        // A first installation has nothing to take out.
        let _ = self.launchctl(&self.out()).await;
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&self.file, text))
            .map_err(|error| {
                Failure::usage(format!("cannot write {}", self.file.display())).caused_by(error)
            })?;
        self.start().await
    }

    /// Stops the service and removes the property list; false when there was none.
    pub(crate) async fn uninstall(&self) -> Result<bool, Failure> {
        if !self.file.exists() {
            return Ok(false);
        }
        let _ = self.launchctl(&self.out()).await;
        fs::remove_file(&self.file).map_err(|error| {
            Failure::usage(format!("cannot remove {}", self.file.display())).caused_by(error)
        })?;
        Ok(true)
    }

    /// Has the socket held; the service follows with the first call.
    pub(crate) async fn start(&self) -> Result<(), Failure> {
        if self.launchctl(&["print".to_owned(), self.target()]).await.is_ok() {
            return Ok(());
        }
        let file = self.file.display().to_string();
        self.launchctl(&["bootstrap".to_owned(), self.domain(), file])
            .await
    }

    /// Stops the service and the socket: a client that dials must not start it again.
    pub(crate) async fn stop(&self) -> Result<(), Failure> {
        self.launchctl(&self.out()).await
    }

    /// Stops the service and starts it again.
    pub(crate) async fn restart(&self) -> Result<(), Failure> {
        self.start().await?;
        self.launchctl(&["kickstart".to_owned(), "-k".to_owned(), self.target()])
            .await
    }

    fn out(&self) -> [String; 2] {
        ["bootout".to_owned(), self.target()]
    }

    fn domain(&self) -> String {
        format!("gui/{}", self.uid)
    }

    fn target(&self) -> String {
        format!("{}/{LABEL}", self.domain())
    }

    async fn launchctl(&self, arguments: &[String]) -> Result<(), Failure> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run("launchctl", &arguments, Instant::now() + STEP_WAIT_MAX).await?;
        succeeded(&format!("launchctl {}", arguments.join(" ")), &output)
    }
}

/// The property list for this user. launchd expands neither `~` nor variables.
pub(crate) fn property_list(filling: &Filling<'_>) -> Result<String, Failure> {
    let bytes = filling.socket.as_os_str().len();
    if bytes > SOCKET_BYTES_MAX {
        return Err(Failure::usage(format!(
            "the socket's path {} has {bytes} bytes, {SOCKET_BYTES_MAX} are possible",
            filling.socket.display()
        )));
    }
    let mut text = TEMPLATE.to_owned();
    for (mark, path) in [
        ("@PROGRAM@", filling.program),
        ("@SOCKET@", filling.socket),
        ("@HOME@", filling.home),
    ] {
        if !path.is_absolute() {
            return Err(Failure::usage(format!("{} is no absolute path", path.display())));
        }
        let path = path
            .to_str()
            .filter(|path| !path.chars().any(char::is_control))
            .ok_or_else(|| {
                Failure::usage(format!(
                    "the path {} cannot stand in a property list",
                    path.display()
                ))
            })?;
        let escaped = path
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        text = text.replace(mark, &escaped);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(socket: &str) -> Result<String, Failure> {
        property_list(&Filling {
            program: Path::new("/opt/a & b/snowflake-session"),
            socket: Path::new(socket),
            home: Path::new("/h/me"),
        })
    }

    #[test]
    fn the_marks_are_filled_in() {
        let text = filled("/h/me/Library/Caches/snowflake-session/grpc.sock").unwrap();
        assert!(
            text.contains("<string>/opt/a &amp; b/snowflake-session</string>"),
            "{text}"
        );
        assert!(
            text.contains("<string>/h/me/Library/Logs/snowflake-session.log</string>"),
            "{text}"
        );
        assert!(!text.contains('@'), "{text}");
        // Two hyphens may stand in a path, and not in a comment of XML.
        let (comment, _) = text.split_once("-->").unwrap();
        assert!(!comment.contains("/h/me") && !comment.contains("/opt"), "{text}");
    }

    #[test]
    fn what_launchd_would_misread_is_refused() {
        assert!(filled("relative/grpc.sock").is_err());
        assert!(filled(&format!("/{}", "x".repeat(SOCKET_BYTES_MAX))).is_err());
        assert!(filled("/a\nb/grpc.sock").is_err());
    }
}
