//! systemd, where it holds the service's socket: the user's own manager, or the system's for sockets in
//! `/run/snowflake-session`.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::config::Settings;
use crate::exit_code::Exit;
use crate::failure::Failure;

/// Name of the units, before what tells socket and service apart.
pub(super) const NAME: &str = "snowflake-session";

/// Folder of the sockets that the system's manager holds.
const SYSTEM_SOCKETS: &str = "/run/snowflake-session";

/// Most time for asking the manager a question.
const QUESTION_WAIT_MAX: Duration = Duration::from_secs(5);

/// Which manager has the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    User,
    System,
}

impl Scope {
    /// What is typed to tell this manager something.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::User => "systemctl --user",
            Self::System => "systemctl",
        }
    }
}

/// The units of an installed service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) scope: Scope,
    /// Name of the socket unit.
    pub(crate) socket: String,
    /// Name of the service unit.
    pub(crate) service: String,
    /// Why the manager has given the socket up, if it has.
    failed: Option<String>,
}

/// Finds the units, if there is a manager and its socket unit is for the socket of these settings.
pub(crate) async fn find_unit(settings: &Settings) -> Option<Unit> {
    let (scope, name) = if let Ok(inner) = settings.socket.strip_prefix(SYSTEM_SOCKETS) {
        (Scope::System, system_name(inner)?)
    } else if has_user_manager(settings) {
        (Scope::User, NAME.to_owned())
    } else {
        return None;
    };
    let socket = format!("{name}.socket");
    let answer = show(scope, &socket, "LoadState,Listen,ActiveState,Result").await?;
    let listens = property(&answer, "Listen").any(|listen| {
        listen
            .strip_suffix(" (Stream)")
            .is_some_and(|path| Path::new(path) == settings.socket)
    });
    if !listens || property(&answer, "LoadState").next() != Some("loaded") {
        return None;
    }
    let failed = property(&answer, "ActiveState")
        .next()
        .filter(|state| *state == "failed")
        .map(|_| property(&answer, "Result").next().unwrap_or("failed").to_owned());
    Some(Unit {
        scope,
        socket,
        service: format!("{name}.service"),
        failed,
    })
}

/// True when the user has a manager. Its own socket tells without starting a program.
pub(crate) fn has_user_manager(settings: &Settings) -> bool {
    settings
        .runtime_directory
        .as_ref()
        .is_some_and(|folder| folder.join("systemd/private").exists())
}

/// The units of a socket below the folder of the system's: `grpc.sock` is the shared one, `USER/grpc.sock` is a user's.
fn system_name(inner: &Path) -> Option<String> {
    let parts: Vec<&str> = inner.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
    match parts[..] {
        ["grpc.sock"] => Some(NAME.to_owned()),
        [user, "grpc.sock"] => Some(format!("{NAME}@{user}")),
        _ => None,
    }
}

impl Unit {
    /// Who runs the service, for people.
    pub(crate) fn manager(&self) -> &'static str {
        match self.scope {
            Scope::User => "systemd, your user manager",
            Scope::System => "systemd, the system's manager",
        }
    }

    /// Starts the socket because a command needs it; the service follows with the first call. A socket that the
    /// manager has given up stays so: whatever made the service fail is to be looked at first.
    pub(crate) async fn start_for_command(&self, deadline: Instant) -> Result<(), Failure> {
        match &self.failed {
            Some(result) => Err(self.given_up(result)),
            None => self.carry_out(&["start", &self.socket], deadline).await,
        }
    }

    /// Starts the socket because somebody asked for it, given up or not.
    pub(crate) async fn start(&self, deadline: Instant) -> Result<(), Failure> {
        let _ = self
            .systemctl(&["reset-failed", &self.socket, &self.service], deadline)
            .await;
        self.carry_out(&["start", &self.socket], deadline).await
    }

    /// Stops the service and the socket: a client that dials must not start it again.
    pub(crate) async fn stop(&self, deadline: Instant) -> Result<(), Failure> {
        self.carry_out(&["stop", &self.socket, &self.service], deadline)
            .await
    }

    /// Restarts the service; the socket stays, so that no client is refused meanwhile.
    pub(crate) async fn restart(&self, deadline: Instant) -> Result<(), Failure> {
        self.carry_out(&["start", &self.socket], deadline).await?;
        self.carry_out(&["restart", &self.service], deadline).await
    }

    /// Arguments of `journalctl` for the service's records.
    pub(crate) fn journal_arguments(&self) -> Vec<String> {
        match self.scope {
            Scope::User => vec!["--user".into(), format!("--unit={}", self.service)],
            // The system's units log to a journal of their own.
            Scope::System => vec!["--namespace=snowflake".into(), format!("--unit={}", self.service)],
        }
    }

    /// Why this user sees no record of the service, if that is so; a service has logged that it serves at least. Only the
    /// system's journal is not for everybody.
    pub(crate) async fn unseen_journal(&self) -> Option<String> {
        if self.scope == Scope::User {
            return None;
        }
        let mut arguments = self.journal_arguments();
        arguments.extend(["--quiet", "--no-pager", "--output=cat", "--lines=1"].map(str::to_owned));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let records = run("journalctl", &arguments, Instant::now() + QUESTION_WAIT_MAX).await;
        let is_empty = records.is_ok_and(|output| output.stdout.is_empty());
        is_empty.then(|| {
            format!(
                "no record of {} is there that you may read; the groups systemd-journal and adm may read all",
                self.service
            )
        })
    }

    /// Why the service behind the socket may be silent: how its last run ended, if badly, or that it is given up.
    pub(crate) async fn trouble(&self) -> Option<Failure> {
        if let Some(result) = &self.failed {
            return Some(self.given_up(result));
        }
        let answer = show(self.scope, &self.service, "Result,ExecMainStatus,NRestarts").await?;
        let result = property(&answer, "Result")
            .next()
            .filter(|result| *result != "success")?;
        let status = property(&answer, "ExecMainStatus").next().unwrap_or_default();
        Some(
            Failure::unreachable(format!("{} does not come up", self.service))
                .caused_by(format!("its last run ended with {result} (status {status})"))
                .hint(format!("see `{} status {}`", self.command(), self.service)),
        )
    }

    fn given_up(&self, result: &str) -> Failure {
        let command = self.command();
        Failure::unreachable(format!("{} has failed", self.socket))
            .caused_by(format!("{result}: the service failed too often in a row"))
            .hint(format!(
                "see why with `{command} status {service}`, then `{command} reset-failed {socket} {service}` and `{command} start {socket}`",
                service = self.service,
                socket = self.socket,
            ))
    }

    fn command(&self) -> &'static str {
        self.scope.command()
    }

    async fn carry_out(&self, arguments: &[&str], deadline: Instant) -> Result<(), Failure> {
        let output = self.systemctl(arguments, deadline).await?;
        succeeded(&format!("{} {}", self.command(), arguments.join(" ")), &output).map_err(|failure| {
            let see = format!("see `{} status {}`", self.command(), self.service);
            let is_root = rustix::process::geteuid().is_root();
            failure.hint(match self.scope {
                Scope::System if !is_root => format!("root alone may do that to the system's units; {see}"),
                Scope::System | Scope::User => see,
            })
        })
    }

    async fn systemctl(&self, arguments: &[&str], deadline: Instant) -> Result<Output, Failure> {
        systemctl(self.scope, arguments, deadline).await
    }
}

/// Makes a failure of a command that failed.
pub(super) fn succeeded(command: &str, output: &Output) -> Result<(), Failure> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(
        Failure::unreachable(format!("`{command}` failed")).caused_by(if said.is_empty() {
            output.status.to_string()
        } else {
            said
        }),
    )
}

/// Asks for properties of a unit; `None` when the manager does not answer.
pub(crate) async fn show(scope: Scope, unit: &str, properties: &str) -> Option<String> {
    let properties = format!("--property={properties}");
    let answer = systemctl(
        scope,
        &["show", &properties, unit],
        Instant::now() + QUESTION_WAIT_MAX,
    )
    .await;
    Some(String::from_utf8_lossy(&answer.ok()?.stdout).into_owned())
}

/// Values of a property in an answer.
pub(crate) fn property<'a>(answer: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    answer
        .lines()
        .filter_map(move |line| line.strip_prefix(name)?.strip_prefix('='))
}

/// Runs `systemctl`.
pub(super) async fn systemctl(
    scope: Scope,
    arguments: &[&str],
    deadline: Instant,
) -> Result<Output, Failure> {
    let user: &[&str] = match scope {
        Scope::User => &["--user"],
        Scope::System => &[],
    };
    run("systemctl", &[user, arguments].concat(), deadline).await
}

/// Runs a program of the manager's to its end.
pub(crate) async fn run(program: &str, arguments: &[&str], deadline: Instant) -> Result<Output, Failure> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    match timeout_at(deadline, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(Failure::unreachable(format!("cannot run {program}")).caused_by(error)),
        Err(_) => Err(Failure::new(
            Exit::Timeout,
            format!("{program} did not answer in time"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_the_system_belong_to_units() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(system_name(Path::new(path)).as_deref(), expected, "{path}");
        };
        check("grpc.sock", Some("snowflake-session"));
        check("ann/grpc.sock", Some("snowflake-session@ann"));
        check("ann/other.sock", None);
        check("a/b/grpc.sock", None);
    }

    #[test]
    fn properties_are_read_by_their_whole_names() {
        let answer = "LoadState=loaded\nListen=/a (Stream)\nListen=/b (Stream)\n";
        assert_eq!(property(answer, "Load").next(), None);
        let listens: Vec<_> = property(answer, "Listen").collect();
        assert_eq!(listens, ["/a (Stream)", "/b (Stream)"]);
    }

    #[test]
    fn a_socket_that_was_given_up_names_the_way_out() {
        let unit = Unit {
            scope: Scope::User,
            socket: "snowflake-session.socket".into(),
            service: "snowflake-session.service".into(),
            failed: Some("trigger-limit-hit".into()),
        };
        let failure = unit.given_up("trigger-limit-hit");
        assert_eq!(failure.exit, Exit::Unreachable);
        let hint = failure.hint.unwrap_or_default();
        assert!(
            hint.contains(
                "`systemctl --user reset-failed snowflake-session.socket snowflake-session.service`"
            )
        );
    }
}
