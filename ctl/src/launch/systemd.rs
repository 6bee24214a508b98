//! systemd's user manager, where it holds the service's socket.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::config::Settings;
use crate::exit_code::Exit;
use crate::failure::Failure;

const SOCKET_UNIT: &str = "snowflake-session.socket";
const SERVICE_UNIT: &str = "snowflake-session.service";

/// Most time for asking the manager a question.
const QUESTION_WAIT_MAX: Duration = Duration::from_secs(5);

/// The units of an installed service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit(());

/// Finds the units, if a user manager runs and its socket unit is for the socket of these settings.
pub(crate) async fn find_unit(settings: &Settings) -> Option<Unit> {
    // The manager's own socket tells without starting a program whether there is a manager.
    let manager = settings.runtime_directory.as_ref()?.join("systemd/private");
    if !manager.exists() {
        return None;
    }
    let question = ["show", "--property=LoadState,Listen", SOCKET_UNIT];
    let answer = systemctl(&question, Instant::now() + QUESTION_WAIT_MAX)
        .await
        .ok()?;
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    let loaded = answer.lines().any(|line| line == "LoadState=loaded");
    let socket = settings.socket.to_str()?;
    let listens = answer
        .lines()
        .filter_map(|line| line.strip_prefix("Listen="))
        .any(|listen| listen.strip_suffix(" (Stream)") == Some(socket));
    (loaded && listens).then_some(Unit(()))
}

impl Unit {
    /// Name of the socket unit.
    pub(crate) const SOCKET_NAME: &str = SOCKET_UNIT;

    /// Starts the socket; the service follows with the first call.
    pub(crate) async fn start(self, deadline: Instant) -> Result<(), Failure> {
        // A socket whose service failed too often stays failed until somebody says so.
        let _ = systemctl(&["reset-failed", SOCKET_UNIT, SERVICE_UNIT], deadline).await;
        carry_out(&["start", SOCKET_UNIT], deadline).await
    }

    /// Stops the service and the socket: a client that dials must not start it again.
    pub(crate) async fn stop(self, deadline: Instant) -> Result<(), Failure> {
        carry_out(&["stop", SOCKET_UNIT, SERVICE_UNIT], deadline).await
    }

    /// Restarts the service; the socket stays, so that no client is refused meanwhile.
    pub(crate) async fn restart(self, deadline: Instant) -> Result<(), Failure> {
        carry_out(&["start", SOCKET_UNIT], deadline).await?;
        carry_out(&["restart", SERVICE_UNIT], deadline).await
    }
}

async fn carry_out(arguments: &[&str], deadline: Instant) -> Result<(), Failure> {
    let shown = format!("systemctl --user {}", arguments.join(" "));
    let output = systemctl(arguments, deadline).await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::unreachable(format!("`{shown}` failed"))
        .caused_by(if said.is_empty() {
            output.status.to_string()
        } else {
            said
        })
        .hint(format!("see `systemctl --user status {SERVICE_UNIT}`")))
}

async fn systemctl(arguments: &[&str], deadline: Instant) -> Result<Output, Failure> {
    let mut command = tokio::process::Command::new("systemctl");
    command
        .arg("--user")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match timeout_at(deadline, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(Failure::unreachable("cannot run systemctl").caused_by(error)),
        Err(_) => Err(Failure::new(Exit::Timeout, "systemctl did not answer in time")),
    }
}
