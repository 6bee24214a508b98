//! Installs the units of a user's service, and takes them away again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::systemd::{NAME, Scope, property, run, show, succeeded, systemctl};
use crate::exit_code::Exit;
use crate::failure::Failure;

const SOCKET: &str = include_str!("../../../systemd/user/snowflake-session.socket");
const SERVICE: &str = include_str!("../../../systemd/user/snowflake-session.service");
const STRICT: &str = include_str!("../../../systemd/user/strict.conf");

/// The line of the service unit that names its program.
const EXEC_START: &str = "ExecStart=snowflake-session run";

/// Most time for the manager to do one thing of an installation.
const STEP_WAIT_MAX: Duration = Duration::from_mins(1);

/// Exit codes with which systemd says that it cannot set a sandbox up: namespaces, capabilities, mounts.
pub(crate) const NO_SANDBOX: [i32; 3] = [217, 218, 226];

/// Which sandbox the service got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sandbox {
    /// All of it.
    Strict,
    /// What works everywhere, with the reason.
    Portable(String),
}

/// Writes the units, where no package has installed them, tries the strict sandbox, enables and starts the socket.
/// `configuration` is the user's configuration folder.
pub(crate) async fn install(configuration: &Path, program: &Path) -> Result<Sandbox, Failure> {
    let folder = unit_folder(configuration);
    let socket = format!("{NAME}.socket");
    if !is_packaged(&folder, program).await {
        write(&folder.join(&socket), SOCKET)?;
        write(&folder.join(format!("{NAME}.service")), &service_for(program)?)?;
    }
    let sandbox = try_strict(program).await?;
    let drop_in = drop_in(&folder);
    match &sandbox {
        Sandbox::Strict => write(&drop_in, STRICT)?,
        Sandbox::Portable(_) => drop(remove(&drop_in)?),
    }
    manager(&["daemon-reload"]).await?;
    let _ = manager(&["reset-failed", &socket, &format!("{NAME}.service")]).await;
    manager(&["enable", "--now", &socket]).await?;
    // A service that runs already is to run in its new clothes.
    manager(&["try-restart", &format!("{NAME}.service")]).await?;
    Ok(sandbox)
}

/// Stops and disables the units and removes what an installation wrote; false when there was nothing of it.
pub(crate) async fn uninstall(configuration: &Path) -> Result<bool, Failure> {
    let folder = unit_folder(configuration);
    let (socket, service) = (format!("{NAME}.socket"), format!("{NAME}.service"));
    let answer = show(Scope::User, &socket, "LoadState").await.unwrap_or_default();
    let was_known = property(&answer, "LoadState").next() == Some("loaded");
    if was_known {
        manager(&["disable", "--now", &socket]).await?;
        manager(&["stop", &service]).await?;
    }
    let mut removed = was_known;
    for file in [drop_in(&folder), folder.join(&service), folder.join(&socket)] {
        removed |= remove(&file)?;
    }
    // Empty now, unless the user has put something beside it.
    let _ = fs::remove_dir(folder.join(format!("{service}.d")));
    manager(&["daemon-reload"]).await?;
    let _ = manager(&["reset-failed", &socket, &service]).await;
    Ok(removed)
}

/// Whether units from outside the user's folder run this very program.
async fn is_packaged(folder: &Path, program: &Path) -> bool {
    let Some(answer) = show(Scope::User, &format!("{NAME}.service"), "FragmentPath,ExecStart").await else {
        return false;
    };
    let fragment = property(&answer, "FragmentPath").next().unwrap_or_default();
    !fragment.is_empty()
        && !Path::new(fragment).starts_with(folder)
        && property(&answer, "ExecStart").any(|start| started_program(start).as_deref() == Some(program))
}

/// Folders in which systemd looks for a program that a unit names without its path, in order.
const SEARCHED: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

/// The program in what systemd shows of `ExecStart=`: `{ path=/usr/bin/true ; argv[]=… }`.
pub(crate) fn started_program(start: &str) -> Option<PathBuf> {
    let (_, rest) = start.split_once("path=")?;
    let path = Path::new(rest.split_once(" ;")?.0);
    if path.is_absolute() {
        return Some(path.to_owned());
    }
    let found = SEARCHED.iter().map(|folder| Path::new(folder).join(path));
    found.into_iter().find(|path| path.exists())
}

/// Starts the program once with the strict sandbox around it.
async fn try_strict(program: &Path) -> Result<Sandbox, Failure> {
    let properties = STRICT
        .lines()
        .chain(SERVICE.lines())
        .filter(|line| is_sandbox(line));
    let properties: Vec<String> = properties.map(|line| format!("--property={line}")).collect();
    let program = program.display().to_string();
    let mut arguments = vec!["--user", "--wait", "--collect", "--quiet", "--pipe"];
    arguments.extend(properties.iter().map(String::as_str));
    arguments.extend([program.as_str(), "--version"]);
    let output = run("systemd-run", &arguments, Instant::now() + STEP_WAIT_MAX).await?;
    Ok(match output.status.code() {
        Some(0) => Sandbox::Strict,
        Some(code) if NO_SANDBOX.contains(&code) => Sandbox::Portable(format!(
            "this host does not let users make the namespaces for the rest (exit code {code})"
        )),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Sandbox::Portable(format!("the rest could not be tried: {} {said}", output.status))
        }
    })
}

/// Lines that shape the sandbox and mean something for a program that only tells its version.
fn is_sandbox(line: &str) -> bool {
    let name = line.split_once('=').map_or("", |(name, _)| name);
    name.starts_with("Protect")
        || name.starts_with("Private")
        || name.starts_with("Restrict") && name != "RestartPreventExitStatus"
        || name.starts_with("SystemCall")
        || matches!(
            name,
            "CapabilityBoundingSet"
                | "AmbientCapabilities"
                | "NoNewPrivileges"
                | "LockPersonality"
                | "MemoryDenyWriteExecute"
                | "ProcSubset"
                | "RemoveIPC"
                | "KeyringMode"
        )
}

/// The service unit with the program's whole path: a manager does not look where the user's shell does.
fn service_for(program: &Path) -> Result<String, Failure> {
    let path = program
        .to_str()
        .filter(|path| !path.chars().any(char::is_control))
        .ok_or_else(|| {
            Failure::usage(format!(
                "the program's path {} cannot stand in a unit",
                program.display()
            ))
        })?;
    let escaped = path
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    Ok(SERVICE.replace(EXEC_START, &format!("ExecStart=\"{escaped}\" run")))
}

fn unit_folder(configuration: &Path) -> PathBuf {
    configuration.join("systemd/user")
}

fn drop_in(folder: &Path) -> PathBuf {
    folder.join(format!("{NAME}.service.d/strict.conf"))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| Failure::usage(format!("cannot write {}", path.display())).caused_by(error))
}

/// Removes a file; false when there is none.
fn remove(path: &Path) -> Result<bool, Failure> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::usage(format!("cannot remove {}", path.display())).caused_by(error)),
    }
}

async fn manager(arguments: &[&str]) -> Result<(), Failure> {
    let output = systemctl(Scope::User, arguments, Instant::now() + STEP_WAIT_MAX).await?;
    succeeded(&format!("systemctl --user {}", arguments.join(" ")), &output).map_err(|failure| Failure {
        exit: Exit::Unreachable,
        ..failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_gets_the_whole_path_of_the_program() {
        let unit = service_for(Path::new("/opt/100% \"new\"/snowflake-session")).unwrap();
        assert!(
            unit.contains("\nExecStart=\"/opt/100%% \\\"new\\\"/snowflake-session\" run\n"),
            "{unit}"
        );
        assert!(!unit.contains(EXEC_START));
        assert!(service_for(Path::new("/a\nExecStartPre=/bin/x")).is_err());
    }

    #[test]
    fn the_program_of_a_unit_is_found() {
        let shown = |path: &str| format!("{{ path={path} ; argv[]={path} run ; ignore_errors=no }}");
        assert_eq!(started_program(&shown("/opt/a b/x")), Some("/opt/a b/x".into()));
        assert_eq!(started_program(&shown("no-such-program-anywhere")), None);
        assert_eq!(started_program(""), None);
    }

    #[test]
    fn the_trial_has_the_sandbox_and_nothing_else() {
        let lines: Vec<&str> = STRICT
            .lines()
            .chain(SERVICE.lines())
            .filter(|line| is_sandbox(line))
            .collect();
        for wanted in [
            "PrivateUsers=yes",
            "ProtectSystem=strict",
            "SystemCallFilter=@system-service",
            "CapabilityBoundingSet=",
        ] {
            assert!(lines.contains(&wanted), "{wanted}");
        }
        for line in lines {
            assert!(
                !line.starts_with("Restart") && !line.starts_with('#') && !line.contains("Path"),
                "{line}"
            );
        }
    }
}
