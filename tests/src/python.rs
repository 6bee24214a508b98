//! Python virtual environments for the witnesses, made once and kept in the user's cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{Ran, Running};
use crate::stage::Stage;
use crate::{config, kept};

/// Longest installation, on a slow network.
const INSTALL_DEADLINE: Duration = Duration::from_mins(15);
/// Longest run of a script.
const SCRIPT_DEADLINE: Duration = Duration::from_mins(5);

/// The interpreter of an environment with these requirements; installs it when it is not there.
///
/// # Panics
///
/// When it cannot be installed: a witness that is missing is a failure, not a reason to skip.
pub fn environment(requirements: &[&str]) -> PathBuf {
    let first = requirements.first().copied().unwrap_or_default();
    let name: String = first
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    installed(&name, &requirements.join("\n"))
}

/// The interpreter of the environment that `tests/clients/requirements/NAME.txt` pins.
pub fn pinned(name: &str) -> PathBuf {
    let path = config::repository().join(format!("tests/clients/requirements/{name}.txt"));
    let requirements =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    installed(name, &requirements)
}

fn installed(name: &str, requirements: &str) -> PathBuf {
    let folder = kept::folder("venvs", name, requirements, |folder| {
        install(folder, requirements);
    });
    interpreter(&folder)
}

/// A script of `tests/clients` in a stage's home.
pub fn command(stage: &Stage, interpreter: &Path, script: &str, arguments: &[&str]) -> Command {
    let mut command = stage.command(interpreter);
    command
        .arg(config::repository().join("tests/clients").join(script))
        .args(arguments);
    // Asks cloud metadata addresses otherwise, and waits for them.
    command
        .env("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a script of `tests/clients` in a stage's home with a pinned environment.
pub fn script(stage: &Stage, environment: &str, script: &str, arguments: &[&str]) -> Ran {
    Running::start(command(stage, &pinned(environment), script, arguments), None).wait(SCRIPT_DEADLINE)
}

fn interpreter(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

fn install(folder: &Path, requirements: &str) {
    // These two see the outer environment: package index, proxy and certificates are the machine's business.
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(folder);
    Running::start(make, None).wait(INSTALL_DEADLINE).ok();
    let list = folder.join("requirements.txt");
    std::fs::write(&list, requirements).expect("the cache is writable");
    let mut fill = Command::new(interpreter(folder));
    fill.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ])
    .arg(list);
    Running::start(fill, None).wait(INSTALL_DEADLINE).ok();
}
