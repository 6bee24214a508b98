//! `emulator`: hands over to `snowflake-emulator`, which knows how; says which emulator is meant.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::{Run, connect, wait};
use crate::arguments::{EmulatorVerb, FaultVerb, Replace, SnapshotVerb, Which};
use crate::failure::Failure;
use crate::launch;

/// The built-in connection behind which the service's own emulator is.
const LOCAL: &str = "local";

/// Carries out one of the verbs.
pub(super) fn emulator(verb: EmulatorVerb, run: &Run) -> Result<(), Failure> {
    let json = run.wants_json().then_some("--json");
    let (which, words) = match verb {
        EmulatorVerb::Start { which, options } if which.data.is_some() => {
            (which, words(&["start"]).into_iter().chain(options).collect())
        }
        EmulatorVerb::Start { .. } => return start_own(run),
        EmulatorVerb::Stop(which) => (which, words(&["stop"])),
        EmulatorVerb::Status(which) => (which, with(&["status"], json)),
        EmulatorVerb::Reset(replace) => replacing(&["reset"], replace),
        EmulatorVerb::Restore { name, replace } => replacing(&["restore", &name], replace),
        EmulatorVerb::Snapshot(SnapshotVerb::Create { name, which }) => {
            (which, words(&["snapshot", "create", &name]))
        }
        EmulatorVerb::Snapshot(SnapshotVerb::List(which)) => (which, with(&["snapshot", "list"], json)),
        EmulatorVerb::Snapshot(SnapshotVerb::Delete { name, which }) => {
            (which, words(&["snapshot", "delete", &name]))
        }
        EmulatorVerb::Logs { lines, follow, which } => return logs(lines, follow, which, run),
        EmulatorVerb::Fault(FaultVerb::Add { rules, which }) => {
            let rules = rules.into_iter().map(OsString::from);
            (which, words(&["fault", "add"]).into_iter().chain(rules).collect())
        }
        EmulatorVerb::Fault(FaultVerb::List(which)) => (which, with(&["fault", "list"], json)),
        EmulatorVerb::Fault(FaultVerb::Clear(which)) => (which, words(&["fault", "clear"])),
    };
    let folder = match which.data {
        Some(folder) => folder,
        None => own(run)?.data,
    };
    Err(hand_over(words, folder, run))
}

/// The service's own emulator comes with the first login.
fn start_own(run: &Run) -> Result<(), Failure> {
    let mut run = run.clone();
    LOCAL.clone_into(&mut run.settings.connection);
    wait(connect::connect(&run))
}

/// The service keeps the log of its own emulator.
fn logs(lines: usize, follow: bool, which: Which, run: &Run) -> Result<(), Failure> {
    let lines = lines.to_string();
    let mut words = words(&["logs", "--lines", &lines]);
    words.extend(follow.then(|| "--follow".into()));
    let folder = if let Some(folder) = which.data {
        folder
    } else {
        let own = own(run)?;
        words.extend(["--log-file".into(), own.log.into()]);
        own.data
    };
    Err(hand_over(words, folder, run))
}

/// Where the service's own emulator has its data and its log.
struct Own {
    data: PathBuf,
    log: PathBuf,
}

fn own(run: &Run) -> Result<Own, Failure> {
    run.only_here("the service's own emulator")?;
    let status = wait(async {
        let client = launch::reach(&run.settings, &run.ui).await?;
        client.status().await
    })?;
    if status.emulator_data_directory.is_empty() {
        return Err(
            Failure::usage("the running service is too old to tell where its emulator's data is").hint(
                "`sfctl service restart` puts the installed version to work, or name the folder with --data",
            ),
        );
    }
    run.ui.note(&format!(
        "about the service's own emulator, behind connection {LOCAL}; --data names another"
    ));
    Ok(Own {
        data: status.emulator_data_directory.into(),
        log: PathBuf::from(status.state_directory).join("emulator.log"),
    })
}

/// Becomes the emulator's program. Returns only if that fails.
fn hand_over(words: Vec<OsString>, folder: PathBuf, run: &Run) -> Failure {
    let program = match launch::emulator_program(&run.settings) {
        Ok(program) => program,
        Err(failure) => return failure,
    };
    let mut command = Command::new(&program);
    let error = command.args(words).arg("--data").arg(folder).exec();
    Failure::usage(format!("cannot run {}", program.display())).caused_by(error)
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn with(first: &[&str], flag: Option<&str>) -> Vec<OsString> {
    first.iter().copied().chain(flag).map(OsString::from).collect()
}

fn replacing(first: &[&str], replace: Replace) -> (Which, Vec<OsString>) {
    let restart = replace.restart.then_some("--restart");
    (replace.which, with(first, restart))
}
