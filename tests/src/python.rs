//! Python virtual environments for the witnesses, made once and kept in the user's cache.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::config;
use crate::installed::installed;
use crate::process::{Ran, Running};
use crate::stage::Stage;

/// Longest run of a script.
const SCRIPT_DEADLINE: Duration = Duration::from_mins(5);

/// The interpreter of an environment with these requirements; installs it when it is not there.
///
/// # Panics
///
/// When it cannot be installed.
pub fn environment(requirements: &[&str]) -> PathBuf {
    let folder = config::cache().join("venvs").join(name(requirements));
    let interpreter = folder.join("bin/python");
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder);
    let mut fill = Command::new(&interpreter);
    fill.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(requirements);
    installed(&folder, &requirements.join("\n"), [make, fill]);
    interpreter
}

/// Runs a script of `tests/clients` in a stage's home.
pub fn script(stage: &Stage, requirements: &[&str], name: &str, arguments: &[&str]) -> Ran {
    let mut command = stage.command(environment(requirements));
    command
        .arg(config::repository().join("tests/clients").join(name))
        .args(arguments);
    // Asks cloud metadata addresses otherwise, and waits for them.
    command
        .env("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Running::start(command, None).wait(SCRIPT_DEADLINE)
}

/// A folder name that changes with the requirements.
fn name(requirements: &[&str]) -> String {
    // FNV-1a: the same on every machine and with every compiler.
    let text = requirements.join("\n");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let first: String = requirements[0]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    format!("{first}-{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_requirements() {
        assert_eq!(
            name(&["fakesnow[server]==0.12.1"]),
            name(&["fakesnow[server]==0.12.1"])
        );
        assert_ne!(
            name(&["fakesnow[server]==0.12.1"]),
            name(&["fakesnow[server]==0.12.2"])
        );
        assert!(name(&["fakesnow[server]==0.12.1"]).starts_with("fakesnow-"));
    }
}
