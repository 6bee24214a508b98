//! The service's program: where it is, and running it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{Access, access};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::Settings;
use crate::exit_code::Exit;
use crate::failure::Failure;

/// Name of the service's program.
const PROGRAM: &str = "snowflake-session";

/// Most that is shown of what a failing program said, in bytes.
const COMPLAINT_BYTES_MAX: u64 = 16 << 10;

/// Most time for reading what an ended program said: a child of its may hold the pipe open.
const COMPLAINT_WAIT_MAX: Duration = Duration::from_millis(200);

/// Name of the local Snowflake's program.
const EMULATOR: &str = "snowflake-emulator";

/// Finds a program: beside sfctl, so that two installations do not mix, else on the search path.
fn find(name: &str, settings: &Settings) -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join(name)));
    let path = settings.search_path.as_deref().unwrap_or_default();
    let on_path = std::env::split_paths(path).map(|directory| directory.join(name));
    beside
        .into_iter()
        .chain(on_path)
        .find(|program| is_executable(program))
}

/// Finds the local Snowflake's program.
pub(crate) fn emulator_program(settings: &Settings) -> Result<PathBuf, Failure> {
    find(EMULATOR, settings).ok_or_else(|| {
        Failure::usage(format!(
            "`{EMULATOR}` is neither beside sfctl nor on the search path"
        ))
        .hint(format!("install `{EMULATOR}`"))
    })
}

/// Finds the service's program.
pub(crate) fn service_program(settings: &Settings) -> Result<PathBuf, Failure> {
    find(PROGRAM, settings).ok_or_else(|| {
        Failure::unreachable("the service does not run and cannot be started")
            .caused_by(format!(
                "`{PROGRAM}` is neither beside sfctl nor on the search path"
            ))
            .hint(format!(
                "install `{PROGRAM}`, or name a running service's socket with `--socket`"
            ))
    })
}

fn is_executable(program: &Path) -> bool {
    program.is_file() && access(program, Access::EXEC_OK).is_ok()
}

/// Becomes the service. Returns only if that fails.
pub(crate) fn run_in_foreground(settings: &Settings) -> Failure {
    match service_program(settings) {
        Ok(program) => {
            let mut command = std::process::Command::new(&program);
            let error = command.arg("run").args(socket_arguments(settings)).exec();
            Failure::usage(format!("cannot run {}", program.display())).caused_by(error)
        }
        Err(failure) => failure,
    }
}

/// Runs `snowflake-session start`, which returns when the detached service is ready.
pub(super) async fn start_detached(
    program: &Path,
    settings: &Settings,
    deadline: Instant,
) -> Result<(), Failure> {
    let mut child = tokio::process::Command::new(program)
        .arg("start")
        .args(socket_arguments(settings))
        .stdin(Stdio::null())
        // A service that kept our stdout would keep our reader waiting for its end.
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Failure::unreachable(format!("cannot run {}", program.display())).caused_by(error)
        })?;
    let stderr = child.stderr.take();
    let said = tokio::spawn(async move {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            let _ = timeout_at(deadline, stderr.take(COMPLAINT_BYTES_MAX).read_to_end(&mut said)).await;
        }
        String::from_utf8_lossy(&said).trim().to_owned()
    });
    let ended = timeout_at(deadline, child.wait()).await;
    let code = match ended {
        Ok(Ok(status)) if status.success() => return Ok(()),
        Ok(Ok(status)) => status.code(),
        Ok(Err(error)) => {
            return Err(Failure::new(Exit::Defect, "cannot wait for the service's start").caused_by(error));
        }
        Err(_) => {
            return Err(Failure::unreachable("the service is not ready in time")
                .hint("run `sfctl service run` to see what it does"));
        }
    };
    // What the user must mend in arguments or configuration stays a usage error: the service ends with
    // the codes of sysexits.h.
    let mendable = matches!(code, Some(2 | 64 | 78));
    let exit = if mendable { Exit::Usage } else { Exit::Unreachable };
    let mut failure = Failure::new(exit, "cannot start the service");
    if let Ok(Ok(said)) = timeout(COMPLAINT_WAIT_MAX, said).await
        && !said.is_empty()
    {
        failure = failure.caused_by(said.strip_prefix("error: ").unwrap_or(&said));
    }
    Err(failure.hint("run `sfctl service run` to see what it does"))
}

/// The socket, where it is not the one that the service chooses by itself.
pub(super) fn socket_arguments(settings: &Settings) -> Vec<std::ffi::OsString> {
    if settings.socket_chosen {
        vec!["--socket".into(), settings.socket.clone().into()]
    } else {
        Vec::new()
    }
}
