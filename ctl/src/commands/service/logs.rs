//! `service logs`: what the service has logged, from the journal or from its files.

mod record;

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Run;
use crate::arguments::LogsArguments;
use crate::client::dial::dial;
use crate::commands::log_files::{FILE, Log};
use crate::failure::Failure;
use crate::launch::{Manager, configuration};
use crate::render::write_stdout;

/// Pause between two looks at a file that is followed.
const FOLLOW_PAUSE: Duration = Duration::from_millis(200);

/// Prints the log, of one session if it is named.
pub(super) async fn logs(arguments: LogsArguments, run: &Run) -> Result<(), Failure> {
    let session = Some(run.settings.session.as_str()).filter(|session| !session.is_empty());
    let manager = Manager::find(&run.settings).await;
    if let Manager::Systemd(unit) = manager {
        let mut command = std::process::Command::new("journalctl");
        command
            .args(unit.journal_arguments())
            .arg(format!("--lines={}", arguments.lines));
        command.args(["--quiet", "--no-pager"]);
        if arguments.follow {
            command.arg("--follow");
        }
        if let Some(session) = session {
            command.arg(format!("SNOWFLAKE_SESSION={session}"));
        }
        run.ui.detail("reading the journal of systemd");
        if let Some(why) = unit.unseen_journal().await {
            return Err(Failure::unreachable("the log cannot be read").caused_by(why));
        }
        return Err(Failure::usage("cannot run journalctl").caused_by(command.exec()));
    }
    let path = log_file(&manager, run).await?;
    run.ui.detail(&format!("reading {}", path.display()));
    print_files(&path, arguments, session).await
}

/// Where the service logs to, or would.
async fn log_file(manager: &Manager, run: &Run) -> Result<PathBuf, Failure> {
    // launchd would start it for the question.
    if matches!(manager, Manager::Nobody)
        && let Ok(client) = dial(&run.settings).await
    {
        let status = client.status().await?;
        if status.log_file.is_empty() {
            return Err(Failure::usage("the service keeps no log")
                .caused_by("it was started in the foreground and logs to its standard error stream"));
        }
        return Ok(status.log_file.into());
    }
    let document = configuration::read(&run.settings, None).await?;
    match document.state_directory {
        Some(folder) => Ok(folder.join(FILE)),
        None => Err(super::unusable(document.faults.iter().map(ToString::to_string))),
    }
}

async fn print_files(path: &Path, arguments: LogsArguments, session: Option<&str>) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let failure = Failure::usage(format!("cannot read {}", path.display()));
        match error.kind() {
            io::ErrorKind::NotFound => failure.caused_by("nothing was logged there yet"),
            _ => failure.caused_by(error),
        }
    };
    let show = |line: &str| record::readable(line, session);
    let mut log = Log::open(path).map_err(failed)?;
    print(log.last(arguments.lines, show).map_err(failed)?)?;
    if !arguments.follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(FOLLOW_PAUSE).await;
        print(log.news(show).map_err(failed)?)?;
    }
}

fn print(lines: VecDeque<String>) -> Result<(), Failure> {
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    write_stdout(text.as_bytes()).map_err(|error| Failure::usage("cannot write to stdout").caused_by(error))
}
