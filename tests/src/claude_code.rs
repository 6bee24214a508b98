//! Claude Code, the program that our plugin is written for: what of it works without a login and without a network.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::kept;
use crate::process::{Ran, Running, run};
use crate::stage::Stage;

/// The version that judges. Its words are read by tests, so a newer one is chosen, not met.
const VERSION: &str = "2.1.332";

/// Longest installation, on a slow network.
const INSTALL_DEADLINE: Duration = Duration::from_mins(15);

/// Claude Code in a home of its own, with a watched door as its only way out.
#[derive(Debug)]
pub struct ClaudeCode {
    program: PathBuf,
    stage: Stage,
    door: TcpListener,
}

impl ClaudeCode {
    /// Makes an empty home, and installs the program when it is not in the cache.
    ///
    /// # Panics
    ///
    /// When it cannot be installed.
    pub fn new() -> Self {
        let door = TcpListener::bind("127.0.0.1:0").expect("a free port");
        door.set_nonblocking(true).expect("our own socket");
        let way_out = format!("http://{}", door.local_addr().expect("it is bound"));
        let mut stage = Stage::new();
        stage.set("HTTPS_PROXY", &way_out);
        stage.set("HTTP_PROXY", &way_out);
        // Counts its runs at its maker's otherwise.
        stage.set("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        Self {
            program: program(),
            stage,
            door,
        }
    }

    /// A path in its home.
    pub fn path(&self, inner: &str) -> PathBuf {
        self.stage.path(inner)
    }

    /// Runs `claude plugin` to its end.
    ///
    /// # Panics
    ///
    /// When it wanted to talk to somebody.
    pub fn plugin(&self, arguments: &[&str]) -> Ran {
        let mut command = self.stage.command(&self.program);
        command.arg("plugin").args(arguments);
        let ran = run(command, None);
        let knocked = self.door.accept();
        assert!(
            knocked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
            "it left the machine: {ran}"
        );
        ran
    }
}

impl Default for ClaudeCode {
    fn default() -> Self {
        Self::new()
    }
}

/// The native program. npm's package of that name only chooses it, with a script that newer npm does not run unasked.
fn program() -> PathBuf {
    let package = format!("@anthropic-ai/claude-code-{}", platform());
    let wanted = format!("{package}@{VERSION}");
    let folder = kept::folder("claude-code", VERSION, &wanted, |folder| {
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-save",
        ]);
        install
            .args(["--loglevel", "error", "--prefix"])
            .arg(folder)
            .arg(&wanted);
        Running::start(install, None).wait(INSTALL_DEADLINE).ok();
    });
    folder.join("node_modules").join(package).join("claude")
}

/// This machine as npm's packages name it.
fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let library = if cfg!(target_env = "musl") { "-musl" } else { "" };
    format!("{system}-{processor}{library}")
}
