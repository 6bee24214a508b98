//! The JDBC driver as a witness: its archive, fetched once by Maven.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Running;
use crate::stage::Stage;
use crate::{config, kept};

/// Longest installation, on a slow network.
const INSTALL_DEADLINE: Duration = Duration::from_mins(15);

/// The witness in a stage's home, compiled by the launcher as it starts.
///
/// # Panics
///
/// When the driver cannot be fetched.
pub fn command(stage: &Stage, port: &str) -> Command {
    let source = config::repository().join("tests/clients/jdbc");
    let recipe = std::fs::read_to_string(source.join("pom.xml")).expect("the repository has it");
    let folder = kept::folder("jdbc", "witness", &recipe, |folder| {
        std::fs::write(folder.join("pom.xml"), &recipe).expect("the cache is writable");
        install(folder);
    });
    let mut command = stage.command("java");
    command
        // The driver's Arrow reads memory that newer Javas guard.
        .arg("--add-opens=java.base/java.nio=ALL-UNNAMED")
        // It lives for seconds: what compiles quickly is quicker.
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg(format!("-Duser.home={}", stage.path("").display()))
        .arg("--class-path")
        .arg(folder.join("lib/*"))
        .arg(source.join("Witness.java"))
        .arg(port);
    command.env("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true");
    command
}

/// Sees the outer environment: repositories, proxy and certificates are the machine's business.
fn install(folder: &Path) {
    let mut copy = Command::new("mvn");
    copy.args([
        "--quiet",
        "--batch-mode",
        "dependency:copy-dependencies",
        "-DoutputDirectory=lib",
    ])
    .current_dir(folder);
    Running::start(copy, None).wait(INSTALL_DEADLINE).ok();
}
