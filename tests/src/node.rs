//! The Node SDK as a witness: its packages, installed once from the lock file.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Running;
use crate::stage::Stage;
use crate::{config, kept};

/// Longest installation, on a slow network.
const INSTALL_DEADLINE: Duration = Duration::from_mins(15);

/// The witness in a stage's home.
///
/// # Panics
///
/// When its packages cannot be installed.
pub fn command(stage: &Stage, port: &str) -> Command {
    let source = config::repository().join("tests/clients/node");
    let read = |name: &str| {
        std::fs::read_to_string(source.join(name)).unwrap_or_else(|error| panic!("read {name}: {error}"))
    };
    let lists = [
        ("package.json", read("package.json")),
        ("package-lock.json", read("package-lock.json")),
    ];
    let recipe = lists.iter().map(|(_, text)| text.as_str()).collect::<String>();
    let folder = kept::folder("node", "witness", &recipe, |folder| {
        for (name, text) in &lists {
            std::fs::write(folder.join(name), text).expect("the cache is writable");
        }
        install(folder);
    });
    let mut command = stage.command("node");
    command.arg(source.join("witness.js")).arg(port);
    command
        .env("NODE_PATH", folder.join("node_modules"))
        .env("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true");
    command
}

/// Sees the outer environment: registry, proxy and certificates are the machine's business.
fn install(folder: &Path) {
    let mut install = Command::new("npm");
    install
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel",
            "error",
        ])
        .current_dir(folder);
    Running::start(install, None).wait(INSTALL_DEADLINE).ok();
}
